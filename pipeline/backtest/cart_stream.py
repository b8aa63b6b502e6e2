"""A log of clicks told to the cart head as live: labels at the end of their bins, scores by snapshots alone."""

from heapq import heappop, heappush

from msgspec import Struct
from msgspec.structs import replace

from pipeline.backtest.cart_anchors import Anchor, ConstantABin, ModelABin, Pooled, Table
from pipeline.backtest.clicklog import Interaction
from pipeline.heads import cart
from pipeline.heads.cart import Memory
from pipeline.heads.labelled import Labelled, example_of
from pipeline.learning.head import HeadLearner
from pipeline.learning.heads import HEADS
from pipeline.replay.rows import Action
from pipeline.scoring.features import Inputs
from pipeline.scoring.scorer import Scorer
from pipeline.scoring.snapshot import SnapshotError

SITE = "backtest"

EVERY = 200
"""Examples after which the learner publishes a snapshot."""

Held = dict[str, tuple[int, int]]
"""What is in a cart: quantity by item, and the price of one piece in minor units, 0 where unknown."""

ANCHORS = ("constant_a_bin", "table", "river_a_bin", "river_pooled")


class Asked(Struct):
    """A prediction whose label came: by whom, of which bin, what the head and its anchors said of which inputs."""

    made_at: int
    person: int
    bin: int
    chance: float
    anchors: tuple[float, ...]
    label: int
    inputs: Inputs


class Person(Struct):
    """A person of the log: the head's memory, and what is in the cart."""

    number: int
    memory: Memory = Memory()
    held: Held = {}
    ordered_at: int = 0


class Stream:
    """All persons, the learner and the anchors at one time of the log."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.refused = 0
        self.unasked = 0
        self._persons: dict[str, Person] = {}
        self._wakes: list[tuple[int, str]] = []
        self._said: dict[tuple[str, int], tuple[float, tuple[float, ...]]] = {}
        self._learner = HeadLearner(HEADS["cart"])
        self._scorer: Scorer | None = None
        self._anchors: tuple[Anchor, ...] = (ConstantABin(), Table(), ModelABin(), Pooled())
        self._taken = 0

    def take(self, row: Interaction) -> None:
        """Take a row of the log. Purchases of one moment are one order."""
        self.pass_time(row.at)
        person = self._persons.setdefault(row.person, Person(len(self._persons)))
        if row.kind is Action.BUY:
            if row.at == person.ordered_at:
                return
            person.ordered_at = row.at
        before = person.memory
        self._taken += 1
        person.memory, person.held = told(before, person.held, row, str(self._taken))
        if before.open and person.memory.open != before.open:
            self._forget(before, person.memory)
        if person.memory.touches > before.touches and not person.memory.open:
            self.unasked += 1
        self._ask(row.person, person)

    def pass_time(self, clock: int) -> None:
        """End the bins that end up to `clock`, in their order, and learn their labels."""
        while self._wakes and self._wakes[0][0] <= clock:
            wake, name = heappop(self._wakes)
            person = self._persons[name]
            if cart.next_label(person.memory) != wake:
                continue
            person.memory, labels = cart.settle(person.memory, wake)
            for labelled in labels:
                self._learn(labelled, person.number)
            self._ask(name, person)

    def _ask(self, name: str, person: Person) -> None:
        one = cart.open_of(person.memory)
        if one is not None and (one.id, one.bin) not in self._said:
            anchors = tuple(anchor.chance(one.inputs) for anchor in self._anchors)
            chance = anchors[0]
            if self._scorer is not None:
                logit = self._scorer.logit(one.inputs, self._scorer.shop(SITE))
                chance = self._scorer.probability(logit)
                person.memory = cart.served(person.memory, logit, self._scorer.version)
            self._said[one.id, one.bin] = chance, anchors
        if wake := cart.next_label(person.memory):
            heappush(self._wakes, (wake, name))

    def _forget(self, before: Memory, after: Memory) -> None:
        """Drop what was said of a bin that was cut short by a touch."""
        one = cart.open_of(before)
        if one is not None and all((one.id, one.bin) != (kept.id, kept.bin) for kept in cart.waiting_of(after)):
            del self._said[one.id, one.bin]

    def _learn(self, labelled: Labelled, person: int) -> None:
        chance, anchors = self._said.pop((labelled.id, labelled.bin))
        self.asked.append(
            Asked(labelled.made_at, person, labelled.bin, chance, anchors, labelled.label, labelled.inputs)
        )
        for anchor in self._anchors:
            anchor.learn(labelled.inputs, labelled.label)
        self._learner.learn(example_of(labelled, "cart", SITE, cart.SPEC.hash))
        if self._learner.trained % EVERY == 0:
            try:
                self._scorer = Scorer(cart.SPEC, self._learner.snapshot(labelled.at))
            except SnapshotError:
                self.refused += 1


def told(memory: Memory, held: Held, row: Interaction, prediction: str) -> tuple[Memory, Held]:
    """A row of a log as the engine takes it for the head, and what is in the cart then.

    What is remembered of a person begins with the first cart; of what was before, orders are counted.
    """
    match row.kind:
        case Action.ADD:
            quantity, price = held.get(row.item, (0, 0))
            after = {**held, row.item: (quantity + row.quantity, row.price if row.price >= 0 else price)}
            return cart.carted(memory, row.at, prediction, row.item, _facts(after, row)), after
        case Action.REMOVE if row.item in held:
            quantity, price = held[row.item]
            after = {**held, row.item: (quantity - row.quantity, price)}
            if quantity <= row.quantity:
                del after[row.item]
            if after:
                return cart.carted(memory, row.at, prediction, facts=_facts(after, row)), after
            return cart.emptied(memory, row.at), after
        case Action.BUY if not memory.seen:
            return replace(memory, orders=memory.orders + 1), {}
        case Action.BUY:
            return cart.ordered(memory, row.at), {}
        case Action.VIEW | Action.WISH if not memory.seen:
            return memory, held
        case _:
            return cart.viewed(memory, row.at, row.item), held


def _facts(held: Held, row: Interaction) -> cart.Facts:
    value = sum(quantity * price for quantity, price in held.values())
    return cart.Facts(value, len(held), int(row.device in cart.MOBILE), int(row.account))
