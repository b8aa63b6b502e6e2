"""Whose story the demonstration tells: the one with the most to tell, in the fewest events."""

from pipeline.demo.tally import Tally
from pipeline.log.frames import FrameKind, encode_rows
from pipeline.log.rows import IdentifyRow, Row
from pipeline.triggers.contract import Decision, Kind, Outcome, Reason, encode

CART, BACK, PAGE = Kind.CART_ABANDONED, Kind.WIN_BACK, Kind.PERSONALIZATION
EMITTED, CANCELLED = Outcome.EMITTED, Outcome.CANCELLED


def decision(who: str, kind: Kind, outcome: Outcome, reason: Reason, site: str = "s") -> bytes:
    person = {"anonymous_id": who} if who.startswith("visitor") else {"customer_id": who}
    return encode(Decision("d", "t", kind, "e", 1, outcome, reason, site, "replay", "", 0, 1, "p", "2", **person))


def tally_of(*decisions: bytes) -> Tally:
    tally = Tally()
    for made in decisions:
        tally.decision(made)
    return tally


def test_more_kinds_come_before_all() -> None:
    tally = tally_of(
        decision("one", CART, EMITTED, Reason.SILENT),
        decision("one", CART, CANCELLED, Reason.ORDERED),
        decision("two", CART, EMITTED, Reason.SILENT),
        decision("two", PAGE, EMITTED, Reason.CHANGED),
    )
    assert tally.story("s", {CART, PAGE}) == "s|c|two"
    assert tally.story("s", {CART}) == "s|c|one"


def test_an_order_that_cancels_is_a_better_story_than_an_emptied_cart() -> None:
    tally = tally_of(
        decision("emptied", CART, EMITTED, Reason.SILENT),
        decision("emptied", CART, CANCELLED, Reason.EMPTIED),
        decision("ordered", CART, EMITTED, Reason.SILENT),
        decision("ordered", CART, CANCELLED, Reason.ORDERED),
    )
    assert tally.story("s", {CART}) == "s|c|ordered"


def test_of_equal_stories_the_shortest() -> None:
    tally = tally_of(*(decision(who, BACK, EMITTED, Reason.CADENCE) for who in ("long", "short")))
    rows = [
        Row(0, i, 0, i, f"s|c|{who}", IdentifyRow(str(i), i, "")) for i, who in enumerate(("long", "long", "short"))
    ]
    for data in encode_rows(FrameKind.EVENTS, "replay", rows):
        tally.frame(0, data)
    assert tally.events == 3
    assert tally.story("s", {BACK}) == "s|c|short"


def test_visitors_have_stories_and_each_site_has_its_own() -> None:
    tally = tally_of(
        decision("visitor-1", PAGE, EMITTED, Reason.CHANGED),
        decision("c", BACK, EMITTED, Reason.CADENCE, "other"),
    )
    assert tally.story("s", set(Kind)) == "s|a|visitor-1"
    assert tally.story("other", set(Kind)) == "other|c|c"
    assert tally.story("third", set(Kind)) is None
    assert tally.outcomes[PAGE, EMITTED, Reason.CHANGED] == 1
