"""A small shop for the tests: visits told in one line each."""

from collections.abc import Iterable

from hypothesis import strategies as st

from pipeline.config.durations import MINUTE
from pipeline.next_item.memory import Limits, Memory, Touch, observe
from pipeline.next_item.suggest import Suggestion, suggest

Event = tuple[str, str, str, Touch, int]

TINY = Limits(
    persons=3, own=4, items=6, near=2, sessions=5, session_items=3, sessions_of_item=2, categories=2, popular=2
)

PERSONS = [f"p{n}" for n in range(6)]
ITEMS = [f"i{n}" for n in range(12)]


def anything(item: str) -> bool:
    return True


def told(events: Iterable[Event], memory: Memory | None = None) -> Memory:
    memory = Memory() if memory is None else memory
    for event in events:
        observe(memory, *event)
    return memory


def visit(memory: Memory, person: str, items: str, day: int = 0, category: str = "", touch: Touch = Touch.LOOKED):
    """One session: the items, in words, a minute apart."""
    for minute, item in enumerate(items.split()):
        observe(memory, person, item, category, touch, (day * 24 * 60 + minute) * MINUTE)


def items(suggestions: tuple[Suggestion, ...]) -> list[str]:
    return [suggestion.item for suggestion in suggestions]


def best(memory: Memory, person: str, k: int = 20) -> list[str]:
    return items(suggest(memory, person, k, anything))


@st.composite
def events(draw: st.DrawFn) -> list[Event]:
    """Touches of few persons and items, most within a session, some late, some of items whose category changes."""
    at = 0
    drawn = []
    for _ in range(draw(st.integers(0, 80))):
        at = max(0, at + draw(st.sampled_from([-5, 0, 1, 5, 31, 600])) * MINUTE)
        drawn.append(
            (
                draw(st.sampled_from(PERSONS)),
                draw(st.sampled_from(ITEMS)),
                draw(st.sampled_from(["", "a", "b", "c"])),
                draw(st.sampled_from(Touch)),
                at,
            )
        )
    return drawn
