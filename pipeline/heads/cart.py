"""Cart hazard: will this cart be ordered in the next bin of its silence, untouched? And when is it time to speak.

A touch of a cart starts the clock. As the silence reaches each bin, a prediction is made of what is known then. An
order within the bin makes it 1, a bin survived 0; either can be learned at the bin's end, not before: else what is sold
would be known earlier than what is not. A cart that is touched again, emptied or written to tells nothing of its bin:
the prediction is dropped, and only a touch starts anew.
"""

from enum import Enum
from typing import Final

from msgspec import msgpack
from msgspec.structs import astuple, replace
from xxhash import xxh32_intdigest

from pipeline.heads.cart_memory import NOTHING_KNOWN, Prediction
from pipeline.heads.cart_memory import Facts as Facts
from pipeline.heads.cart_memory import Memory as Memory
from pipeline.heads.labelled import Labelled
from pipeline.scoring.features import Input, Inputs, Prior, Shrunk, Spec
from pipeline.scoring.hazard import CART_EDGES, DAY, HOUR, MINUTE

VISIT_GAP: Final = 30 * MINUTE
"""Milliseconds of silence after which the next event begins another visit."""

MAX_WAITING: Final = 16
"""Labels of a person that the clock has not made known. What comes while there are so many is not predicted."""

LEAST_CHANCE: Final = 0.02
"""Floor of the chance that a cart was left alone: no example weighs more than fifty."""

SOONEST: Final = 15 * MINUTE
LATEST: Final = 24 * HOUR
"""Silence, in milliseconds, before which nothing is said, and at which it is in any case."""

THETA: Final = 0.02
"""Chance of an untouched order within a day, at which waiting for it is no longer worth it."""

ENOUGH_LABELS: Final = 2_000
"""Labels under which the chances are not relied upon: with an order in 1 to 3 % of the bins, some 20 to 60 orders."""

SPEC: Final = Spec(
    "cart",
    2,
    (
        Input("bin", "", edges=tuple(range(1, len(CART_EDGES))), scaled=False),
        Input("age", "hours since the cart was opened: {}", HOUR),
        Input("views", "products looked at since the cart was touched: {}"),
        Input("looks", "looks at what is in the cart since it was touched: {}"),
        Input("idle", "nothing done for {} minutes", MINUTE, edges=(MINUTE, 10 * MINUTE, HOUR)),
        Input("orders", "orders: {}", scaled=False),
        Input("visits", "visits: {}", scaled=False),
        Input("touches", "times a cart was touched: {}", scaled=False),
        Input("bought", "carts ordered: {}", scaled=False),
        Input("value", "cart worth {} (base currency)", 100.0, edges=(1,), zero=""),
        Input("lines", "products in the cart: {}", zero=""),
        Input("mobile", "on a phone or tablet", zero=""),
        Input("account", "has an account", zero="has no account"),
    ),
    shrunk=(
        Shrunk(
            "touch_rate", "orders each time a cart is touched: {}", "bought", "touches", 5.0, "per_touch", share=True
        ),
        Shrunk("visit_rate", "orders a visit: {}", "orders", "visits", 5.0, "per_visit", share=False),
    ),
    priors=(
        Prior("per_touch", "bought", 0.1, per="touches"),
        Prior("per_visit", "orders", 0.05, per="visits"),
    ),
    moving=("bin", "age", "idle"),
    least=1_000,
)


_BEGINS: Final = [0, *CART_EDGES[:-1]]
_SPANS: Final = [float(end - begin) for begin, end in zip(_BEGINS, CART_EDGES, strict=True)]
"""Of each bin: the silence at which it begins, and how long it is, milliseconds."""

LOOKS: Final = [number for number, begin in enumerate(_BEGINS) if SOONEST <= begin < LATEST]
"""The bins before LATEST where a message may be sent when they begin."""

# In compiled code a constant is at hand, a global is looked up at each use.
_replace: Final = replace
_fields: Final = astuple
_hash: Final = xxh32_intdigest
_encode: Final = msgpack.Encoder().encode
_decode_open: Final = msgpack.Decoder(Prediction).decode
_decode_waiting: Final = msgpack.Decoder(tuple[Labelled, ...]).decode


_ARRAY: Final = b"\xdc"
_DUE: Final = 8
_COUNT: Final = _DUE + len(_ARRAY)
_PREFIX: Final = _COUNT + 2
"""Of the kept predictions: where the first time ends, where the count begins, and where it ends."""

MOBILE: Final = frozenset({"mobile", "tablet"})
"""Devices that are one."""


def inputs(memory: Memory, at: int, number: int) -> Inputs:
    """What is known of a cart at `at`, where the bin of that number begins."""
    seen, opened, _, views, looks, visits, orders, touches, bought, _, _, _, _, _, facts, _ = _fields(memory)
    age, idle = max(at - opened, 0), max(at - seen, 0)
    return (number, age, views, looks, idle, orders, visits, touches, bought, *_fields(facts))


def looks(memory: Memory) -> list[Inputs]:
    """What is known of a touched cart where each of the bins LOOKS begins, if it is left alone."""
    seen, opened, touched = memory.seen, memory.opened, memory.touched
    _, _, views, looks, _, orders, visits, touches, bought, value, lines, mobile, account = inputs(memory, touched, 0)
    found: list[Inputs] = []
    for number in LOOKS:
        at = touched + _BEGINS[number]
        age, idle = max(at - opened, 0), max(at - seen, 0)
        row = (number, age, views, looks, idle, orders, visits, touches, bought, value, lines, mobile, account)
        found.append(row)
    return found


def viewed(memory: Memory, at: int, item: str = "") -> Memory:
    """Take a view of a product, or whatever else a person does that touches no cart."""
    m = _reached(memory, at) if memory.step else memory
    seen, looks, items = m.seen, m.looks, m.items
    if items and item and items & _bit(item):
        looks += 1
    newest = at if at > seen else seen
    return _replace(m, seen=newest, views=m.views + 1, looks=looks, visits=m.visits + (at - seen >= VISIT_GAP))


def carted(memory: Memory, at: int, prediction: str, item: str = "", facts: Facts = NOTHING_KNOWN) -> Memory:
    """Take a change that leaves something in the cart: it opens or touches it. `prediction` is its id.

    `item` is what was put in, `facts` tell of the cart after the change.
    """
    memory = _reached(memory, at)
    at = max(at, memory.seen)
    memory = replace(
        memory,
        seen=at,
        opened=memory.opened or at,
        touched=at,
        views=0,
        looks=0,
        visits=_visits(memory, at),
        touches=memory.touches + 1,
        open=None,
        step=0,
        left_from=0,
        left_chance=1,
        items=memory.items | (_bit(item) if item else 0),
        facts=facts,
    )
    if not _room(memory.waiting):
        return memory
    return _asked(memory, Prediction(prediction, 0, at, inputs(memory, at, 0)))


def emptied(memory: Memory, at: int) -> Memory:
    """Take a change that leaves nothing in the cart."""
    memory = _reached(memory, at)
    return replace(
        memory,
        seen=max(at, memory.seen),
        visits=_visits(memory, at),
        opened=0,
        touched=0,
        views=0,
        looks=0,
        open=None,
        step=0,
        items=0,
        facts=NOTHING_KNOWN,
    )


def ordered(memory: Memory, at: int) -> Memory:
    """Take an order: it closes the cart, and is the outcome of the bin that it falls into."""
    memory = _reached(memory, at)
    at = max(at, memory.seen)
    waiting = memory.waiting
    if (one := open_of(memory)) is not None:
        waiting = _appended(waiting, _labelled(memory, one, 1))
    return replace(
        memory,
        seen=at,
        opened=0,
        touched=0,
        views=0,
        looks=0,
        visits=_visits(memory, at),
        orders=memory.orders + 1,
        bought=memory.bought + (memory.opened > 0),
        open=None,
        step=0,
        waiting=waiting,
        items=0,
        facts=NOTHING_KNOWN,
    )


def censored(memory: Memory, at: int) -> Memory:
    """A message was sent about the cart, or it may not be spoken of any more: its silence is no longer its own."""
    memory = _reached(memory, at)
    return replace(memory, open=None, step=0) if memory.step else memory


def left_alone(memory: Memory, since: int, chance: float) -> Memory:
    """By chance nothing is said of the cart from a silence of `since` milliseconds on, an edge of the bins.

    That had this chance: what its silence says from there on stands for those of whom something was said.
    """
    return replace(memory, left_from=since, left_chance=max(chance, LEAST_CHANCE))


def served(memory: Memory, logit: float, version: int) -> Memory:
    """Note what a snapshot says of the open prediction."""
    one = open_of(memory)
    return memory if one is None else replace(memory, open=_encode(replace(one, served=logit, version=version)))


def open_of(memory: Memory) -> Prediction | None:
    """The prediction of the bin that the silence is in, None for none."""
    return _decode_open(memory.open) if memory.open else None


def waiting_of(memory: Memory) -> tuple[Labelled, ...]:
    """The predictions whose outcome is there, which have not been learned."""
    return _decode_waiting(memoryview(memory.waiting)[_DUE:]) if memory.waiting else ()


def next_label(memory: Memory) -> int:
    """The time of the log at which a label becomes known, and the next bin begins; 0 for none."""
    known = _due(memory.waiting)
    if not memory.step:
        return known
    end = memory.touched + CART_EDGES[memory.step - 1]
    return min(known, end) if known else end


def settle(memory: Memory, clock: int) -> tuple[Memory, tuple[Labelled, ...]]:
    """The labels of all bins that have ended up to `clock`, by when they ended; everything before it has been read."""
    memory = _reached(memory, clock)
    if not 0 < _due(memory.waiting) <= clock:
        return memory, ()
    waiting = waiting_of(memory)
    left = packed([one for one in waiting if one.at > clock])
    return replace(memory, waiting=left), tuple(sorted([one for one in waiting if one.at <= clock], key=_moment))


def packed(waiting: list[Labelled]) -> bytes | None:
    """Predictions whose outcome is there as they are kept: before them when the first of them can be learned.

    They can be counted, and one can be put at their end, without any being decoded.
    """
    kept: bytes | None = None
    for one in waiting:
        kept = _appended(kept, one)
    return kept


class Timing(Enum):
    """What the hazard says of a cart's first message."""

    FIXED_STEPS = "fixed_steps"
    """Too few labels: the policy's fixed steps hold."""
    WAIT = "wait"
    FIRE = "fire"


def patience(number: int, theta: float = THETA) -> float:
    """Chance of an untouched order in a bin that makes it worth waiting for: `theta` for a day, less for less time.

    One number for bins of 15 minutes and of 18 hours alike would have nearly everybody written to at once.
    """
    return theta * _SPANS[number] / DAY


def timing(number: int, chance: float | None, labels: int, theta: float) -> Timing:
    """Whether to speak where the bin of that number begins.

    `chance` is that of an untouched order in it, None where there is no model; `labels` is how many that has learned.
    It fires at the first edge at which `chance` is at most `theta` (see `patience`), of the edges from SOONEST on; at
    LATEST in any case.
    """
    if chance is None or labels < ENOUGH_LABELS:
        return Timing.FIXED_STEPS
    silence = _BEGINS[number]
    if silence < SOONEST:
        return Timing.WAIT
    return Timing.FIRE if silence >= LATEST or chance <= theta else Timing.WAIT


def _reached(memory: Memory, clock: int) -> Memory:
    """Begins the bins that the silence has reached; those that it has left are survived."""
    if not memory.step or clock < memory.touched + CART_EDGES[memory.step - 1]:
        return memory
    one, waiting = open_of(memory), memory.waiting
    while one is not None and clock >= (end := memory.touched + CART_EDGES[one.bin]):
        following, room = one.bin + 1, _room(waiting)
        waiting = _appended(waiting, _labelled(memory, one, 0))
        successor = None
        if room and following < len(CART_EDGES):
            alone = 0 < memory.left_from <= CART_EDGES[one.bin]
            weight = 1 / memory.left_chance if alone else 1
            successor = Prediction(one.id, following, end, inputs(memory, end, following), weight)
        one = successor
    left = replace(memory, waiting=waiting, open=None, step=0)
    return left if one is None else _asked(left, one)


def _asked(memory: Memory, one: Prediction) -> Memory:
    """With this prediction of the bin that the silence is in."""
    return replace(memory, open=_encode(one), step=one.bin + 1)


def _labelled(memory: Memory, one: Prediction, label: int) -> Labelled:
    name, number, made_at, inputs, weight, served, version = _fields(one)
    return Labelled(name, number, made_at, memory.touched + CART_EDGES[number], inputs, label, weight, served, version)


def _due(waiting: bytes | None) -> int:
    """When the first of the kept predictions can be learned, 0 for none."""
    return int.from_bytes(waiting[:_DUE], "big") if waiting else 0


def _room(waiting: bytes | None) -> bool:
    """Whether fewer than MAX_WAITING are kept."""
    return not waiting or int.from_bytes(waiting[_COUNT:_PREFIX], "big") < MAX_WAITING


def _appended(waiting: bytes | None, one: Labelled) -> bytes:
    """The kept predictions with one more: MessagePack of an array, of which the length has two bytes."""
    first, count, kept = one.at, 1, b""
    if waiting:
        first, kept = min(one.at, _due(waiting)), waiting[_PREFIX:]
        count += int.from_bytes(waiting[_COUNT:_PREFIX], "big")
    return first.to_bytes(_DUE, "big") + _ARRAY + count.to_bytes(_PREFIX - _COUNT, "big") + kept + _encode(one)


def _bit(item: str) -> int:
    return 1 << (_hash(item.encode()) & 31)


def _visits(memory: Memory, at: int) -> int:
    return memory.visits + (at - memory.seen >= VISIT_GAP)


def _moment(labelled: Labelled) -> tuple[int, int]:
    return labelled.at, labelled.made_at
