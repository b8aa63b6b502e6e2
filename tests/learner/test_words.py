"""A snapshot in words: each row says which customers it is about."""

import pytest

from pipeline.heads import cart, count, intent, reorder
from pipeline.heads.table import SPECS
from pipeline.learner.words import strongest
from pipeline.scoring.features import Spec
from pipeline.scoring.snapshot import ANY_SITE, FORMAT, Snapshot


def rows(spec: Spec) -> set[str]:
    """Of a snapshot that weighs every column."""
    width = len(spec.numbers)
    columns = [0.5] * width, [0.0] * width, [1.0] * width, [0.5] * len(spec.cells)
    snapshot = Snapshot(FORMAT, spec.head, 1, spec.hash, 9_999, 0, 0.0, *columns, (1.0, 0.0), {ANY_SITE: spec.start})
    return {one.words for one in strongest(spec, snapshot, 10_000)}


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS.keys())
def test_every_row_has_words_of_its_own(spec: Spec) -> None:
    told = rows(spec)
    assert len(told) == len(spec.numbers) + len(spec.cells)
    assert not [words for words in told if not words or words.startswith((":", " ")) or "{}" in words or " : " in words]


def test_what_has_no_words_goes_by_its_name() -> None:
    assert {"bin 0", "bin 3", "bin 8 and more"} <= rows(cart.SPEC)
    assert "bin 3 and days with a purchase: under 2" in rows(reorder.SPEC)
    assert "horizon 2" in rows(count.SPEC)


def test_a_yes_or_no_is_told_both_ways() -> None:
    assert {"checkout started", "no checkout started"} <= rows(intent.SPEC)
    assert "on a phone or tablet" in rows(cart.SPEC)
