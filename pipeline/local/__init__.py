"""Servers of others that run as our children on this machine, where there are none to use: their life, their ports."""
