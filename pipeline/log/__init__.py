"""The one log: frames of rows, everything that can change an outcome, in the order in which it is folded."""
