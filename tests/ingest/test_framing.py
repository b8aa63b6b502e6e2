"""Polls framed: rows by partition in the order of their source, with all that was refused accounted for."""

import json
from typing import Any

import msgspec

from pipeline.config.durations import DAY
from pipeline.config.namespace import Mode, SourcePartition, new_namespace
from pipeline.config.policy import Policy, decode_policy, encode_policy, policy_version
from pipeline.ingest.framing import Framed, Framer
from pipeline.log.frames import MAX_FRAME_BYTES, Beat, Frame, FrameKind, Mark, decode_frame
from pipeline.log.models import pin_key, served_key, state_key, version_key
from pipeline.log.persons import partition_of
from pipeline.log.rows import ModelRow, NamespaceRow, PolicyRow, ProductRow, SourceResetRow
from pipeline.scoring import snapshot as snapshots
from pipeline.scoring.snapshot import Snapshot, encode_snapshot
from tests.engine.harness import Record

NOW = 1_700_000_000_000
TEST = new_namespace("n", Mode.TEST, 3)
LIVE = new_namespace("n", Mode.LIVE, 3)


def source(topic: str, partition: int = 0) -> int:
    return TEST.sources.index(SourcePartition(topic, partition))


CLICKS, CARTS, ORDERS = source("shop.clicks"), source("shop.carts", 1), source("shop.orders")
CATALOG, CONTROL, HISTORY = source("shop.catalog"), source("pipeline.control"), source("shop.history")
MODELS = source("pipeline.models")


def body(kind: str, who: str = "ann", **more: Any) -> bytes:
    event = {"event_id": "e", "type": kind, "site_id": "s", "occurred_at": NOW, "customer_id": who}
    return json.dumps(event | more).encode()


def records(*values: bytes | None, time: int = NOW) -> list[Any]:
    return [Record(offset, time + offset, b"key", value) for offset, value in enumerate(values, 10)]


def framed(polled: dict[int, list[Any]], now: int | None = None, keep: int = 100) -> Framed:
    return Framer(TEST if now is None else LIVE, "7", keep).frame(polled.items(), now)


def frames(got: Framed) -> list[tuple[int, Frame]]:
    return [(partition, decode_frame(data)) for partition, data in got.frames]


def test_rows_go_to_the_partition_of_their_person_in_the_order_of_their_source() -> None:
    people = [f"p{n % 7}" for n in range(50)]
    got = frames(framed({CLICKS: records(*(body("page_view", who) for who in people))}))
    assert sorted(row.offset for _, frame in got for row in frame.rows) == list(range(10, 60))
    for partition, frame in got:
        assert frame.kind == FrameKind.EVENTS
        assert all(partition_of(row.person, 3) == partition for row in frame.rows)
        offsets = [row.offset for row in frame.rows]
        assert offsets == sorted(offsets)


def test_what_is_refused_is_kept_with_its_reason_and_place() -> None:
    got = framed({CARTS: records(b"{", body("clear_cart"), None, b"x" * 90_000)}, keep=50)
    assert [(r.reason, r.topic, r.partition, r.offset, r.size, r.truncated) for r in got.rejects] == [
        ("not_json", "shop.carts", 1, 10, 1, False),
        ("empty", "shop.carts", 1, 12, 0, False),
        ("too_large", "shop.carts", 1, 13, 90_000, True),
    ]
    assert [len(r.value) for r in got.rejects] == [1, 0, 50]
    assert {r.refused_by for r in got.rejects} == {"ingest 7"}
    assert got.discarded == {("shop.carts", reason): 1 for reason in ("not_json", "empty", "too_large")}
    assert got.received == {("shop.carts", "s"): 1, ("shop.carts", ""): 3}


def test_a_test_event_is_echoed_and_counted_and_goes_nowhere_else() -> None:
    got = framed({CLICKS: records(body("page_view", test=True))})
    assert [(echo.source.topic, echo.key) for echo in got.echoes] == [("shop.clicks", b"key")]
    assert (got.frames, got.rejects) == ([], [])
    assert got.discarded == {("shop.clicks", "test"): 1}


def test_the_newest_clock_of_a_source_is_told() -> None:
    def clock(at: int) -> bytes:
        return json.dumps({"type": "clock", "at": at}).encode()

    got = framed({CLICKS: records(clock(5), clock(9), clock(7)), ORDERS: records(clock(3))})
    assert got.clocks == {CLICKS: 9, ORDERS: 3}
    assert framed({CLICKS: records(clock(5))}, now=NOW).rejects[0].reason == "unknown_type"


def test_beats_tell_of_activity_and_purchases() -> None:
    order = {"order_id": "o", "value": 1, "currency": "EUR"}
    got = framed(
        {
            ORDERS: records(body("purchase", **order), body("purchase", **order), body("order_shipped", order_id="o")),
            CLICKS: records(body("page_view"), body("page_view")),
        }
    )
    assert got.beats == [Beat("s", NOW + 11, NOW + 11, 2, NOW + 10)]


def test_history_becomes_rows_and_is_no_sign_that_a_shop_is_selling() -> None:
    told = body("purchase", order_id="o", value=1, currency="EUR", occurred_at=NOW - 3_000 * DAY)
    got = framed({HISTORY: records(told, body("identify"))})
    assert [row.event.at for _, frame in frames(got) for row in frame.rows] == [NOW - 3_000 * DAY, NOW]
    assert got.received == {("shop.history", "s"): 2}
    assert got.beats == []


def test_in_a_live_log_no_record_is_later_than_now() -> None:
    got = frames(framed({CLICKS: records(body("page_view", occurred_at=NOW + 9_000), time=NOW + 9_000)}, now=NOW + 50))
    row = got[0][1].rows[0]
    assert (row.ts, row.event.at) == (NOW + 50, NOW + 50)  # type: ignore[union-attr]


def test_a_large_poll_is_framed_in_pieces_that_kafka_takes() -> None:
    item = {"item_id": "i" * 100, "item_category": "c" * 60, "item_brand": "b" * 60}
    adds = [body("add_to_cart", items=[item] * 90) for _ in range(300)]
    got = framed({CARTS: records(*adds)})
    assert len(got.frames) > 5
    assert all(len(data) <= MAX_FRAME_BYTES for _, data in got.frames)
    assert [row.offset for _, frame in frames(got) for row in frame.rows] == list(range(10, 310))


def test_products_and_control_go_to_every_partition_control_first() -> None:
    product = {"event_id": "p", "type": "product", "site_id": "s", "occurred_at": NOW, "item_id": "a", "price": 1}
    policy = encode_policy(Policy())
    reset = json.dumps({"topic": "shop.carts", "partition": 1}).encode()
    control = [
        Record(0, NOW, b"namespace", msgspec.json.encode(TEST)),
        Record(1, NOW, b"policy", policy),
        Record(2, NOW, b"source-reset|x", reset),
    ]
    got = frames(framed({CATALOG: records(json.dumps(product | {"currency": "EUR"}).encode()), CONTROL: control}))
    assert [(partition, frame.kind) for partition, frame in got] == [
        *((p, FrameKind.CONTROL) for p in range(3)),
        *((p, FrameKind.PRODUCT) for p in range(3)),
    ]
    assert [type(row.event) for row in got[0][1].rows] == [NamespaceRow, PolicyRow, SourceResetRow]
    assert isinstance(got[3][1].rows[0].event, ProductRow)
    row = got[0][1].rows[1].event
    assert isinstance(row, PolicyRow)
    assert (row.version, decode_policy(row.body)) == (policy_version(policy), Policy())
    assert got[0][1].rows[2].event == SourceResetRow(CARTS, 2)


def test_control_records_that_make_no_sense_are_refused() -> None:
    bad = [
        Record(0, NOW, b"namespace", b"{}"),
        Record(1, NOW, b"policy", b'{"sites": 5}'),
        Record(2, NOW, b"weather", b"{}"),
        Record(3, NOW, None, b"{}"),
        Record(4, NOW, b"policy", None),
        Record(5, NOW, b"source-reset|x", b'{"topic": "shop.carts", "partition": 99}'),
        Record(6, NOW, b"policy", b"\xff"),
    ]
    got = framed({CONTROL: bad})
    assert got.frames == []
    assert [reject.reason for reject in got.rejects] == [
        "invalid",
        "invalid",
        "unknown_type",
        "unknown_type",
        "unknown_type",
        "invalid",
        "invalid",
    ]


def model(head: str, version: int = 7, weights: int = 2) -> bytes:
    ones = [1.0] * weights
    return encode_snapshot(
        Snapshot(snapshots.FORMAT, head, version, "spec", 200, NOW, 0.5, ones, ones, ones, [], (1.0, 0.0), {})
    )


def test_the_snapshot_that_is_served_goes_to_every_partition_and_what_the_learner_keeps_for_itself_to_none() -> None:
    body = model("intent")
    own = [version_key("intent", 7), state_key("intent", 0), state_key("intent", 1), pin_key("intent"), b"/position"]
    records = [Record(offset, NOW, key, b"its own") for offset, key in enumerate(own)]
    records.append(Record(9, NOW, served_key("intent"), body))
    got = framed({MODELS: records})
    assert [(p, frame.kind) for p, frame in frames(got)] == [(p, FrameKind.MODEL) for p in range(3)]
    assert {frame.rows for _, frame in frames(got)} == {((row := frames(got)[0][1].rows[0]),)}
    assert (row.source, row.offset, row.person, row.event) == (MODELS, 9, "", ModelRow("intent", 7, body))
    assert (got.rejects, got.received, got.discarded) == ([], {}, {})


def test_a_model_that_is_none_is_refused() -> None:
    bad = [
        Record(0, NOW, b"intent", b"\xc1"),
        Record(1, NOW, b"cart", model("intent")),
        Record(2, NOW, b"intent", None),
        Record(3, NOW, None, model("intent")),
        Record(4, NOW, b"intent", model("intent", weights=20_000)),
    ]
    got = framed({MODELS: bad})
    assert got.frames == []
    assert [r.reason for r in got.rejects] == ["invalid", "invalid", "empty", "invalid", "too_large"]
    assert got.discarded.total() == 5


def test_a_tick_says_marks_and_beats() -> None:
    frame = decode_frame(Framer(TEST, "7", 10).tick([Mark(1, 5)], [Beat("s", 1, 2, 3)]))
    assert (frame.kind, frame.mode, frame.rows) == (FrameKind.TICK, "test", ())
    assert (frame.marks, frame.beats) == ((Mark(1, 5),), (Beat("s", 1, 2, 3),))
