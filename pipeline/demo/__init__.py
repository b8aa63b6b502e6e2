"""The demonstration: the whole pipeline on this machine, on a history that takes half a minute to stream."""
