"""The story of one person, from a log and outputs in a real Kafka, and of nobody else."""

import asyncio
import json
from collections.abc import Callable
from enum import StrEnum

import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from pipeline.cli import main
from pipeline.config.errors import UserError
from pipeline.config.settings import Settings
from pipeline.explain.decisions import tell_decision
from pipeline.explain.excerpt import excerpt
from pipeline.explain.reasons import _REASONS, ACTIONS, CAUSES, KINDS, shown_in_words
from pipeline.explain.story import EVENT, Entry, tell
from pipeline.explain.words import length, money
from pipeline.log.rows import OrderNews, OrderRow
from pipeline.triggers.contract import (
    Action,
    Cause,
    Decision,
    Expected,
    Factor,
    Kind,
    Moment,
    Outcome,
    Reason,
    Score,
    Timing,
    TriggerData,
    TriggerItem,
)
from tests.verify.histories import write_history

SettingsOf = Callable[..., Settings]


def test_a_story_in_the_order_of_time(settings_of: SettingsOf) -> None:
    settings = settings_of()
    asyncio.run(write_history(settings))
    story = asyncio.run(tell(settings, "s|c|c1"))
    texts = [entry.text for entry in story.entries]
    assert texts[:2] == ["allowed marketing messages by email (consent)", "put 2 x p1 (19.99 EUR) in the cart"]
    assert texts[2].startswith("step 1 of the cart reminder was due after 30m of silence")
    assert "emitted on email, worth 39.98 EUR, timed by the rules, expires 2020-09-16" in texts[2]
    assert [entry.at for entry in story.entries] == sorted(entry.at for entry in story.entries)
    assert story.now is not None
    assert story.now["cart"] == [{"sku": "p1", "quantity": 2, "price": 1999, "currency": "EUR"}]
    assert story.now["permissions"]["marketing messages"] == ["email"]
    assert story.now["reminder"]["steps_decided"] == 1
    assert story.now["next_timer"] > story.clock > 0


def test_an_order_is_named_as_the_reason(settings_of: SettingsOf) -> None:
    settings = settings_of()
    asyncio.run(write_history(settings))
    text = "\n".join(entry.text for entry in asyncio.run(tell(settings, "s|c|c3")).entries)
    assert "ordered 2 x p1 (19.99 EUR) for 39.98 EUR (order o3)" in text
    assert "an order closed the cart at 2020-09-13 13:06:40" in text


def test_the_command_shows_and_writes_json(settings_of: SettingsOf) -> None:
    settings = settings_of()
    asyncio.run(write_history(settings))
    environment = {"KAFKA_BOOTSTRAP_SERVERS": settings.kafka.bootstrap_servers}
    where = ["--namespace", settings.namespace.name]
    shown = CliRunner().invoke(main, ["why", "s", "c1", *where], env=environment)
    assert shown.exit_code == 0, shown.output
    assert "cart: 2 x p1 (19.99 EUR), worth 39.98 EUR" in shown.output
    assert "marketing messages: email" in shown.output
    written = CliRunner().invoke(main, ["why", "s", "c1", "--json", *where], env=environment)
    assert json.loads(written.output)["person"] == "s|c|c1"


def test_somebody_unknown_is_a_user_error(settings_of: SettingsOf) -> None:
    settings = settings_of()
    asyncio.run(write_history(settings))
    with pytest.raises(UserError, match="nothing is known of this person"):
        asyncio.run(tell(settings, "s|a|c1"))


TIME = "2020-09-13T12:57:40.000Z"


def decided(kind: Kind, outcome: Outcome, reason: Reason) -> Decision:
    return Decision("x:e", "x", kind, "e", 1, outcome, reason, "s", "live", TIME, 0, 1, "p", "1", due_at=TIME)


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("outcome", Outcome)
@pytest.mark.parametrize("reason", Reason)
def test_every_decision_has_a_sentence(kind: Kind, outcome: Outcome, reason: Reason) -> None:
    text = tell_decision(decided(kind, outcome, reason), None, [])
    assert KINDS[kind] in text
    assert "_" not in text


@pytest.mark.parametrize("words", [_REASONS, CAUSES, ACTIONS, KINDS])
def test_every_value_of_the_contract_has_words(words: dict[StrEnum, str]) -> None:
    assert list(words) == list(type(next(iter(words))))


def test_a_score_is_told_with_what_moves_it() -> None:
    score = Score("reorder", 12, -2.0, 0.0816, (Factor("days", "bought on 3 days", 0.4), Factor("age", "new", -0.2)))
    won = decided(Kind.WIN_BACK, Outcome.EMITTED, Reason.CADENCE)
    text = tell_decision(replace(won, scores=(score,)), published(Kind.WIN_BACK, timing=Timing.LEARNED), [])
    assert "timed by the model" in text
    assert text.endswith("8.16% for an order within 30 days, by reorder 12: bought on 3 days (up), new (down)")


def test_the_orders_to_come_are_told_with_what_moves_them() -> None:
    expected = Expected("count", 7, 90, 0.31, 2_604, "EUR", (Factor("silence", "silent for 90 days", -0.6),))
    won = decided(Kind.WIN_BACK, Outcome.EMITTED, Reason.CADENCE)
    text = tell_decision(won, published(Kind.WIN_BACK, expected=expected), [])
    assert text.endswith("0.31 orders for 26.04 EUR expected within 90 days, by count 7: silent for 90 days (down)")


def order_at(at: int) -> OrderRow:
    return OrderRow("o1", at, OrderNews.PURCHASE, "o1", 0, False, False, 100, "EUR", "", ())


def published(kind: Kind, **fields: object) -> TriggerData:
    return TriggerData(
        "x", kind, "e", 1, Reason.CADENCE, "s", "live", TIME, "2020-09-27T12:57:40.000Z", "p", "2", **fields
    )


def test_a_win_back_says_how_long_nobody_ordered_and_why_it_may_be() -> None:
    at = 1_600_001_860_000 - 18 * 86_400_000
    text = tell_decision(
        replace(decided(Kind.WIN_BACK, Outcome.EMITTED, Reason.CADENCE), channel="email"),
        published(Kind.WIN_BACK, cause=Cause.FORGOT),
        [order_at(at)],
    )
    assert text == (
        "the win-back was due after 18d without an order: emitted on email (no order for longer than usual), "
        "perhaps they forgot, expires 2020-09-27 12:57:40"
    )


def test_a_personalization_says_what_is_shown_to_whom() -> None:
    trigger = published(
        Kind.PERSONALIZATION,
        action=Action.RECOMMEND,
        moment=Moment("consideration", "empty", "garden", "oak"),
        items=(TriggerItem("garden-070", 1),),
    )
    text = tell_decision(decided(Kind.PERSONALIZATION, Outcome.EMITTED, Reason.CHANGED), trigger, [])
    assert text == (
        "personalization: recommend garden by oak (garden-070), now that the stage is consideration and the cart empty"
    )


def test_what_is_asked_on_site_stands_apart_from_what_the_visitor_likes() -> None:
    assert shown_in_words(Action.SIGNUP_PROMPT, "tools", "cedar") == "ask to sign up, drawn to tools by cedar"
    assert shown_in_words(Action.PUSH_OPTIN, "", "") == "ask for push messages"
    assert shown_in_words(Action.RECOMMEND, "", "oak") == "recommend products by oak"


def test_what_was_not_said_for_an_order_names_the_first_order_after_it_was_due() -> None:
    due = 1_600_001_860_000
    orders = [order_at(due - 5_000), order_at(due + 60_000), order_at(due + 120_000)]
    text = tell_decision(decided(Kind.WIN_BACK, Outcome.SUPPRESSED, Reason.ORDERED), None, orders)
    assert text.endswith("suppressed, the customer ordered at 2020-09-13 12:58:40")


def test_a_long_story_keeps_its_decisions_and_what_is_beside_them() -> None:
    story = [Entry(at, EVENT, f"event {at}", at) for at in range(20)]
    story[12] = Entry(12, "emitted", "the trigger", 12)
    assert [entry.text for entry in excerpt(story)] == [
        "event 0", "… 8 events …", "event 9", "event 10", "event 11", "the trigger", "event 13", "… 6 events …",
    ]  # fmt: skip
    assert excerpt(story[9:14]) == story[9:14]


def test_words() -> None:
    assert money(1999, "EUR") == "19.99 EUR"
    assert money(1999, "JPY") == "1999 JPY"
    assert [length(ms) for ms in (0, 61_000, 1_800_000, 100 * 3_600_000)] == ["0s", "1m 1s", "30m", "4d 4h"]
