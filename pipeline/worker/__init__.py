"""The worker: a Faust app whose agent hands frames to one runner a partition, and whose table is the customers."""
