"""The simulated shop: the published figures hold at once, the same seed gives the same bytes, the truth is true."""

import hashlib
from collections import Counter, defaultdict
from itertools import pairwise

import msgspec
import pytest

from pipeline.config.errors import UserError
from pipeline.events import TOPIC_EVENTS
from pipeline.events.customer import Purpose
from pipeline.simulator import CartTruth, Happening, Outcome, SessionTruth, SimulatedShop, Truth, simulate
from pipeline.simulator.parameters import Figures, Habits
from pipeline.simulator.rates import solve

SMALL = SimulatedShop(sessions=3_000, customers=300)


def run(shop: SimulatedShop) -> tuple[list[Happening], list[Truth]]:
    truths: list[Truth] = []
    return list(simulate(shop, truths.append)), truths


@pytest.fixture(scope="module")
def large() -> tuple[list[Happening], list[Truth]]:
    return run(SimulatedShop(seed=8, sessions=150_000, customers=15_000))


@pytest.fixture(scope="module")
def small() -> tuple[list[Happening], list[Truth]]:
    return run(SMALL)


def share(part: int, whole: int) -> float:
    return part / whole


def test_visits_meet_the_published_figures(large):
    visits = [t for t in large[1] if isinstance(t, SessionTruth)]
    buying = [v for v in visits if v.will_buy]
    assert len(visits) == pytest.approx(150_000, rel=0.005)
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


def test_hazard_matches_the_frequency_of_return(large):
    """Carts not bought at once: the mean true survival at 6 h against the share of carts that had come back."""
    silent = 6.0
    carts = [t for t in large[1] if isinstance(t, CartTruth) and t.outcome is not Outcome.NOW]
    came = sum(
        t.outcome is Outcome.LATER and (t.returns_at_ms or 0) - t.left_at_ms <= silent * 3_600_000 for t in carts
    )
    steps = 240
    expected = 0.0
    for cart in carts[:4_000]:
        survival = 1.0
        for i in range(steps):
            survival *= 1 - cart.hazard((i + 0.5) * silent / steps) * silent / steps
        expected += (1 - survival) / 4_000
    assert share(came, len(carts)) == pytest.approx(expected, abs=0.006)
    assert carts[0].hazard(72.0) == 0.0


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
