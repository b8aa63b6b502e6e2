"""Pacing: what piles up is let out a little at a time, in an order that has nothing to do with who came first."""

from xxhash import xxh3_64_intdigest

from pipeline.config.durations import MINUTE


def spread(episode: str, over: int) -> int:
    """An episode's own place in a length of time, milliseconds: evenly spread by hash, always the same."""
    return xxh3_64_intdigest(episode.encode()) % over if over > 0 else 0


def try_again(episode: str, now: int, expires: int, over: int) -> int:
    """When a message for which there was no room in its minute is tried again.

    At least a minute later, somewhere in the first half of what is left of its time and within `over`; so one that
    finds no room several times is tried ever sooner, until it expires.
    """
    return now + MINUTE + spread(episode, min(over, (expires - now) // 2))
