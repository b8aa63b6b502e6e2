"""Triggers, one file a kind: when is what worth doing. Pure: state in, verdicts out."""
