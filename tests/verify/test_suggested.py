"""What of an output is set aside as a suggestion, and what is not."""

import pytest

from pipeline.config.namespace import DECISIONS, trigger_topic
from pipeline.schemas.examples import SHOWN
from pipeline.triggers.contract import Kind, encode
from pipeline.verify.align import Record
from pipeline.verify.report import Report
from pipeline.verify.suggested import Suggestions

PERSONALIZATION, CART = trigger_topic(Kind.PERSONALIZATION), trigger_topic(Kind.CART_ABANDONED)
VALUE = encode(SHOWN)
FIELD = VALUE[VALUE.index(b',"suggestions":') : -2]


def left_of(value: bytes, topic: str = PERSONALIZATION) -> bytes:
    return Suggestions(Report(), 0, whole=True).taken_out(topic, Record(0, b"", value, ())).value


def test_suggestions_are_taken_out_and_nothing_else() -> None:
    assert left_of(VALUE) == VALUE.replace(FIELD, b"")


@pytest.mark.parametrize(
    "value",
    [
        VALUE.replace(b'"suggestions":[', b'"suggestions": ['),
        VALUE.replace(FIELD, FIELD + FIELD),
        VALUE.replace(b'"own"', b'"astrology"'),
        VALUE.replace(FIELD, b',"suggestions":[]'),
        VALUE.replace(b".emitted.v1", b".cancelled.v1"),
        b'{"suggestions":',
    ],
    ids=["spaced", "twice", "unheard-of", "empty", "cancelled", "broken"],
)
def test_what_the_engine_does_not_write_so_stays_to_be_found(value: bytes) -> None:
    assert value != VALUE
    assert left_of(value) == value


@pytest.mark.parametrize("topic", [CART, DECISIONS])
def test_in_another_topic_they_stay_to_be_found(topic: str) -> None:
    assert left_of(VALUE, topic) == VALUE


def test_a_trigger_whose_decision_tells_none_is_a_difference_unless_the_topic_was_cut() -> None:
    for whole in (True, False):
        report = Report()
        suggestions = Suggestions(report, 0, whole=whole)
        suggestions.taken_out(PERSONALIZATION, Record(7, b"", VALUE, ()))
        suggestions.finish()
        assert (report.differences, report.part("suggestions").not_judged) == ((1, 0) if whole else (0, 1))
        assert SHOWN.data.customer_id not in "".join(report.first())
