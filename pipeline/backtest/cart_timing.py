"""When to write to the owner of a left cart: fixed steps, the learned hazard, and an oracle, valued by the truth.

On the simulated shop. The cart head learns as it does live, from what the shop publishes; nobody is written to. Three
ways to time the first message of each cart:

- fixed: after the first step of the default policy;
- learned: at the first edge of a bin at which the chance of an untouched order in the next bin is at most theta, not
  before 15 min and at 24 h in any case; fixed as long as the head has too few labels;
- oracle: at the time between 15 min and 24 h that has the greatest value by `pipeline.simulator.effect`, which knows
  the true chances and the true effect of a message.

The value of a time is the expected gain under the truth, given that the cart is still silent then; nothing where it
was ordered before, since no message is sent. The same carts are valued for all three. Scored are the carts last touched
in the last 60 % of the time, but for the last 72 h.

Theta is judged in three forms, of which the gate takes the third, as the engine does:

- `flat`: one number for all bins, the policy's default;
- `break_even`: for each bin what waiting through it loses over what a message to somebody who would have ordered
  costs. The bins are 15 min to 18 h long, and to wait longer loses more: one number cannot be right for all;
- `per_day`: the policy's default for a day of waiting, in proportion for shorter bins. It needs no knowledge of the
  effect.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from pipeline.backtest.cart import SCORED_FROM
from pipeline.backtest.cart_stream import Asked, Stream
from pipeline.backtest.result import Result, at_least, surely_above
from pipeline.backtest.simulated import Simulated, no_file, simulated
from pipeline.config.durations import DAY, MINUTE
from pipeline.config.errors import UserError
from pipeline.config.policy import CartPolicy
from pipeline.heads.cart import ENOUGH_LABELS, LATEST, SOONEST, THETA, Timing, patience, timing
from pipeline.learning.quality import Floats, interval
from pipeline.scoring.hazard import CART_EDGES
from pipeline.simulator import effect
from pipeline.simulator.effect import Effect
from pipeline.simulator.parameters import COMES_BACK_WITHIN, SimulatedShop
from pipeline.simulator.truth import CartTruth

SHOP = SimulatedShop(seed=17, sessions=80_000, duration_ms=28 * DAY)
"""Four weeks of the shop as it is by default."""

LEAST_SHARE = 0.8
"""Of the value between the fixed step and the oracle."""

FIXED = int(CartPolicy().steps[0])
_STEP = 15 * MINUTE
_BINS = tuple(pairwise((0, *CART_EDGES)))
_FIRST = [begin for begin, _ in _BINS].index(SOONEST)
_FEWEST = 100

JUDGED = "per_day"
"""The form of theta that the gate takes."""

Ints = NDArray[np.int64]

Thetas = tuple[float, ...]
"""Theta for each bin of the silence."""


class Timed(Struct, frozen=True):
    """A cart, and what it is worth to write to its owner at the time of each rule, minor units."""

    person: int
    fixed: float
    oracle: float
    oracle_at_edges: float
    each: tuple[float, ...]
    """The value of writing to all owners at one edge, for each that the rule may choose."""
    told_truth: dict[str, float]
    """What the rule would be worth if it knew the true hazard, by form of theta."""
    learned: dict[str, tuple[int, float]]
    """By form of theta: the silence, milliseconds, -1 where the cart was ordered before, and the value."""


def run(path: Path | None = None, shop: SimulatedShop = SHOP) -> Result:
    """Run on a simulated shop. Raises UserError for a file, and for a shop that is too small."""
    no_file(path)
    started = perf_counter()
    history = simulated(shop)
    stream = Stream()
    for row in history.interactions:
        stream.take(row)
    stream.pass_time(history.interactions[-1].at)
    carts = _timed(history, stream.asked, Effect())
    if len(carts) < _FEWEST:
        raise UserError(f"the simulated shop has {len(carts)} carts to score: simulate more")
    persons = np.array([cart.person for cart in carts])
    fixed = np.array([cart.fixed for cart in carts])
    oracle = np.array([cart.oracle for cart in carts])
    thetas = _thetas(Effect())
    forms = {form: _judged([cart.learned[form] for cart in carts], fixed, oracle, persons) for form in thetas}
    judged = forms[JUDGED]
    metrics: dict[str, Any] = {
        "carts": len(carts),
        "persons": len(np.unique(persons)),
        "labels": len(stream.asked),
        "snapshots_refused": stream.refused,
        "effect": Effect()._asdict(),
        "theta": JUDGED,
        "thetas": {form: dict(zip(_names(), theta[_FIRST:], strict=True)) for form, theta in thetas.items()},
        "forms": forms,
    }

    def anchor(values: Sequence[float]) -> dict[str, float]:
        worth = np.array(values)
        return {
            "value_a_cart": float(worth.mean()),
            "share": float((worth - fixed).sum() / (oracle - fixed).sum()),
        }

    anchors: dict[str, Any] = {
        f"fixed_{FIXED // MINUTE}_min": anchor(list(fixed)),
        "oracle": anchor(list(oracle)),
        "oracle_at_edges": anchor([cart.oracle_at_edges for cart in carts]),
        **{f"all_at_{name}": anchor([cart.each[place] for cart in carts]) for place, name in enumerate(_names())},
        **{f"true_hazard_{form}": anchor([cart.told_truth[form] for cart in carts]) for form in thetas},
    }
    gates = [
        at_least(
            "share of the value between fixed steps and the oracle",
            judged["share"],
            LEAST_SHARE,
            *judged["share_interval"],
        ),
        surely_above("learned above fixed, minor units a cart", judged["gain_a_cart"], 0.0, *judged["gain_interval"]),
    ]
    return Result("cart-timing", len(history.interactions), perf_counter() - started, {}, metrics, anchors, gates)


def break_even(figures: Effect) -> Thetas:
    """For each bin, the chance of an order in it at which waiting through it neither gains nor loses.

    Waiting loses what the chance of rescue falls by, `rescue (2^(-begin / half_life) - 2^(-end / half_life))
    (margin - voucher)`, and saves a voucher for each order of the bin. Nearly all carts are lost ones, so L is 1. Of a
    merchant it asks the margin, the voucher, and what messages have achieved so far.
    """
    kept = (figures.margin - figures.voucher) / figures.voucher
    return tuple((figures.rescued(begin) - figures.rescued(end)) * kept for begin, end in _BINS)


def _thetas(figures: Effect) -> dict[str, Thetas]:
    return {
        "flat": (THETA,) * len(_BINS),
        "break_even": break_even(figures),
        "per_day": tuple(patience(number) for number in range(len(_BINS))),
    }


def _timed(history: Simulated, asked: list[Asked], figures: Effect) -> list[Timed]:
    """The carts to score, each timed by every rule."""
    chances: dict[tuple[int, int], dict[int, float]] = {}
    for one in asked:
        chances.setdefault((one.person, one.made_at - _BINS[one.bin][0]), {})[one.bin] = one.chance
    known = sorted(one.made_at - _BINS[one.bin][0] + _BINS[one.bin][1] for one in asked)
    first, last = history.interactions[0].at, history.interactions[-1].at
    since, until = first + SCORED_FROM * (last - first), last - COMES_BACK_WITHIN
    thetas = _thetas(figures)
    edges = [begin for begin, _ in _BINS[_FIRST:]]
    timed = []
    for (person, touched), cart in history.carts.items():
        if cart.emptied or not since <= touched < until:
            continue
        said = chances.get((person, touched), {})
        labels = bisect_right(known, touched)
        ordered = None if cart.orders_at_ms is None else cart.orders_at_ms - touched

        def worth(silence: int, cart: CartTruth = cart, ordered: int | None = ordered) -> float:
            """The expected gain, given that the cart is silent until then."""
            if ordered is not None and ordered <= silence:
                return 0.0
            return effect.value(cart, silence, figures) / (1 - cart.ordered_by(silence))

        learned = {}
        for form, theta in thetas.items():
            silence = _fires(said, labels, theta)
            learned[form] = (-1, 0.0) if silence is None else (silence, worth(silence))
        true = {number: cart.chance(*ends) for number, ends in enumerate(_BINS)}
        timed.append(
            Timed(
                person,
                worth(FIXED),
                worth(_best(cart, figures, range(SOONEST, LATEST + 1, _STEP))),
                worth(_best(cart, figures, edges)),
                tuple(worth(begin) for begin in edges),
                {form: worth(_fires(true, ENOUGH_LABELS, theta) or LATEST) for form, theta in thetas.items()},
                learned,
            )
        )
    return timed


def _fires(said: dict[int, float], labels: int, theta: Thetas) -> int | None:
    """The silence after which the learned rule writes, None where the cart was ordered while it waited."""
    for number, (begin, _) in enumerate(_BINS):
        if begin < SOONEST:
            continue
        if number not in said:
            return None
        decision = timing(number, said[number], labels, theta[number])
        if decision is Timing.FIXED_STEPS:
            return FIXED
        if decision is Timing.FIRE:
            return begin
    return None


def _best(cart: CartTruth, figures: Effect, silences: Iterable[int]) -> int:
    return max(silences, key=lambda silence: effect.value(cart, silence, figures))


def _judged(learned: list[tuple[int, float]], fixed: Floats, oracle: Floats, persons: Ints) -> dict[str, Any]:
    worth = np.array([value for _, value in learned])
    silences = [silence for silence, _ in learned]

    def share(rows: Ints) -> float | None:
        between = float((oracle[rows] - fixed[rows]).sum())
        return float((worth[rows] - fixed[rows]).sum()) / between if between > 0 else None

    return {
        "value_a_cart": float(worth.mean()),
        "share": share(np.arange(len(worth))),
        "share_interval": interval(persons, share),
        "gain_a_cart": float((worth - fixed).mean()),
        "gain_interval": interval(persons, lambda rows: float((worth[rows] - fixed[rows]).mean())),
        "written_to_after": {
            name: silences.count(begin) for name, (begin, _) in zip(_names(), _BINS[_FIRST:], strict=True)
        },
        "ordered_before": silences.count(-1),
    }


def _names() -> list[str]:
    return [f"{begin // MINUTE}_min" for begin, _ in _BINS[_FIRST:]]
