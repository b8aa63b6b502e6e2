"""The judge: every source record is in the log, and the outputs are exactly what the fold of the log gives."""
