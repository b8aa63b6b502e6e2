"""One partition of the log: nothing twice, nothing lost, and one bad event costs itself only."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from pipeline.config.policy import PermissionPolicy
from pipeline.engine import partition
from pipeline.engine.outputs import MAX_OUTPUT_BYTES
from pipeline.events.customer import Basis, Purpose
from pipeline.log.frames import FORMAT, Frame, FrameError, FrameKind, Mark, encode_frame
from pipeline.log.rows import CartOp, Click, ClickKind, ConsentRow, IdentifyRow, Line, SourceResetRow
from pipeline.state import codec
from pipeline.state.customer import MAX_CHANNELS
from pipeline.state.partition import CLOCK_KEY, POSITION_KEY, decode_clock, decode_position, product_key
from pipeline.triggers.contract import Kind, Suggestion, Why
from pipeline.triggers.site_now import Suggest
from tests.engine.shop import ANN, SOURCES, Shop, add, at, cart, click, order, site_policy, word

ONE_STEP = site_policy(steps=(30,))
BOB = "s|c|bob"


# --- duplicates


def test_a_range_that_is_read_again_is_dropped_by_its_offsets() -> None:
    shop = Shop(ONE_STEP)
    rows = [shop.row(click(n)) for n in range(10)]
    shop.frame(*rows[:7])
    before = dict(shop.store)
    shop.frame(*rows[3:])
    assert shop.discarded["resent"] == 4
    shop.frame(*rows)
    assert shop.discarded["resent"] == 14
    assert shop.store[ANN.encode()] != before[ANN.encode()]


def test_rows_of_one_offset_are_told_apart_by_their_sub_index() -> None:
    shop = Shop(ONE_STEP)
    row = shop.row(IdentifyRow("e", at(1), "login"))
    shop.frame(row, msgspec.structs.replace(row, sub=1, person=BOB), msgspec.structs.replace(row, sub=1, person=BOB))
    assert shop.discarded["resent"] == 1
    assert BOB.encode() in shop.store


def test_the_highest_offsets_outlast_a_restart() -> None:
    shop = Shop(ONE_STEP)
    row = shop.row(click(1))
    shop.frame(row)
    shop.reopen()
    shop.frame(row)
    assert shop.discarded["resent"] == 1


def test_a_source_that_was_made_anew_starts_again_after_an_operators_word() -> None:
    shop = Shop(ONE_STEP)
    shop.tell(*(click(n) for n in range(5)))
    shop.offsets[SOURCES[Click]] = 0
    shop.tell(click(6))
    assert shop.discarded["resent"] == 1
    shop.broadcast(SourceResetRow(SOURCES[Click], 0))
    shop.offsets[SOURCES[Click]] = 0
    shop.tell(click(7))
    assert shop.discarded["resent"] == 1


def test_an_event_that_a_shop_publishes_twice_counts_once() -> None:
    shop = Shop(ONE_STEP)
    shop.tell(add(0, event_id="e"), add(5, event_id="e"))
    shop.clock(60)
    assert shop.discarded["duplicate"] == 1
    assert shop.said() == [(1, "emitted", "silent", 30)]
    assert shop.triggers() == []


def test_ids_of_clicks_and_carts_are_kept_apart() -> None:
    shop = Shop(ONE_STEP)
    shop.tell(click(0, event_id="e"), add(0, event_id="e"))
    assert shop.discarded["duplicate"] == 0


def test_what_may_be_a_duplicate_too_old_to_tell_is_counted_and_not_used() -> None:
    shop = Shop(ONE_STEP)
    shop.tell(click(3 * 1440), click(3 * 1440 - 2_879), click(1440), click(3 * 1440 - 2_880))
    assert shop.discarded["too_late"] == 2
    shop.tell(*(click(5_000 + n) for n in range(70)), click(5_002))
    assert shop.discarded["too_late"] == 3


def test_a_frame_is_folded_person_by_person_in_the_order_in_which_they_appear() -> None:
    shop = Shop(ONE_STEP)
    for person in (ANN, BOB):
        shop.tell(word(-60, True), add(0), person=person)
    shop.clock(30)
    shop.said()
    shop.frame(shop.row(click(31), BOB), shop.row(order(32), ANN), shop.row(order(33), BOB))
    told = [(decision["customer_id"], decision["reason"]) for decision in shop.decisions()]
    assert told == [("bob", "ordered"), ("ann", "ordered")]


# --- one bad event


def poisoned(_site: str, recent: dict[str, int], _may: Callable[[str], bool]) -> tuple[Suggestion, ...]:
    """Raises for whoever looked at "poison" last."""
    if [*recent][-1:] == ["poison"]:
        raise KeyError("no such thing")
    return ()


def view(minute: float, sku: str, **more: Any) -> Click:
    return click(minute, kind=int(ClickKind.VIEW_ITEM), lines=(Line(sku, 1, 1_000, "", ""),), **more)


def onsite_shop(suggest: Suggest) -> Shop:
    everything = PermissionPolicy(without_record=dict.fromkeys(Purpose, Basis.LEGITIMATE_INTEREST))
    return Shop(site_policy(permission=everything), kind=Kind.PERSONALIZATION, suggest=suggest)


def test_an_event_that_makes_the_fold_raise_goes_to_rejects_and_the_stream_goes_on() -> None:
    shop = Shop(ONE_STEP)
    shop.store[product_key("s", "poison")] = b"no product"
    shop.tell(view(1, "a"))
    before = shop.store[ANN.encode()]
    shop.tell(view(2, "poison", device="broken"))
    assert shop.store[ANN.encode()] == before
    (reject,) = shop.rejects
    assert (reject.reason, reject.detail) == ("fold_error", "ValidationError in the fold of Click")
    assert (reject.topic, reject.partition, reject.offset) == ("shop.clicks", 0, 2)
    assert reject.refused_by.startswith("engine ")
    shop.tell(view(3, "a"))
    assert shop.customer().seen == at(3)


def test_an_event_that_raises_costs_neither_the_event_before_it_nor_the_one_after_it_in_its_frame() -> None:
    shop = onsite_shop(poisoned)
    views = view(1, "a", channel="web"), view(20, "poison", channel="app"), view(40, "b", channel="till")
    shop.frame(*(shop.row(event) for event in views))
    assert [(reject.reason, reject.offset) for reject in shop.rejects] == [("fold_error", 2)]
    assert (shop.customer().channels, shop.customer().channel) == ({"web": at(1)}, "till")


def test_a_trigger_that_raises_costs_the_event_too() -> None:
    shop = onsite_shop(poisoned)
    shop.tell(view(1, "a"), view(20, "poison"))
    assert [reject.detail for reject in shop.rejects] == ["KeyError in the fold of Click"]
    assert shop.customer().shown is None
    assert shop.customer().seen == at(1)


def test_a_timer_that_raises_stops_nobody_elses() -> None:
    shop = onsite_shop(poisoned)
    for person, last in ((ANN, "poison"), (BOB, "c")):
        shop.tell(view(0, "a"), view(1, "b"), view(1.05, last), person=person)
    shop.outputs.clear()
    shop.clock(5)
    assert [decision["customer_id"] for decision in shop.decisions()] == ["bob"]
    assert shop.discarded["timer_error"] == 1
    shop.tell(view(6, "b"))
    shop.clock(10)
    assert [decision["customer_id"] for decision in shop.decisions()] == ["bob", "ann"]


def _widest(number: int) -> Line:
    """A line whose texts are as long as ingest lets them be, in the widest letters."""
    return Line(
        f"{number:04}".ljust(128, "\U0001f6d2"), 1, 10**9, *(f"{n}{number:04}".ljust(256, "\U0001f6d2") for n in "cb")
    )


def test_a_profile_that_would_be_too_large_keeps_its_earlier_value() -> None:
    shop = Shop(ONE_STEP)
    shop.tell(add(0, event_id="first"))
    before = shop.store[ANN.encode()]
    shop.tell(cart(1, CartOp.ADD, *map(_widest, range(60))))
    assert [reject.reason for reject in shop.rejects] == ["value_too_large"]
    assert shop.store[ANN.encode()] == before
    shop.clock(30)
    assert shop.said() == [(1, "emitted", "silent", 30)]


def test_a_customer_is_far_from_too_large_as_long_as_there_is_said_to_be_room() -> None:
    shop = Shop(ONE_STEP)
    for n in range(40):
        looks = [click(n, kind=kind, lines=(_widest(n),)) for kind in (ClickKind.VIEW_ITEM, ClickKind.ADD_TO_WISHLIST)]
        shop.tell(*looks, order(n, order_id=f"{n:04}".ljust(128, "\U0001f6d2"), lines=(_widest(n),)))
        shop.clock(n)
    assert len(shop.store[ANN.encode()]) < partition._BOUNDED
    grown = 0
    for n in range(100, 140):
        before = len(shop.store[ANN.encode()])
        op = (CartOp.ADD, CartOp.SNAPSHOT, CartOp.SET, CartOp.REMOVE)[n % 4]
        shop.tell(cart(n, op, *(_widest(1000 * n + i) for i in range(n % 3 + 1)), event_id="\U0001f6d2" * 60 + str(n)))
        added = len(shop.store[ANN.encode()]) - before
        assert added <= partition._EVENT + (n % 3 + 1) * partition._LINE
        grown += added
        if n % 10 == 0:
            shop.clock(n)
    assert grown > partition._LINE


@pytest.mark.parametrize("rates", [{}, {"USD": 1e9}], ids=["many", "dear"])
def test_a_cart_of_any_worth_is_taken(rates: dict[str, float]) -> None:
    shop = Shop(site_policy(steps=(30,), rates=rates))
    most = [Line(f"item-{n}", 100_000, 10**12, "", "") for n in range(10)]
    for n in range(20):
        shop.tell(*(cart(n, CartOp.ADD, *most, currency="USD" if rates else "EUR") for _ in range(2)))
    shop.tell(order(21, value=10**12, currency="USD" if rates else "EUR"))
    shop.tell(cart(22, CartOp.ADD, *most, currency="USD" if rates else "EUR"))
    shop.clock(100)
    assert not shop.rejects
    assert shop.said()[-1] == (1, "emitted", "silent", 52)


def test_what_cannot_be_stored_of_an_event_costs_that_event_only(monkeypatch: pytest.MonkeyPatch) -> None:
    shop = Shop(ONE_STEP)
    before = shop.store[ANN.encode()]
    monkeypatch.setattr(partition, "encode_customer", lambda _: 1 // 0)
    shop.tell(add(0))
    assert [reject.reason for reject in shop.rejects] == ["fold_error"]
    assert shop.store[ANN.encode()] == before


def test_an_output_that_would_be_too_large_is_refused_with_what_caused_it() -> None:
    shop = onsite_shop(lambda *_: (Suggestion("x" * MAX_OUTPUT_BYTES, Why.ALL),))
    shop.tell(view(0, "a"))
    before = shop.store[ANN.encode()]
    shop.tell(view(1, "b"))
    assert [reject.reason for reject in shop.rejects] == ["value_too_large"]
    assert shop.store[ANN.encode()] == before
    assert shop.said() == []


def test_a_record_that_is_no_frame_changes_nothing() -> None:
    shop = Shop(ONE_STEP)
    before = shop.engine.position.offset
    with pytest.raises(FrameError):
        shop.engine.apply(before, b"nonsense")
    assert shop.engine.position.offset == before


# --- time


def test_the_clock_is_that_of_the_slowest_source_and_waits_for_all() -> None:
    shop = Shop(ONE_STEP)
    shop.tell(add(0))
    clocked = shop.namespace.clocked()
    shop.frame(marks=tuple(Mark(source, at(100)) for source in clocked[1:]))
    assert shop.engine.clock.now == 0
    shop.frame(marks=(Mark(clocked[0], at(29)),))
    assert shop.engine.clock.now == at(29)
    assert shop.said() == []
    shop.frame(marks=(Mark(clocked[0], at(30)), Mark(clocked[1], at(5))))
    assert shop.engine.clock.now == at(30)
    assert shop.said() == [(1, "emitted", "silent", 30)]


def test_a_frames_watermark_holds_after_its_rows() -> None:
    shop = Shop(ONE_STEP)
    shop.tell(add(0))
    marks = tuple(Mark(source, at(60)) for source in shop.namespace.clocked())
    shop.frame(shop.row(click(20)), marks=marks)
    assert shop.said() == [(1, "emitted", "silent", 50)]


def test_people_are_woken_in_the_order_of_their_due_times_and_then_of_their_keys() -> None:
    shop = Shop(ONE_STEP)
    people = [f"s|c|{name}" for name in "qpsr"]
    for minute, person in zip((2, 1, 0, 1), people, strict=True):
        shop.tell(word(-60, True), add(minute), person=person)
    shop.clock(60)
    assert [decision["customer_id"] for decision in shop.decisions()] == ["s", "p", "r", "q"]


def test_a_person_whose_timer_stands_too_early_is_judged_by_the_true_time() -> None:
    shop = Shop(ONE_STEP)
    shop.tell(add(0))
    shop.clock(1)
    shop.tell(add(5), click(20))
    shop.clock(36)
    assert shop.decisions() == []
    shop.clock(60)
    assert shop.said() == [(1, "emitted", "silent", 50)]


def test_a_tick_that_changes_nothing_writes_nothing_but_position_and_clock() -> None:
    shop = Shop(ONE_STEP)
    shop.tell(add(0))
    shop.engine.apply(shop.offset, _tick(shop, 10))
    assert not shop.engine.pending
    batch = shop.engine.take()
    assert not batch.effective
    assert [key for key, _ in batch.rows] == [CLOCK_KEY, POSITION_KEY]
    assert decode_position(batch.rows[-1][1]).offset == shop.offset + 1
    assert decode_clock(batch.rows[0][1]).now == at(10)


# --- policy


def test_a_policy_holds_from_its_place_in_the_log_on() -> None:
    shop = Shop(ONE_STEP)
    shop.tell(add(0))
    shop.clock(30)
    first = shop.decisions()[0]["policy_version"]
    assert shop.said() == [(1, "emitted", "silent", 30)]
    shop.set_policy(site_policy(steps=(30, 60), enabled=False))
    shop.tell(click(31))
    shop.clock(200)
    second = shop.decisions()
    assert [decision["policy_version"] == first for decision in second] == [False]
    assert shop.said() == [(2, "suppressed", "disabled", 91)]


def test_the_policy_outlasts_a_restart() -> None:
    shop = Shop(site_policy(steps=(5,)))
    shop.reopen()
    shop.tell(add(0))
    shop.clock(10)
    assert shop.said() == [(1, "emitted", "silent", 5)]


# --- size


def test_a_customer_with_100_000_events_stays_bounded() -> None:
    shop = Shop(site_policy())
    largest, kinds = 0, 0
    for block in range(100):
        rows = []
        for n in range(1_000):
            number = block * 1_000 + n
            minute = number * 3 + (number // 50) * 45
            kinds = number % 10
            event: Any = click(minute, channel=f"channel-{number % 20}")
            if kinds in (3, 4, 5):
                event = add(minute, f"sku-{number % 400:03d}", category=f"category-{number % 30}")
            elif kinds == 6 and block % 3:
                event = order(minute)
            elif kinds == 7:
                event = ConsentRow(
                    "e", at(minute), "marketing_message", ("email", "sms", "")[n % 3], n % 4 > 0, "consent"
                )
            rows.append(shop.row(event))
        marks = tuple(Mark(source, rows[-1].ts) for source in shop.namespace.clocked()) if block % 5 == 4 else ()
        shop.frame(*rows, marks=marks)
        shop.outputs.clear()
        largest = max(largest, len(shop.store[ANN.encode()]))
    assert largest < 16_000
    assert len(shop.customer().channels) == MAX_CHANNELS
    print(f"100,000 events of one person: at most {largest} B, {len(shop.store[ANN.encode()])} B at the end")  # noqa: T201
    assert 4 * largest < codec.MAX_VALUE_BYTES


def test_the_cache_is_bounded_and_what_falls_out_is_read_again() -> None:
    shop = Shop(ONE_STEP)
    shop.engine._cache._limit = 500
    people = [f"s|c|p{n}" for n in range(50)]
    for minute in (0, 20):
        for person in people:
            shop.tell(word(-60, True), add(minute), person=person)
    cache = shop.engine._cache
    assert len(cache._young) + len(cache._old) < 20
    shop.clock(60)
    assert len(shop.decisions()) == 50
    assert {decision["due_at"] for decision in shop.decisions()} == {"2023-11-14T23:03:20.000Z"}


def _tick(shop: Shop, minute: float) -> bytes:
    marks = tuple(Mark(source, at(minute)) for source in shop.namespace.clocked())
    return encode_frame(Frame(FORMAT, FrameKind.TICK, shop.mode.value, (), marks))
