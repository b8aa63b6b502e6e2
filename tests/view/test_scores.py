"""A profile's scores are those that a trigger would tell at the same moment, and say when and by which model."""

from datetime import UTC, datetime
from itertools import count as counted

from msgspec.structs import replace

from pipeline.config.durations import DAY as DAY_MS
from pipeline.config.policy import SitePolicy
from pipeline.heads.table import SPECS
from pipeline.log.rows import ClickKind, ConsentRow
from pipeline.scoring.hazard import REORDER_EDGES
from pipeline.scoring.scorer import Scorer
from pipeline.state.customer import Customer
from pipeline.triggers.scored import BANDS, band_of, cart_said, intent_said, orders_expected, reorder_said
from pipeline.triggers.site_now import SiteNow
from pipeline.view.profile import Scores, encode_profile, parted
from pipeline.view.project import project
from pipeline.view.scores import Model, known_until, scores, versions
from tests.engine.learned import constant
from tests.engine.shop import ANN, T0, Shop, add, at, click, line, order

DAYS = 24 * 60
SCORERS = {
    one.head: Scorer(SPECS[one.head], one)
    for one in (
        constant("intent", -3.0, steps_0=0.5, steps_1=1.5, version=3),
        constant("cart", -2.0, bin_3=-1.0, bin_4=0.5, idle_1=0.7, version=4),
        constant("reorder", -2.5, bin_4=1.0, days_1=0.6, version=5),
        constant("count", -1.0, horizon_1=0.4, repeats_1=0.9, version=6),
    )
}
MODELS = {head: Model(scorer) for head, scorer in SCORERS.items()}
_ids = counted()


def view(minute: float, sku: str = "a") -> object:
    return click(minute, kind=ClickKind.VIEW_ITEM, lines=(line(sku),))


def of(customer: Customer) -> Scores:
    found = scores(customer, "s", MODELS)
    assert found is not None
    return found


def minute_of(moment: datetime) -> float:
    return (moment.timestamp() * 1000 - T0) / 60_000


def test_a_profile_says_what_a_trigger_would_at_the_same_moment() -> None:
    shop = Shop()
    site = SiteNow(0, True, SitePolicy(), lambda: False, lambda _: None, name="s", models=SCORERS)
    told = [
        *(view(minute) for minute in (0, 1, 2)),
        add(3),
        order(4, "a", value=9_000),
        *(view(3 * DAYS + minute) for minute in (0, 1, 2)),
        add(3 * DAYS + 3, "b"),
        view(3 * DAYS + 13),
        order(3 * DAYS + 20, "b", value=4_000),
        view(40 * DAYS),
        add(40 * DAYS + 1),
    ]
    heads = set()
    for event in told:
        shop.tell(event)
        shop.clock(minute_of(datetime.fromtimestamp(event.at / 1000, UTC)))
        customer = shop.customer()
        found, now = of(customer), known_until(customer)
        assert found.scored_at.timestamp() * 1000 == now == event.at
        if found.intent is not None:
            (said,) = intent_said(customer, now, site)
            assert (found.intent.probability, found.intent.version) == (said.probability, said.version)
            assert found.intent.band == BANDS[band_of(customer, 0, now, site)]
        if found.cart is not None:
            (said,) = cart_said(customer, now, site)
            assert (found.cart.probability, found.cart.version) == (said.probability, said.version)
        if found.reorder is not None:
            (said,) = reorder_said(customer, now, site)
            assert (found.reorder.probability, found.reorder.version) == (said.probability, said.version)
        if found.expected is not None:
            expected = orders_expected(customer, now, site)
            assert expected is not None
            assert found.expected.version == expected.version
            assert (found.expected.orders, found.expected.value) == (expected.orders, expected.value)
        heads.add(versions(found))
    assert (("intent", 3),) in heads
    assert (("intent", 3), ("cart", 4)) in heads
    assert (("reorder", 5), ("count", 6)) in heads, "after an order the visit is not asked of any more"
    assert (("intent", 3), ("cart", 4), ("reorder", 5), ("count", 6)) in heads


def test_who_keeps_silent_is_scored_again_as_each_bin_ends() -> None:
    shop = Shop()
    shop.tell(order(0))
    first = of(shop.customer())
    assert minute_of(first.scored_at) == 0
    day_end = (at(0) // DAY_MS + 1) * DAY_MS
    risks = [first.reorder.churn_risk]
    for edge in REORDER_EDGES[:-1]:
        shop.clock((day_end + edge - T0) / 60_000 + 1)
        found = of(shop.customer())
        assert found.scored_at.timestamp() * 1000 == day_end + edge
        risks.append(found.reorder.churn_risk)
    assert risks[-1] > risks[0]
    assert first.reorder.due_at is not None
    assert found.reorder.due_at is None, "half a year later no order is to be expected any more"


def test_of_a_visit_that_has_ended_and_of_a_cart_left_for_days_nothing_is_said() -> None:
    shop = Shop(granted=False)
    shop.tell(view(0), view(1), add(2))
    assert versions(of(shop.customer())) == (("intent", 3), ("cart", 4))
    shop.clock(120)
    later = of(shop.customer())
    assert versions(later) == (("cart", 4),)
    assert minute_of(later.cart.until) == 2 + 2 * 60
    shop.clock(2 + 3 * DAYS)
    assert scores(shop.customer(), "s", MODELS) is None


def test_of_a_cart_that_was_written_of_nothing_is_said() -> None:
    shop = Shop()
    shop.tell(add(0))
    assert versions(of(shop.customer())) == (("intent", 3), ("cart", 4))
    shop.clock(31)
    assert [said.outcome for said in shop.said()] == ["emitted"]
    assert scores(shop.customer(), "s", MODELS) is None


def test_of_who_objects_to_a_profile_there_is_no_score() -> None:
    shop = Shop()
    shop.tell(order(0), view(60), add(61))
    assert len(versions(of(shop.customer()))) == 4
    shop.tell(ConsentRow("no", at(62), "profile", "", False, "consent"))
    shop.tell(view(63), add(64))
    assert scores(shop.customer(), "s", MODELS) is None
    assert b"scores" not in encode_profile(project(ANN, shop.customer(), "v", MODELS))


def test_without_a_model_a_profile_is_what_it_was() -> None:
    shop = Shop()
    shop.tell(view(0), order(1), add(2))
    bare = encode_profile(project(ANN, shop.customer(), "v", {}))
    told = encode_profile(project(ANN, shop.customer(), "v", MODELS))
    assert b"scores" not in bare
    rest, said = parted(told)
    assert rest == bare
    assert said.startswith(b'{"scored_at":"2023-')
    assert parted(bare) == (bare, b"")


def test_another_snapshot_says_something_else_of_the_same_customer() -> None:
    shop = Shop()
    shop.tell(order(0))
    newer = {**MODELS, "reorder": Model(Scorer(SPECS["reorder"], constant("reorder", -6.0, version=9)))}
    found = scores(shop.customer(), "s", newer)
    assert found is not None
    assert versions(found) == (("reorder", 9), ("count", 6))
    assert found.reorder.probability < of(shop.customer()).reorder.probability / 10
    assert found.reorder.due_at is None
    assert found.expected == replace(of(shop.customer()).expected)
