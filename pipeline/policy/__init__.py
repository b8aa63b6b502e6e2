"""The gates that a candidate trigger passes, one a file. Pure."""
