"""Affinities: what was touched counts, and half as much after each half-life."""

from random import Random

import pytest
from msgspec import msgpack
from msgspec.structs import replace

from pipeline.config.durations import DAY
from pipeline.profile.tastes import (
    BOUGHT,
    CARTED,
    LATEST,
    MAX_BOUGHT,
    MAX_ITEMS,
    MAX_NAMES,
    UNIT,
    VIEWED,
    WISHED,
    bought,
    bought_lately,
    first,
    shelf_of,
    top,
    touched,
)
from pipeline.state.recent import digest
from pipeline.state.tastes import Tastes

T0 = 1_700_000_000_000
HALF_LIFE = 14 * DAY


def of(*touches: tuple[str, float], weight: int = 1, half_life: int = HALF_LIFE) -> Tastes:
    """Affinities after touches of categories, each at so many half-lives after T0."""
    tastes: Tastes | None = None
    for name, at in touches:
        tastes = touched(tastes, weight, T0 + round(at * half_life), half_life, name)
    assert tastes is not None
    return tastes


def ratio(tastes: Tastes, one: str, other: str) -> float:
    return tastes.categories[one] / tastes.categories[other]


def test_a_touch_counts_in_every_dimension_that_is_known() -> None:
    tastes = touched(None, 1, T0, HALF_LIFE, "shoes", "Alpina", "14", ("colour=red", "size=42"), "boots")
    assert tastes == Tastes(
        T0,
        {"shoes": UNIT},
        {"Alpina": UNIT},
        {"14": UNIT},
        {"colour=red": UNIT, "size=42": UNIT},
        {"boots": UNIT},
    )
    assert touched(tastes, 1, T0, HALF_LIFE, "shoes").brands == {"Alpina": UNIT}


def test_the_more_a_person_does_with_a_product_the_more_it_counts() -> None:
    scores = [of(("a", 0), weight=weight).categories["a"] for weight in (VIEWED, WISHED, CARTED, BOUGHT)]
    assert scores == sorted(set(scores))


@pytest.mark.parametrize("age", [0.01, 0.1, 0.25, 0.5, 1 / 3, 1, 1.7, 3.3, 6.9, 7.99])
def test_a_touch_weighs_two_to_the_minus_its_age_in_half_lives(age: float) -> None:
    assert ratio(of(("old", 0), ("new", age)), "old", "new") == pytest.approx(2**-age, rel=0.02)


@pytest.mark.parametrize("age", [0.5, 1, 2.5])
def test_a_touch_that_is_read_late_weighs_what_its_age_says(age: float) -> None:
    assert ratio(of(("new", 0), ("late", -age), weight=4), "late", "new") == pytest.approx(2**-age, rel=0.02)


def test_scores_follow_the_formula_over_years() -> None:
    """What is lost by rounding, and by moving the landmark, is no more than 2 % and 2 % of a fresh touch."""
    random = Random(5)
    for _ in range(50):
        touches = sorted((random.uniform(0, 30), random.choice("abc"), random.choice((1, 3, 4, 6))) for _ in range(40))
        tastes: Tastes | None = None
        for at, name, weight in touches:
            tastes = touched(tastes, weight, T0 + round(at * HALF_LIFE), HALF_LIFE, name)
        assert tastes is not None
        end = touches[-1][0]
        fresh = UNIT * 2 ** (end - (tastes.landmark - T0) / HALF_LIFE)
        for name in "abc":
            exact = sum(weight * 2 ** (at - end) for at, called, weight in touches if called == name)
            assert tastes.categories.get(name, 0) / fresh == pytest.approx(exact, rel=0.02, abs=0.02)


def test_the_bits_are_these_on_every_machine() -> None:
    tastes = of(("a", 0), ("b", 0.3), ("a", 1.9), ("c", 5.55), ("b", -0.4), weight=3)
    assert tastes.categories == {"a": 912, "c": 8_976, "b": 381}
    assert all(
        abs(2 ** (i / 64) * 65_536 % 1 - 0.5) > 1e-3 for i in range(64)
    )  # no last bit of a power tips a rounding


def test_the_landmark_follows_and_what_has_come_to_nothing_goes() -> None:
    tastes = of(("old", 0), ("mid", 6), ("new", 8))
    assert tastes.landmark == T0 + 8 * HALF_LIFE
    assert tastes.categories == {"mid": UNIT // 4, "new": UNIT}
    assert of(("old", 0), ("new", 7.9)).landmark == T0


def test_numbers_stay_small_however_long_it_goes_on() -> None:
    tastes = of(*(("a", step / 4) for step in range(4_000)))
    assert tastes.categories["a"] < UNIT * 2**8 * 8
    assert len(msgpack.encode(tastes)) < 30


@pytest.mark.parametrize("half_life", [1, 1_000, 100 * 365 * DAY])
def test_any_half_life_and_any_time_will_do(half_life: int) -> None:
    tastes = touched(None, 1, T0, half_life, "a")
    for at in (T0 - 10_000 * DAY, T0 + 10_000 * DAY, T0):
        tastes = touched(tastes, 1, at, half_life, "b")
    assert 1 <= len(tastes.categories) <= 2


def test_a_touch_of_long_ago_changes_nothing() -> None:
    tastes = of(("a", 0))
    assert touched(tastes, 6, T0 - 11 * HALF_LIFE, HALF_LIFE, "b") is tastes


def test_of_too_many_names_the_lowest_goes_and_never_the_newest() -> None:
    tastes = of(("strong", 0), ("strong", 0), *((f"weak {n}", 0) for n in range(MAX_NAMES - 1)), ("new", 0))
    assert list(tastes.categories) == ["strong", *(f"weak {n}" for n in range(1, MAX_NAMES - 1)), "new"]


def viewed(*items: tuple[str, int]) -> Tastes:
    tastes: Tastes | None = None
    for item, weight in items:
        tastes = touched(tastes, weight, T0, HALF_LIFE, item=item)
    assert tastes is not None
    return tastes


def test_items_are_in_the_order_in_which_they_were_looked_at_and_favourites_outlast_passers_by() -> None:
    tastes = viewed(("carted", 4), *((f"seen {n}", 1) for n in range(MAX_ITEMS)), ("seen 3", 1))
    assert list(tastes.items) == ["carted", *(f"seen {n}" for n in range(1, MAX_ITEMS) if n != 3), "seen 3"]


def test_what_was_looked_at_last_is_known_however_many_favourites_there_are() -> None:
    tastes = viewed(*((f"carted {n}", 4) for n in range(MAX_ITEMS)), *((f"seen {n}", 1) for n in range(LATEST + 1)))
    assert list(tastes.items)[-LATEST:] == [f"seen {n}" for n in range(1, LATEST + 1)]
    assert sum(item.startswith("carted") for item in tastes.items) == MAX_ITEMS - LATEST


def test_what_was_bought_goes_and_nothing_else() -> None:
    tastes = touched(touched(None, 1, T0, HALF_LIFE, "c", item="a"), 1, T0, HALF_LIFE, item="b")
    left = bought(tastes, ["a", "x"])
    assert (left.items, left.categories) == ({"b": UNIT}, {"c": UNIT})


def test_what_was_bought_last_is_known_until_it_is_looked_at_again() -> None:
    tastes = bought(touched(None, 1, T0, HALF_LIFE, item="a"), ["a", "b"])
    assert [item for item in "abc" if bought_lately(tastes, item)] == ["a", "b"]
    again = touched(tastes, 1, T0, HALF_LIFE, item="a")
    assert [item for item in "abc" if bought_lately(again, item)] == ["b"]
    many = bought(tastes, [f"item {n}" for n in range(MAX_BOUGHT - 1)])
    assert [item for item in "ab" if bought_lately(many, item)] == ["b"]
    assert bought(tastes, ["b", "b"]).bought == tastes.bought
    long_after = touched(tastes, 1, T0 + 100 * HALF_LIFE, HALF_LIFE, item="c")
    assert bought_lately(long_after, "a")


def test_a_mark_that_lies_across_two_others_is_not_what_was_bought() -> None:
    mark = digest("a")
    across = Tastes(T0, bought=b"\0" + mark + b"\0" * (2 * len(mark) - 1))
    assert not bought_lately(across, "a")
    assert bought_lately(replace(across, bought=across.bought + mark), "a")


def test_a_value_that_is_kept_elsewhere_is_not_changed() -> None:
    before = of(("a", 0))
    touched(before, 1, T0, HALF_LIFE, "a")
    assert before.categories == {"a": UNIT}


def test_price_shelves_double() -> None:
    assert [shelf_of(price) for price in (-1, 0, 1, 1_023, 1_024, 2_047, 2_048)] == [
        "",
        "",
        "1",
        "10",
        "11",
        "11",
        "12",
    ]


# --- ranks


def test_the_highest_score_is_first_and_of_equals_the_first_by_name() -> None:
    assert first({}, "") == ""
    assert first({"b": 2, "a": 2, "c": 1}, "") == "a"


def test_the_holder_of_a_place_is_beaten_by_more_than_a_tenth() -> None:
    assert first({"old": 1_000, "new": 1_099}, "old") == "old"
    assert first({"old": 1_000, "new": 1_100}, "old") == "old"
    assert first({"old": 1_000, "new": 1_101}, "old") == "new"
    assert first({"new": 1}, "old") == "new"


def anything(_name: str) -> bool:
    return True


def test_places_go_by_score_and_then_by_name() -> None:
    assert top({"b": 2, "a": 2, "c": 3, "d": 1}, (), 3, anything) == ("c", "a", "b")
    assert top({"a": 1}, (), 3, anything) == ("a",)
    assert top({}, ("a",), 3, anything) == ()


def test_each_holder_of_a_place_is_beaten_by_more_than_a_tenth() -> None:
    scores = {"a": 1_000, "b": 1_000, "c": 1_000}
    assert top(scores | {"x": 1_100}, ("c", "b", "a"), 3, anything) == ("c", "b", "a")
    assert top(scores | {"x": 1_101}, ("c", "b", "a"), 3, anything) == ("x", "b", "a")


def test_who_may_not_take_a_place_leaves_it_to_the_next() -> None:
    scores = {"a": 4, "b": 3, "c": 2, "d": 1}
    assert top(scores, ("a", "b", "c"), 3, lambda name: name not in "ac") == ("b", "d")
