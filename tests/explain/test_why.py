"""The story of one person, from a log and outputs in a real Kafka, and of nobody else."""

import asyncio
import json
from collections.abc import Callable

import pytest
from click.testing import CliRunner

from pipeline.cli import main
from pipeline.config.errors import UserError
from pipeline.config.settings import Settings
from pipeline.explain.decisions import tell_decision
from pipeline.explain.story import tell
from pipeline.explain.words import length, money
from pipeline.triggers.contract import Decision, Kind, Outcome, Reason
from tests.verify.histories import write_history

SettingsOf = Callable[..., Settings]


def test_a_story_in_the_order_of_time(settings_of: SettingsOf) -> None:
    settings = settings_of()
    asyncio.run(write_history(settings))
    story = asyncio.run(tell(settings, "s|c|c1"))
    texts = [entry.text for entry in story.entries]
    assert texts[:2] == ["allowed marketing messages by email (consent)", "put 2 x p1 (19.99 EUR) in the cart"]
    assert texts[2].startswith("step 1 of the cart reminder was due after 30m of silence")
    assert "emitted on email, worth 39.98 EUR, expires 2020-09-16" in texts[2]
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
    assert "the order at 2020-09-13 13:06:40 closed the cart" in text


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


@pytest.mark.parametrize("outcome", Outcome)
@pytest.mark.parametrize("reason", Reason)
def test_every_decision_has_a_sentence(outcome: Outcome, reason: Reason) -> None:
    time = "2020-09-13T12:57:40.000Z"
    decision = Decision(
        "x:e", "x", Kind.CART_ABANDONED, "e", 1, outcome, reason, "s", "live", time, 0, 1, "p", "1", due_at=time
    )
    text = tell_decision(decision, time, [])
    assert text.startswith("step 1 of the cart reminder")
    assert "_" not in text


def test_words() -> None:
    assert money(1999, "EUR") == "19.99 EUR"
    assert money(1999, "JPY") == "1999 JPY"
    assert [length(ms) for ms in (0, 61_000, 1_800_000, 100 * 3_600_000)] == ["0s", "1m 1s", "30m", "4d 4h"]
