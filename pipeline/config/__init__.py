"""Configuration, policy and the layout of a namespace: typed values, no I/O beyond reading a file."""
