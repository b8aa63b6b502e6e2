"""Input that cannot be used: each record is in rejects with its reason, and the stream goes on."""

import json
from collections import Counter
from typing import Any

from pipeline.config.durations import HOUR
from pipeline.log.rejects import RejectReason
from pipeline.replay.history import History
from pipeline.replay.publish import SETTLE
from pipeline.simulator.happening import CARTS, CLICKS, ORDERS, Happening
from tests.faults.histories import a_shop, part
from tests.faults.processes import Stage

YEAR_2100 = 4_102_444_800_000


def bad_records(at_ms: int) -> list[tuple[str, bytes | None, RejectReason]]:
    def event(**fields: Any) -> bytes:
        good = {"type": "page_view", "event_id": "bad", "site_id": "simulated", "occurred_at": at_ms}
        return json.dumps({k: v for k, v in (good | {"customer_id": "c"} | fields).items() if v is not None}).encode()

    item = {"item_id": "a", "price": 1}
    return [
        (CLICKS, event()[:-9], RejectReason.NOT_JSON),
        (CLICKS, b"\xff\xfe\x00", RejectReason.NOT_JSON),
        (CLICKS, b"[" * 50_000, RejectReason.INVALID),
        (CLICKS, event(customer_id=17), RejectReason.INVALID),
        (CLICKS, event(occurred_at="yesterday"), RejectReason.INVALID),
        (CLICKS, b"null", RejectReason.INVALID),
        (CLICKS, event(page="x" * 10 * 1024 * 1024), RejectReason.TOO_LARGE),
        (CLICKS, event(type="teleport"), RejectReason.UNKNOWN_TYPE),
        (CLICKS, event(occurred_at=0), RejectReason.OCCURRED_TOO_LONG_AGO),
        (CLICKS, event(occurred_at=YEAR_2100), RejectReason.OCCURRED_IN_FUTURE),
        (CLICKS, None, RejectReason.EMPTY),
        (CLICKS, event(customer_id=None), RejectReason.NO_PERSON),
        (CLICKS, event(site_id="Nope!"), RejectReason.BAD_SITE),
        (CLICKS, event(anonymous_id_kind="fingerprint"), RejectReason.FINGERPRINT),
        (CLICKS, event(context={"device": "bot"}), RejectReason.BOT),
        (CARTS, event(type="add_to_cart", items=[item], currency="ZZZ"), RejectReason.UNKNOWN_CURRENCY),
        (ORDERS, event(type="purchase", order_id="o", value=-1, currency="EUR"), RejectReason.INVALID),
    ]


def an_only_cart_event(history: History) -> Happening:
    """The cart event of somebody who has no other one and no order: that it comes a little late changes nothing.

    Of the last quarter.
    """
    told = list(history.tell())
    of_carts = Counter(h.key for h in told if h.topic in (CARTS, ORDERS))
    return next(h for h in told[len(told) * 3 // 4 :] if h.topic == CARTS and of_carts[h.key] == 1)


def test_nothing_that_comes_in_stops_the_stream(stage_of) -> None:
    stage: Stage = stage_of()
    history = a_shop(600, seed=8)
    poison = an_only_cart_event(history)
    begin, end = history.span.first_ms, poison.at_ms + HOUR
    half = (begin + end) // 2
    first, second, last = part(history, begin, half), part(history, half, end), part(history, end, YEAR_2100)
    ingest, serve = stage.ingest(), stage.serve()
    poisoned = {"module": "tests.faults.poisoned", "FAULT_EVENT": poison.event.event_id}
    worker = stage.worker("poisoned", **poisoned)
    stage.publish(first)
    at_ms = first.span.last_ms
    bad = bad_records(at_ms)
    stage.send((topic, 0, None, value, at_ms) for topic, value, _ in bad)
    stage.publish(second)
    stage.settle(second.span.last_ms, tending=False)

    found = stage.rejects()
    wanted = Counter((topic, reason) for topic, _, reason in bad)
    assert Counter((r.topic, r.reason) for r in found) == wanted + Counter([(CARTS, RejectReason.FOLD_ERROR)])
    assert {r.size for r in found if r.reason is RejectReason.TOO_LARGE} == {len(bad[6][1] or b"")}

    worker.kill()
    worker = stage.worker()
    done = stage.run("rejects", "replay", "--reason", "fold_error")
    assert done.returncode == 0, done.stderr
    again = stage.run("rejects", "replay", "--reason", "fold_error")
    assert "before" in again.stdout, again.stdout
    stage.publish(last, SETTLE)
    clock = last.span.last_ms + SETTLE
    stage.settle(clock, tending=False)
    stage.judge(clock, **poisoned)
    assert sum(r.reason is RejectReason.FOLD_ERROR for r in stage.rejects()) == 1
    assert worker.exits == ingest.exits == serve.exits == []
