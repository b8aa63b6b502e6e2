"""A shop's past orders, read from files and published as history into its live namespace."""
