"""The clock record: how a replay tells the time in every source partition that the engine's clock waits for."""

from typing import Annotated

from msgspec import Meta, Struct


class Clock(Struct, frozen=True, tag_field="type", tag="clock"):
    """Every event of this partition up to and including `at` (epoch milliseconds) has been written."""

    at: Annotated[int, Meta(description="Epoch milliseconds.")]
