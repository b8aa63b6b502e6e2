"""Backtests: the live heads over a log of clicks or orders, test-then-train, each beside its baselines."""
