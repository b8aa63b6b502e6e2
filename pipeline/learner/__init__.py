"""The learner: examples in, snapshots out, its own state beside them, all in one transaction."""
