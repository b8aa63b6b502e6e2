"""What a partition hands over at a commit: changed rows, records for other topics, and counts."""

from collections import Counter
from typing import NamedTuple

from msgspec import Struct

from pipeline.log.rejects import Reject
from pipeline.triggers.contract import Kind, Outcome

NO_SOURCE = -1
"""In place of a source id: what was discarded came from no source."""

Headers = list[tuple[str, bytes]]


class Output(Struct, frozen=True, gc=False):
    """A record for a topic of the namespace; its partition is that of the log.

    `caused_at` is the time of the record that caused it, 0 where the passing of time did; `at`, `due` and `after_send`
    as in the verdict.
    """

    topic: str
    key: bytes
    value: bytes
    headers: Headers
    outcome: Outcome
    reason: str
    kind: Kind
    caused_at: int
    at: int
    due: int
    after_send: bool


class Batch(NamedTuple):
    """What one transaction holds. `rows` are those of the changelog, the position last; it moves with all the rest.

    `examples` are predictions whose label is known, by the id of the prediction, for the learner. `touches` are of
    products, encoded, for the tables of the next item.
    `discarded` counts by source id and reason, NO_SOURCE where time was the cause; `messages` the reports of senders
    by channel and Report. `effective` is False where nothing but the position and the clock moved.
    """

    rows: list[tuple[bytes, bytes]]
    outputs: list[Output]
    examples: list[tuple[str, bytes]]
    touches: list[bytes]
    rejects: list[Reject]
    discarded: Counter[tuple[int, str]]
    messages: Counter[tuple[str, int]]
    events: int
    effective: bool
