"""The simulated shop: the published figures hold at once, the same seed gives the same bytes, the truth is true."""

import hashlib
from collections import Counter, defaultdict
from itertools import pairwise
from random import Random
from statistics import median

import msgspec
import pytest

from pipeline.config.durations import DAY, HOUR, MINUTE
from pipeline.config.errors import UserError
from pipeline.events import TOPIC_EVENTS
from pipeline.events.customer import Purpose
from pipeline.simulator import (
    CadenceTruth,
    CartTruth,
    Happening,
    Outcome,
    SessionTruth,
    SimulatedShop,
    Truth,
    effect,
    simulate,
)
from pipeline.simulator.cadence import Cadences
from pipeline.simulator.effect import Effect
from pipeline.simulator.fate import Fate
from pipeline.simulator.levels import Levels
from pipeline.simulator.parameters import Figures, Habits
from pipeline.simulator.people import People
from pipeline.simulator.rates import solve

SMALL = SimulatedShop(sessions=3_000, customers=300)


A_CART = CartTruth(
    opened="e",
    session_id="s",
    person="p",
    device="mobile",
    known=False,
    value=10_000,
    lines=1,
    opened_at_ms=0,
    touched_at_ms=0,
    left_at_ms=0,
    outcome=Outcome.ABANDONED,
    emptied=False,
    order_chance=0.25,
    later_share=0.0,
    store_chance=0.0,
    deliberation_ms=MINUTE,
    pace_per_hour=1.0,
)


def run(shop: SimulatedShop) -> tuple[list[Happening], list[Truth]]:
    truths: list[Truth] = []
    return list(simulate(shop, truths.append)), truths


@pytest.fixture(scope="module")
def large() -> tuple[list[Happening], list[Truth]]:
    return run(SimulatedShop(seed=8, sessions=100_000, customers=10_000))


@pytest.fixture(scope="module")
def small() -> tuple[list[Happening], list[Truth]]:
    return run(SMALL)


def share(part: int, whole: int) -> float:
    return part / whole


def test_visits_meet_the_published_figures(large):
    visits = [t for t in large[1] if isinstance(t, SessionTruth)]
    buying = [v for v in visits if v.will_buy]
    assert len(visits) == pytest.approx(100_000, rel=0.005)
    assert share(len(buying), len(visits)) == pytest.approx(0.017, abs=0.0012)
    assert share(sum(v.device == "mobile" for v in visits), len(visits)) == pytest.approx(0.78, abs=0.005)
    assert share(sum(v.device == "mobile" for v in buying), len(buying)) == pytest.approx(0.66, abs=0.03)
    assert share(sum(v.searched for v in visits), len(visits)) == pytest.approx(0.06, abs=0.003)
    assert share(sum(v.searched for v in buying), len(buying)) == pytest.approx(0.15, abs=0.025)


@pytest.mark.parametrize(("device", "abandonment"), [("desktop", 0.77), ("mobile", 0.86)])
def test_carts_meet_the_published_abandonment(large, device, abandonment):
    carts = [t for t in large[1] if isinstance(t, CartTruth) and t.device == device]
    left = [c for c in carts if c.outcome in (Outcome.ABANDONED, Outcome.STORE)]
    assert share(len(left), len(carts)) == pytest.approx(abandonment, abs=0.02)


def test_the_events_agree_with_the_truth(large):
    """The figures hold for what a reader of the topics sees, without the truth."""
    sessions: set[str] = set()
    searched: set[str] = set()
    ordered: list[str] = []
    device: dict[str, str] = {}
    for happening in large[0]:
        event = happening.event
        if happening.topic == "shop.clicks":
            sessions.add(event.session_id)
            device[event.session_id] = event.context.device
            if type(event).__name__ == "Search":
                searched.add(event.session_id)
        elif happening.topic == "shop.orders" and event.channel == "online":
            ordered.append(event.session_id)
    buying = {t.session_id for t in large[1] if isinstance(t, SessionTruth) and t.will_buy}
    assert len(ordered) == len(set(ordered))
    assert set(ordered) == buying
    assert sessions == {t.session_id for t in large[1] if isinstance(t, SessionTruth)}
    assert searched == {t.session_id for t in large[1] if isinstance(t, SessionTruth) and t.searched}
    assert all(device[t.session_id] == t.device for t in large[1] if isinstance(t, SessionTruth))


def test_a_cart_that_is_bought_later_is_bought_when_the_truth_says(large):
    carts = [t for t in large[1] if isinstance(t, CartTruth)]
    opened = {h.event.event_id: h for h in large[0] if h.topic == "shop.carts"}
    visits = {t.comes_back: t for t in large[1] if isinstance(t, SessionTruth) and t.comes_back}
    assert all(opened[c.opened].at_ms == c.opened_at_ms and opened[c.opened].key == c.person for c in carts)
    later = {c.opened: c for c in carts if c.outcome is Outcome.LATER}
    assert visits.keys() == later.keys()
    assert all(visits[k].at_ms == later[k].returns_at_ms and visits[k].will_buy for k in later)


def test_a_person_has_one_cart_at_a_time(large):
    """Two openings of one person have an order, an emptying, or nothing left to buy between them."""
    openings = {t.opened for t in large[1] if isinstance(t, CartTruth)}
    full: dict[str, bool] = defaultdict(bool)
    for happening in large[0]:
        name = type(happening.event).__name__
        if name in ("Purchase", "ClearCart"):
            full[happening.key] = False
        elif name == "AddToCart":
            assert full[happening.key] != (happening.event.event_id in openings)
            full[happening.key] = True


def test_a_cart_is_ordered_when_the_truth_says(large):
    """Each order of a cart's owner, online or at the till, falls on the moment in the truth of the cart."""
    registered = {
        f"simulated|a|{h.event.anonymous_id}": h.key for h in large[0] if type(h.event).__name__ == "Identify"
    }
    ordered = {(h.key, h.at_ms) for h in large[0] if h.topic == "shop.orders"}
    carts = [t for t in large[1] if isinstance(t, CartTruth) and t.orders_at_ms is not None]
    assert {(t.person, t.orders_at_ms) for t in carts} | {
        (registered.get(t.person, t.person), t.orders_at_ms) for t in carts
    } >= ordered
    assert len(carts) == len(ordered)


@pytest.mark.parametrize("minutes", [1, 3, 7, 15, 30, 120, 6 * 60, 24 * 60, 72 * 60])
def test_as_many_carts_are_ordered_by_a_silence_as_the_truth_expects(large, minutes):
    carts = [t for t in large[1] if isinstance(t, CartTruth)]
    silence = minutes * MINUTE
    came = sum(t.orders_at_ms is not None and t.orders_at_ms - t.touched_at_ms <= silence for t in carts)
    expected = [t.ordered_by(silence) for t in carts]
    spread = sum(chance * (1 - chance) for chance in expected) ** 0.5
    assert came == pytest.approx(sum(expected), abs=3 * spread)
    assert carts[0].hazard(72.0) == 0.0


@pytest.mark.parametrize("by", ["device", "known", "lines", "dear", "evening", "searched", "ready"])
def test_the_truth_holds_within_each_kind_of_cart(large, by):
    """Whatever the carts are split by, the parts are ordered as often as their own truth expects."""
    searched = {t.session_id for t in large[1] if isinstance(t, SessionTruth) and t.searched}
    kinds = {
        "device": lambda t: t.device,
        "known": lambda t: t.known,
        "lines": lambda t: min(t.lines, 3),
        "dear": lambda t: t.value > 15_000,
        "evening": lambda t: 17 <= t.opened_at_ms % DAY / HOUR < 23,
        "searched": lambda t: t.session_id in searched,
        "ready": lambda t: t.order_chance > 0.2,
    }
    parts: dict[object, list[CartTruth]] = defaultdict(list)
    for cart in large[1]:
        if isinstance(cart, CartTruth):
            parts[kinds[by](cart)].append(cart)
    assert len(parts) > 1
    for carts in parts.values():
        expected = [cart.ordered_ever for cart in carts]
        spread = sum(chance * (1 - chance) for chance in expected) ** 0.5
        assert sum(cart.orders_at_ms is not None for cart in carts) == pytest.approx(sum(expected), abs=3 * spread)


def test_the_hazard_is_the_chance_of_an_order_per_hour(large):
    cart = next(t for t in large[1] if isinstance(t, CartTruth) and t.known and not t.emptied)
    survival, steps = 1.0, 60_000
    for step in range(steps):
        survival *= 1 - cart.hazard((step + 0.5) * 72 / steps) * 72 / steps
    assert 1 - survival == pytest.approx(cart.ordered_ever, rel=0.02)


@pytest.mark.parametrize("hour", [3, 14, 20])
@pytest.mark.parametrize("outcome", [Outcome.NOW, Outcome.LATER])
def test_the_time_of_an_order_is_drawn_from_the_law_that_is_kept_as_the_truth(outcome, hour):
    """By the silence before which the truth has a share of such orders, that share of the draws was ordered."""
    random, touched = Random(6), SimulatedShop().start_ms + hour * HOUR
    cart = msgspec.structs.replace(
        A_CART, touched_at_ms=touched, order_chance=0.999, later_share=float(outcome is Outcome.LATER)
    )
    fate = Fate(outcome, False, False, 0.999, cart.later_share, 0.0, cart.deliberation_ms, cart.pace_per_hour)
    shares = sorted(cart.ordered_by(fate.draw_silence(touched, random) or 0) / cart.order_chance for _ in range(4_000))
    assert max(abs(share - (i + 0.5) / 4_000) for i, share in enumerate(shares)) < 1.63 / 4_000**0.5


def test_a_customer_leaves_as_often_and_wishes_as_soon_as_the_truth_says():
    people = People(SimulatedShop(customers=1), Random(7))
    customer = next(people.customers())
    levels = Levels((0.0, 0.0), 0.05, 0, 0.4, (0.2,) * 33)
    noted: list[CadenceTruth] = []
    cadences = Cadences(levels, Random(8), noted.append)
    wishes = [cadences.ordered(customer, 0) for _ in range(4_000)]
    stays = [wish for wish in wishes if wish is not None]
    assert {truth.leaves_chance for truth in noted} == {0.4}
    assert share(len(stays), len(wishes)) == pytest.approx(0.6, abs=0.025)
    held = 3 * (1 - 0.2)
    days_to_order = (sum(stays) / len(stays) / DAY + held) / 0.2
    assert 1 / noted[0].rate_per_day == pytest.approx(days_to_order, rel=0.06)


def test_customers_order_again_as_their_cadence_says():
    """After each order, whether the next one comes within 30 days, by rate; months of a shop of customers alone."""
    shop = SimulatedShop(
        seed=4,
        sessions=20_000,
        customers=1_000,
        duration_ms=240 * DAY,
        habits=Habits(known_visits=0.9),
    )
    orders = [t for t in run(shop)[1] if isinstance(t, CadenceTruth)]
    following: dict[str, list[CadenceTruth]] = defaultdict(list)
    for order in orders:
        following[order.person].append(order)
    parts: dict[bool, list[tuple[float, bool]]] = defaultdict(list)
    middle = median(order.rate_per_day for order in orders)
    end = shop.start_ms + shop.duration_ms
    for own in following.values():
        for number, order in enumerate(own):
            if order.ordered_at_ms > end - 33 * DAY:
                continue
            after = own[number + 1].ordered_at_ms - order.ordered_at_ms if number + 1 < len(own) else end
            parts[order.rate_per_day > middle].append((order.ordered_by(30 * DAY), after <= 30 * DAY))
    assert len(parts) == 2
    for part in parts.values():
        expected = [chance for chance, _ in part]
        spread = sum(chance * (1 - chance) for chance in expected) ** 0.5
        assert sum(came for _, came in part) == pytest.approx(sum(expected), abs=3 * spread)
    assert len({order.leaves_chance for order in orders}) == 1


def test_as_many_customers_order_at_the_end_of_a_long_time_as_at_its_begin():
    """Who leaves is replaced by who registers: the published figures hold for months, not for a week."""
    shop = SimulatedShop(seed=5, sessions=40_000, customers=2_000, duration_ms=240 * DAY)
    visits = [t for t in run(shop)[1] if isinstance(t, SessionTruth)]
    middle = shop.start_ms + shop.duration_ms // 2
    for half in ([v for v in visits if v.at_ms < middle], [v for v in visits if v.at_ms >= middle]):
        assert share(sum(v.will_buy for v in half), len(half)) == pytest.approx(0.017, abs=0.0025)


def test_a_message_does_harm_in_the_first_hour_and_good_after_a_day(large):
    """The signs of the field experiments that the effect is set by."""
    carts = [t for t in large[1] if isinstance(t, CartTruth) and not t.emptied]

    def mean(silence: int) -> float:
        return sum(effect.value(cart, silence, Effect()) / cart.value for cart in carts) / len(carts)

    assert mean(30 * MINUTE) < 0
    assert mean(HOUR) < 0
    assert mean(24 * HOUR) > 0


def test_the_value_of_a_message_follows_its_formula():
    figures = Effect(margin=0.4, voucher=0.1, rescue=0.2, half_life=HOUR)
    assert effect.value(A_CART, 0, figures) == pytest.approx(10_000 * (0.75 * 0.2 * 0.3 - 0.25 * 0.1))
    assert effect.value(A_CART, HOUR, figures) == pytest.approx(10_000 * 0.75 * 0.1 * 0.3)
    assert effect.value(msgspec.structs.replace(A_CART, emptied=True), 0, figures) == 0


def test_same_seed_same_bytes(small):
    def digest(happenings: list[Happening]) -> str:
        encoder, sha = msgspec.json.Encoder(), hashlib.sha256()
        for h in happenings:
            sha.update(encoder.encode([h.at_ms, h.topic, h.key, h.event]))
        return sha.hexdigest()

    again, truths = run(SMALL)
    other, _ = run(msgspec.structs.replace(SMALL, seed=2))
    assert digest(again) == digest(small[0])
    assert truths == small[1]
    assert digest(other) != digest(small[0])


def test_events_are_in_time_order_and_unique(small):
    happenings = small[0]
    assert all(a.at_ms <= b.at_ms for a, b in pairwise(happenings))
    assert len({h.event.event_id for h in happenings}) == len(happenings)
    assert all(h.event.occurred_at == h.at_ms for h in happenings)
    assert happenings[0].at_ms == SMALL.start_ms


def test_every_event_is_what_its_topic_holds(small):
    topics = Counter(h.topic for h in small[0])
    assert topics.keys() == TOPIC_EVENTS.keys() - {"shop.history"}
    decoders = {topic: msgspec.json.Decoder(kind) for topic, kind in TOPIC_EVENTS.items()}
    for happening in small[0]:
        assert decoders[happening.topic].decode(msgspec.json.encode(happening.event)) == happening.event


def test_all_kinds_of_news_occur(large):
    kinds = Counter(type(h.event).__name__ for h in large[0])
    for kind in ("Search", "RemoveFromCart", "CartSnapshot", "ClearCart", "ConsentUpdate", "Unsubscribe", "Identify"):
        assert kinds[kind] > 20, kind
    assert kinds["MessageUnsubscribed"] > 20
    channels = Counter(h.event.channel for h in large[0] if h.topic == "shop.orders")
    assert 0 < channels["offline"] < 0.1 * channels["online"]
    anonymous = sum(h.topic == "shop.clicks" and h.event.customer_id is None for h in large[0])
    assert 0.3 < anonymous / sum(h.topic == "shop.clicks" for h in large[0]) < 0.8


def test_visitors_say_whether_pages_may_be_personalized(large):
    """Anonymous ones by the page's consent mode, customers once in their account."""
    modes = {
        h.key: h.event.context.consent.personalization_storage
        for h in large[0]
        if h.topic == "shop.clicks" and h.event.customer_id is None
    }
    assert share(sum(mode == "granted" for mode in modes.values()), len(modes)) == pytest.approx(0.7, abs=0.02)
    said = Counter(h.key for h in large[0] if getattr(h.event, "purpose", None) == Purpose.ONSITE_PERSONALIZATION)
    customers = {h.key for h in large[0] if h.topic == "shop.clicks" and h.event.customer_id is not None}
    assert set(said.values()) == {1}
    assert share(len(said.keys() & customers), len(customers)) == pytest.approx(0.7, abs=0.02)


def test_a_person_looks_most_at_one_category(large):
    looks: dict[str, Counter[str]] = defaultdict(Counter)
    for happening in large[0]:
        if type(happening.event).__name__ == "ViewItem":
            looks[happening.key][happening.event.items[0].item_category] += 1
    often = [categories for categories in looks.values() if categories.total() >= 20]
    assert len(often) > 300
    first = sum(categories.most_common(1)[0][1] for categories in often)
    assert share(first, sum(categories.total() for categories in often)) == pytest.approx(0.68, abs=0.05)


def test_nobody_is_mailed_after_withdrawing(large):
    allowed: dict[str, bool] = {}
    for happening in large[0]:
        name = type(happening.event).__name__
        if name == "ConsentUpdate" and happening.event.purpose is Purpose.MARKETING_MESSAGE:
            allowed[happening.key] = happening.event.status == "granted"
        elif name in ("Unsubscribe", "MessageUnsubscribed"):
            allowed[happening.key] = False
        elif name == "MessageSent":
            assert allowed[happening.key]


def test_a_shop_of_few_customers_and_no_customers():
    for customers in (0, 3):
        happenings, truths = run(SimulatedShop(sessions=500, customers=customers))
        assert len(happenings) > 500
        assert len(truths) > 500
    assert run(SimulatedShop(sessions=0))[1] == []


def test_figures_that_contradict_each_other_are_refused():
    with pytest.raises(UserError, match="no shop has these figures: cart"):
        solve(Figures(conversion=0.5), Habits())
    with pytest.raises(UserError, match="site 'A B'"):
        SimulatedShop(site_id="A B")
    with pytest.raises(UserError, match="sessions -1"):
        SimulatedShop(sessions=-1)
