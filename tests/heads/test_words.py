"""What the heads look at is told as a merchant understands it, and never what is not so."""

import pytest

from pipeline.heads import cart, count, intent, reorder
from pipeline.heads.reorder import Facts
from pipeline.heads.table import SPECS
from pipeline.scoring.features import Inputs, Spec
from pipeline.scoring.hazard import DAY
from pipeline.scoring.scorer import Scorer
from pipeline.scoring.snapshot import ANY_SITE, FORMAT, Snapshot

ONCE = Facts(days=1, value=12_900, items=2, spent=12_900, bought=2)
NOW = 18 * 3_600_000


def told(spec: Spec, inputs: Inputs) -> dict[str, str]:
    """All that can be told of some inputs: each column moves the score."""
    width = len(spec.numbers)
    columns = [1.0] * width, [99.0] * width, [1.0] * width, [1.0] * len(spec.cells)
    snapshot = Snapshot(FORMAT, spec.head, 1, spec.hash, 10_000, 0, 0.0, *columns, (1.0, 0.0), {ANY_SITE: spec.start})
    factors = Scorer(spec, snapshot).factors(inputs, spec.start, most=99)
    return {factor.feature: factor.words for factor in factors}


def test_a_visit_says_whether_a_checkout_was_started() -> None:
    memory = intent.viewed(intent.Memory(), NOW, "boots")
    assert told(intent.SPEC, intent.inputs(memory, NOW))["checkout"] == "no checkout started"
    memory = intent.checked_out(memory, NOW)
    assert told(intent.SPEC, intent.inputs(memory, NOW))["checkout"] == "checkout started"


def test_a_first_visit_has_no_visit_before_and_no_order() -> None:
    memory = intent.viewed(intent.Memory(), NOW, "boots")
    words = told(intent.SPEC, intent.inputs(memory, NOW))
    assert "silence" not in words
    assert words["since_order"] == "no order so far"
    assert (words["steps"], words["hour"]) == ("steps in this visit: 1", "at 18 h UTC")


def test_a_cart_says_who_left_it_only_where_that_is_known() -> None:
    known = cart.carted(cart.Memory(), NOW, "p", "boots", cart.Facts(2_340, 1, mobile=1, account=1))
    words = told(cart.SPEC, cart.inputs(known, NOW, 0))
    assert (words["mobile"], words["account"]) == ("on a phone or tablet", "has an account")
    assert words["value"] == "cart worth 23.4 (base currency)"
    unknown = cart.carted(cart.Memory(), NOW, "p", "boots", cart.Facts(0, 1))
    words = told(cart.SPEC, cart.inputs(unknown, NOW, 0))
    assert words["account"] == "has no account"
    assert words.keys().isdisjoint({"mobile", "value"})


@pytest.mark.parametrize(
    ("spec", "inputs"),
    [(reorder.SPEC, reorder.inputs(ONCE, 0)), (count.SPEC, count.inputs(ONCE, 90, 2))],
    ids=["reorder", "count"],
)
def test_of_a_single_purchase_no_gap_between_purchases_is_told(spec: Spec, inputs: Inputs) -> None:
    words = told(spec, inputs)
    assert words.keys().isdisjoint({"gap", "pace", "span"})
    twice = Facts(2, 30, 30, 30, 12_900, 2, 20_000, 4)
    again = told(spec, reorder.inputs(twice, 0) if spec is reorder.SPEC else count.inputs(twice, 90, 2))
    assert again["pace"] == "days between purchases lately: 30"


def test_what_was_spent_is_told_as_money() -> None:
    words = told(count.SPEC, count.inputs(ONCE, 90, 2))
    assert words["value"] == "last purchase worth 129 (base currency)"
    assert words["silence"] == "days since the last purchase: 90"


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS.keys())
def test_the_numbers_of_bins_and_horizons_are_not_told(spec: Spec) -> None:
    words = told(spec, tuple([3 * DAY] * len(spec.inputs)))
    assert len(words) >= 10
    assert words.keys().isdisjoint({"bin", "horizon"})
    assert all(words.values())
