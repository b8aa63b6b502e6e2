"""What was suggested, in the words of a customer's story."""

from msgspec.structs import replace

from pipeline.explain.decisions import tell_decision
from pipeline.schemas import examples
from pipeline.triggers.contract import Kind, Reason, Suggestion, Why

SHOWN = examples.SHOWN.data
DECISION = replace(
    examples.DECISION,
    kind=Kind.PERSONALIZATION,
    reason=Reason.CHANGED,
    scores=(),
    suggestions=SHOWN.suggestions,
)


def test_a_personalization_tells_what_it_suggested_and_why() -> None:
    told = tell_decision(DECISION, SHOWN, [])
    assert told.endswith(
        "the cart empty; next perhaps sku-boots-42, seen before; sku-insoles, viewed with sku-socks; "
        "sku-wax, popular in shoes"
    )


def test_of_many_suggestions_the_first_are_told_and_how_many_more_there_were() -> None:
    many = replace(DECISION, suggestions=(Suggestion("a", Why.ALIKE), *[Suggestion("b", Why.ALL)] * 4))
    told = tell_decision(many, SHOWN, [])
    assert told.endswith(
        "next perhaps a, viewed in visits like this one; b, popular in the shop; b, popular in the shop; and 2 more"
    )


def test_without_suggestions_nothing_is_said_of_them() -> None:
    assert "perhaps" not in tell_decision(replace(DECISION, suggestions=()), SHOWN, [])
