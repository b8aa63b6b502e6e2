"""Whose story the demonstration tells: the one that shows what it is told for, in the fewest events."""

from itertools import count

from pipeline.demo.stories import by_due_date, by_hazard, by_intent
from pipeline.demo.tally import Found, Tally
from pipeline.log.frames import FrameKind, encode_rows
from pipeline.log.rows import IdentifyRow, Row
from pipeline.triggers.contract import (
    Decision,
    Kind,
    Outcome,
    Reason,
    Score,
    Timing,
    Trigger,
    TriggerData,
    encode,
)

CART, BACK, PAGE = Kind.CART_ABANDONED, Kind.WIN_BACK, Kind.PERSONALIZATION
EMITTED, CANCELLED = Outcome.EMITTED, Outcome.CANCELLED


def ids(who: str) -> dict[str, str]:
    return {"anonymous_id": who} if who.startswith("visitor") else {"customer_id": who}


def decision(
    who: str, kind: Kind, outcome: Outcome, reason: Reason, site: str = "s", intent: float | None = None, at: str = ""
) -> bytes:
    scores = () if intent is None else (Score("intent", 1, 0.0, intent),)
    made = Decision(
        "d", "t", kind, "e", 1, outcome, reason, site, "replay", at, 0, 1, "p", "2", **ids(who), scores=scores
    )
    return encode(made)


def trigger(who: str, kind: Kind, timing: Timing | None) -> bytes:
    data = TriggerData("t", kind, "e", 1, Reason.SILENT, "s", "replay", "", "", "p", "2", **ids(who), timing=timing)
    return encode(Trigger("1.0", "t", "pipeline", "x", "", "", "application/json", data))


def tally_of(*decisions: bytes) -> Tally:
    tally = Tally()
    for made in decisions:
        tally.decision(made)
    return tally


def pages(who: str, *chances: float | None, minutes: int = 1) -> list[bytes]:
    """A page changes each so many minutes."""
    return [
        decision(who, PAGE, EMITTED, Reason.CHANGED, intent=chance, at=f"2026-01-01T{m // 60:02}:{m % 60:02}:00Z")
        for m, chance in zip(count(0, minutes), chances, strict=False)
    ]


def test_an_order_that_cancels_is_a_better_story_than_an_emptied_cart() -> None:
    tally = tally_of(
        decision("emptied", CART, EMITTED, Reason.SILENT),
        decision("emptied", CART, CANCELLED, Reason.EMPTIED),
        decision("ordered", CART, EMITTED, Reason.SILENT),
        decision("ordered", CART, CANCELLED, Reason.ORDERED),
    )
    assert tally.timed("s", CART) == Found("s|c|ordered", wanted=False)


def test_what_a_model_has_timed_is_the_best_story() -> None:
    tally = tally_of(
        decision("ordered", CART, EMITTED, Reason.SILENT),
        decision("ordered", CART, CANCELLED, Reason.ORDERED),
        decision("learned", CART, EMITTED, Reason.SILENT),
        decision("ordered", BACK, EMITTED, Reason.CADENCE),
    )
    for data in (
        trigger("ordered", CART, Timing.RULES),
        trigger("ordered", CART, None),
        trigger("learned", CART, Timing.LEARNED),
        trigger("ordered", BACK, Timing.RULES),
    ):
        tally.trigger(data)
    assert tally.timed("s", CART) == Found("s|c|learned", wanted=True)
    assert tally.timed("s", BACK) == Found("s|c|ordered", wanted=False)
    assert (tally.timings[CART, Timing.LEARNED], tally.timings[CART, Timing.RULES]) == (1, 1)


def test_a_visitor_is_chosen_whose_intent_moves_most() -> None:
    tally = tally_of(
        *pages("visitor-a", 0.02, 0.021, 0.025, 0.025),
        *pages("visitor-b", 0.01, 0.02, 0.03, 0.04),
        *pages("visitor-c", 0.0001, 0.0002, 0.0001, 0.0009),  # nine times almost nothing
        *pages("visitor-d", None, 0.01, 0.5, 0.5),  # three scores are no move
        *pages("visitor-e", 0.01, 0.1, 0.2, 0.5, minutes=40),  # each in a visit of its own
    )
    assert tally.moved("s") == Found("s|a|visitor-b", wanted=True)
    assert tally.scored[PAGE] == 19
    assert tally_of(*pages("visitor-a", 0.02, 0.021, 0.025, 0.025)).moved("s") == Found("s|a|visitor-a", wanted=False)


def test_of_equal_stories_the_shortest() -> None:
    tally = tally_of(*(decision(who, BACK, EMITTED, Reason.CADENCE) for who in ("long", "short")))
    rows = [
        Row(0, i, 0, i, f"s|c|{who}", IdentifyRow(str(i), i, "")) for i, who in enumerate(("long", "long", "short"))
    ]
    for data in encode_rows(FrameKind.EVENTS, "replay", rows):
        tally.frame(0, data)
    assert tally.events == 3
    assert tally.timed("s", BACK) == Found("s|c|short", wanted=False)


def test_each_site_has_its_own_stories_and_who_got_nothing_has_none() -> None:
    tally = tally_of(
        *pages("visitor-1", None),
        decision("c", BACK, EMITTED, Reason.CADENCE, "other"),
        decision("refused", CART, Outcome.SUPPRESSED, Reason.NO_PERMISSION),
    )
    assert tally.moved("s") == Found("s|a|visitor-1", wanted=False)
    assert tally.timed("other", BACK) == Found("other|c|c", wanted=False)
    assert (tally.moved("other"), tally.timed("s", CART), tally.timed("third", BACK)) == (None, None, None)
    assert tally.outcomes[PAGE, EMITTED, Reason.CHANGED] == 1


def test_what_a_story_lacks_is_said_in_numbers() -> None:
    tally = tally_of(*pages("visitor-1", None, 0.5))
    tally.trigger(trigger("c", CART, Timing.RULES))
    assert "of 2 changed pages, 1 were chosen with a score" in by_intent("s").lacking(tally)
    assert "1 were timed by the rules. They hold until the model has learned of 2,000" in by_hazard("s").lacking(tally)
    assert "0 were timed by the rules" in by_due_date("s").lacking(tally)
