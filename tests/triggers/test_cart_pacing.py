"""Before going live nothing is said; what piles up in an outage is said once a cart, and so many a minute."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pipeline.config.durations import DAY, MINUTE, Millis
from pipeline.config.policy import OrderPolicy, RampPolicy, SitePolicy
from pipeline.policy.pacing import spread, try_again
from tests.engine.shop import T0, Shop, add, at, order, site_policy, word

PEOPLE = [f"s|c|p{number}" for number in range(10)]


def paced(rate: int, **more: object) -> SitePolicy:
    return replace(site_policy(steps=(30,), **more), ramp=RampPolicy(max_per_minute=rate))


def filled(policy: SitePolicy) -> Shop:
    shop = Shop(policy, live=True, granted=False)
    for person in PEOPLE:
        shop.tell(word(-60, True), add(0, event_id=person[-2:]), person=person)
    return shop


def outcomes(shop: Shop) -> dict[str, int]:
    said = [f"{s.outcome} {s.reason}" for s in shop.said()]
    return {what: said.count(what) for what in said}


def test_nothing_that_was_due_before_going_live_is_said() -> None:
    live = datetime.fromtimestamp((T0 + 60 * MINUTE) / 1000, UTC)
    shop = Shop(replace(site_policy(steps=(30, 60)), go_live_at=live))
    shop.tell(add(0))
    shop.clock(59)
    assert shop.said() == [(1, "suppressed", "not_live", 30)]
    shop.clock(60)
    assert shop.said() == [(2, "emitted", "silent", 60)]


def test_after_an_outage_a_cart_is_mentioned_once() -> None:
    shop = Shop(site_policy(steps=(30, 240, 1440)), live=True)
    shop.tell(add(0))
    shop.clock(300)
    assert shop.said() == [(1, "suppressed", "superseded", 300), (2, "emitted", "silent", 300)]
    shop.clock(1440)
    assert shop.said() == [(3, "emitted", "silent", 1440)]


def test_the_excess_of_a_minute_is_deferred_and_said_once_there_is_room() -> None:
    shop = filled(paced(4))
    shop.clock(31)
    assert outcomes(shop) == {"emitted silent": 4, "deferred rate": 6}
    emitted = 0
    for minute in range(32, 60 * 37):
        shop.clock(minute)
        found = outcomes(shop)
        assert found.keys() <= {"emitted silent"}
        assert found.get("emitted silent", 0) <= 4
        emitted += found.get("emitted silent", 0)
    assert emitted == 6


def test_what_finds_no_room_until_it_expires_is_said_to_have_expired() -> None:
    shop = filled(paced(1, expires_after=Millis(5 * MINUTE)))
    shop.clock(31)
    shop.said()
    told: dict[str, int] = {}
    for second in range(31 * 60, 36 * 60, 20):
        shop.clock(second / 60)
        for what, number in outcomes(shop).items():
            told[what] = told.get(what, 0) + number
    assert told.keys() == {"emitted silent", "expired expired"}
    assert sum(told.values()) == 9


def test_an_order_ends_the_wait_for_room() -> None:
    shop = filled(paced(1))
    shop.clock(31)
    waiting = [d["customer_id"] for d in shop.decisions() if d["outcome"] == "deferred"]
    shop.said()
    shop.tell(order(32), person=f"s|c|{waiting[0]}")
    shop.clock(32)
    assert shop.said() == [(1, "suppressed", "ordered", 32)]


def test_a_restart_keeps_who_waits_for_room_and_the_count_of_the_minute() -> None:
    shop, other = filled(paced(4)), filled(paced(4))
    for run in (shop, other):
        run.clock(30)
    other.reopen()
    for minute in range(31, 2300):
        for run in (shop, other):
            run.clock(minute)
    assert [o.value for o in shop.outputs] == [o.value for o in other.outputs]


def test_the_minute_is_counted_for_each_site() -> None:
    shop = Shop(paced(1), live=True, granted=False)
    for site in "st":
        shop.tell(word(-60, True), add(0), person=f"{site}|c|x")
    shop.clock(31)
    assert outcomes(shop) == {"emitted silent": 2}


@given(st.text(), st.integers(1, 90 * DAY))
def test_a_place_in_a_spread_is_within_it_and_always_the_same(episode: str, over: int) -> None:
    assert 0 <= spread(episode, over) < over
    assert spread(episode, over) == spread(episode, over)


def test_places_in_a_spread_are_even() -> None:
    places = [spread(f"order-{number}", 14) for number in range(14_000)]
    assert all(850 < places.count(day) < 1_150 for day in range(14))


@given(st.integers(2 * MINUTE, 30 * DAY), st.integers(0, 30 * DAY))
def test_it_is_tried_again_at_least_a_minute_later_and_before_half_of_what_is_left(left: int, over: int) -> None:
    again = try_again("e", at(0), at(0) + left, over)
    assert MINUTE <= again - at(0) <= MINUTE + left // 2


def test_a_cart_that_was_held_is_mentioned_once_when_orders_come_again() -> None:
    shop = Shop(site_policy(steps=(30, 60), order=OrderPolicy(silent_after=Millis(20 * MINUTE))))
    shop.beat(activity=1)
    shop.tell(add(0))
    shop.beat(activity=29)
    shop.clock(70)
    assert shop.said() == [(1, "held", "orders_silent", 30)]
    shop.beat(activity=75, order=75, orders=1)
    shop.clock(76)
    assert [(s.step, s.outcome, s.reason) for s in shop.said()] == [
        (1, "suppressed", "superseded"),
        (2, "emitted", "silent"),
    ]
