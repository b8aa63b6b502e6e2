"""Histories streamed into a namespace: a simulated shop and public logs, with the clock records that move the time."""
