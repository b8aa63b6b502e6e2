"""What a head knows of a shop: means, and rates as one sum over another."""

import pytest

from pipeline.learning.priors import Priors
from pipeline.scoring.example import FORMAT, Example
from pipeline.scoring.features import Input, Prior, Spec

SPEC = Spec(
    "cart",
    1,
    (Input("orders", "{} orders"), Input("visits", "{} visits")),
    priors=(Prior("a_visit", "orders", 0.5, weight=10.0, per="visits"), Prior("orders", "orders", 1.0, weight=1.0)),
)


def priors(*known: tuple[int, int]) -> Priors:
    found = Priors(SPEC)
    for number, values in enumerate(known):
        found.learn(Example(FORMAT, "cart", "shop", str(number), 0, 0, 0, SPEC.hash, values, 0))
    return found


def test_a_rate_is_all_orders_over_all_visits_with_its_start_as_so_many_visits() -> None:
    assert priors((0, 60), (4, 30)).of("new")["a_visit"] == pytest.approx((0.5 * 10 + 4) / (10 + 90))


def test_whoever_ordered_nothing_counts_in_a_rate_and_not_in_a_mean() -> None:
    shop = priors((0, 60), (4, 30)).of("new")
    assert shop["orders"] == pytest.approx((1 + 4) / 2)
    assert shop["a_visit"] < priors((4, 30)).of("new")["a_visit"]


def test_without_examples_the_start_holds() -> None:
    assert priors((0, 0)).of("shop") == {"a_visit": 0.5, "orders": 1.0}
