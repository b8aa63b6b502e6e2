"""A poll turned into frames: rows by partition of the log, with what was refused, echoed and counted on the way."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple, Protocol

from pipeline.config.namespace import HISTORY, MODELS, PERSON_SOURCES, SOURCES, Namespace, SourcePartition
from pipeline.events.clock import Clock
from pipeline.ingest.control import route_control
from pipeline.ingest.models import route_model
from pipeline.ingest.route import Echoed, Routed, Router
from pipeline.log.frames import FORMAT, Beat, Frame, FrameKind, Mark, encode_frame, encode_rows
from pipeline.log.models import is_for_the_log
from pipeline.log.persons import partition_of
from pipeline.log.rejects import RefusedError, Reject, RejectReason, cut
from pipeline.log.rows import OrderNews, OrderRow, ProductRow, Row

ACTIVITY = ("shop.clicks", "shop.carts")
CONTROL = "pipeline.control"
KINDS = {"shop.catalog": FrameKind.PRODUCT, CONTROL: FrameKind.CONTROL, MODELS: FrameKind.MODEL}
"""Of the frames that every partition gets."""


class Record(Protocol):
    """A record as a Kafka consumer returns it."""

    @property
    def offset(self) -> int:
        """Offset in its partition."""

    @property
    def timestamp(self) -> int:
        """CreateTime, epoch milliseconds."""

    @property
    def key(self) -> bytes | None:
        """Key as published."""

    @property
    def value(self) -> bytes | None:
        """Bytes as published."""


class Echo(NamedTuple):
    """A valid test event, to be published again as it came."""

    source: SourcePartition
    offset: int
    key: bytes | None
    value: bytes


class Framed(NamedTuple):
    """Frames in the order in which each partition must get them: `(partition, bytes)`."""

    frames: list[tuple[int, bytes]]
    rejects: list[Reject]
    echoes: list[Echo]
    clocks: dict[int, int]
    """Newest clock record of each source."""
    beats: list[Beat]
    received: Counter[tuple[str, str]]
    """By topic and site; the site is empty where a record was refused."""
    discarded: Counter[tuple[str, str]]
    """By topic and reason."""
    newest: dict[tuple[str, str], int]
    """By topic and site: the newest record time, epoch milliseconds."""


class Framer:
    """Frames what is polled from the sources of a namespace. Holds no state but the decoders."""

    def __init__(self, namespace: Namespace, version: str, reject_bytes: int) -> None:
        self._namespace = namespace
        self._mode = namespace.mode.value
        self._refused_by = f"ingest {version}"
        self._reject_bytes = reject_bytes
        self._routers = {topic: Router(topic, namespace.mode) for topic in SOURCES if topic not in (CONTROL, MODELS)}

    def frame(self, polled: Iterable[tuple[int, list[Record]]], now: int | None) -> Framed:
        """Frame the records of each source id. `now`, epoch milliseconds, bounds record times; None in a replay."""
        partitions = self._namespace.partitions
        out: list[list[Row]] = [[] for _ in range(partitions)]
        framed = Framed([], [], [], {}, [], Counter(), Counter(), {})
        broadcast: dict[FrameKind, list[Row]] = {}
        flows: dict[str, list[int]] = {}
        for source, records in polled:
            topic = self._namespace.sources[source].topic
            if topic in PERSON_SOURCES:
                self._people(source, records, now, out, framed, flows)
            else:
                broadcast.setdefault(KINDS[topic], []).extend(self._broadcast(source, records, now, framed))
        for kind in sorted(broadcast, reverse=True):  # control before products, models before both
            for data in encode_rows(kind, self._mode, broadcast[kind]) if broadcast[kind] else ():
                framed.frames.extend((p, data) for p in range(partitions))
        for partition, rows in enumerate(out):
            if rows:
                framed.frames.extend((partition, data) for data in encode_rows(FrameKind.EVENTS, self._mode, rows))
        framed.beats.extend(Beat(site, *flow) for site, flow in flows.items())
        return framed

    def tick(self, marks: list[Mark], beats: list[Beat]) -> bytes:
        """A frame of watermarks, the same for every partition."""
        return encode_frame(Frame(FORMAT, FrameKind.TICK, self._mode, (), tuple(marks), tuple(beats)))

    def _people(
        self,
        source: int,
        records: list[Record],
        now: int | None,
        out: list[list[Row]],
        framed: Framed,
        flows: dict[str, list[int]],
    ) -> None:
        topic = self._namespace.sources[source].topic
        route, partitions = self._routers[topic], self._namespace.partitions
        now_selling = topic != HISTORY
        told: dict[str, list[int]] = {}  # by site: how many, and the newest time
        for record in records:
            time = record.timestamp if now is None or record.timestamp < now else now
            try:
                routed = route(record.value, time)
            except RefusedError as error:
                framed.received[topic, ""] += 1
                self._refuse(source, record, error, framed)
                continue
            if type(routed) is Routed:
                person, site, event = routed
                out[partition_of(person, partitions)].append(Row(source, record.offset, 0, time, person, event))
                if (seen := told.get(site)) is None:
                    seen = told[site] = [0, 0]
                seen[0] += 1
                if time > seen[1]:
                    seen[1] = time
                if type(event) is OrderRow and event.news == OrderNews.PURCHASE and now_selling:
                    flow = flows.setdefault(site, [0, 0, 0, 0])
                    flow[1] = max(flow[1], time)
                    flow[2] += 1
                    flow[3] = min(flow[3] or time, time)
            elif type(routed) is Clock:
                framed.clocks[source] = max(routed.at, framed.clocks.get(source, 0))
            elif type(routed) is Echoed:
                self._echo(source, record, routed, framed)
        for site, (number, newest) in told.items():
            framed.received[topic, site] += number
            if now_selling:
                framed.newest[topic, site] = max(newest, framed.newest.get((topic, site), 0))
            if topic in ACTIVITY:
                flow = flows.setdefault(site, [0, 0, 0, 0])
                flow[0] = max(flow[0], newest)

    def _broadcast(self, source: int, records: list[Record], now: int | None, framed: Framed) -> Iterable[Row]:
        topic = self._namespace.sources[source].topic
        for record in records:
            time = record.timestamp if now is None or record.timestamp < now else now
            try:
                if topic == MODELS:
                    if is_for_the_log(record.key):
                        yield Row(source, record.offset, 0, time, "", route_model(record.key, record.value))
                    continue
                if topic == CONTROL:
                    control = route_control(record.key, record.value, record.offset, self._namespace)
                    yield Row(source, record.offset, 0, time, "", control)
                    continue
                routed = self._routers[topic](record.value, time)
            except RefusedError as error:
                framed.received[topic, ""] += 1
                self._refuse(source, record, error, framed)
                continue
            if isinstance(routed, ProductRow):
                framed.received[topic, routed.site] += 1
                framed.newest[topic, routed.site] = max(time, framed.newest.get((topic, routed.site), 0))
                yield Row(source, record.offset, 0, time, "", routed)
            elif isinstance(routed, Echoed):
                self._echo(source, record, routed, framed)

    def _echo(self, source: int, record: Record, echoed: Echoed, framed: Framed) -> None:
        place = self._namespace.sources[source]
        framed.received[place.topic, echoed.site] += 1
        framed.discarded[place.topic, "test"] += 1
        framed.echoes.append(Echo(place, record.offset, record.key, record.value or b""))

    def _refuse(self, source: int, record: Record, error: RefusedError, framed: Framed) -> None:
        place, value = self._namespace.sources[source], record.value or b""
        kept, digest, truncated = cut(value, self._reject_bytes)
        framed.discarded[place.topic, error.reason.value] += 1
        framed.rejects.append(
            Reject(
                reason=RejectReason(error.reason),
                detail=str(error)[:500],
                topic=place.topic,
                partition=place.partition,
                offset=record.offset,
                timestamp=record.timestamp,
                size=len(value),
                refused_by=self._refused_by,
                key=record.key[:1024] if record.key is not None else None,
                value=kept,
                sha256=digest,
                truncated=truncated,
            )
        )
