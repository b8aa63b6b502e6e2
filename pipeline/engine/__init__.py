"""The pure fold over the log: rows and the passing of time in, changed values and outputs out. No clock, no I/O."""
