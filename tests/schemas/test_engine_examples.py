"""The examples of outputs are, to the byte, what the engine writes for such a verdict."""

from datetime import datetime

import pytest
from msgspec.structs import replace

from pipeline.config.namespace import trigger_topic
from pipeline.config.policy import SitePolicy
from pipeline.engine.batch import Output
from pipeline.engine.outputs import Origin, write
from pipeline.log.rows import ProductRow
from pipeline.schemas import examples
from pipeline.schemas.asyncapi import trigger_headers
from pipeline.state.cart import CartLine
from pipeline.state.customer import Customer
from pipeline.triggers.contract import Action, Cause, Decision, Kind, Moment, Outcome, Reason, Trigger, encode
from pipeline.triggers.site_now import SiteNow
from pipeline.triggers.verdict import Verdict

DECISION = examples.DECISION
KIND = DECISION.kind
LINE = CartLine("sku-boots-42", 1, 11_990, "EUR", 11_990, "shoes", "Alpina", 0)
PRODUCT = ProductRow("e", 0, examples.SITE, LINE.sku, 11_990, "EUR", "shoes", "Alpina", 14, False, False)


def millis(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def written(trigger: Trigger, verdict: Verdict) -> list[Output]:
    site = SiteNow(0, True, SitePolicy(), lambda: False, {LINE.sku: PRODUCT}.get)
    verdict = replace(
        verdict, at=millis(trigger.time), due=millis(trigger.data.due_at), expires=millis(trigger.data.expires_at)
    )
    origin = Origin("live", DECISION.log_partition, DECISION.log_offset, examples.POLICY_VERSION)
    return write(examples.KEY, Customer(device="mobile", locale="de-DE"), verdict, site, origin, 0)


EMITTED = Verdict(
    KIND,
    Outcome.EMITTED,
    Reason.SILENT,
    DECISION.episode,
    1,
    0,
    channel="email",
    lines=(LINE,),
    value=11_990,
    scores=DECISION.scores,
    timing=examples.EMITTED.data.timing,
)
CANCELLED = Verdict(KIND, Outcome.CANCELLED, Reason.ORDERED, DECISION.episode, 1, 0, channel="email", after_send=True)


SOCKS = CartLine("sku-socks", 1, -1, "", 0, "", "", 0)
SHOWN = Verdict(
    Kind.PERSONALIZATION,
    Outcome.EMITTED,
    Reason.CHANGED,
    "e-like",
    1,
    0,
    channel="onsite",
    lines=(replace(LINE, price=-1), SOCKS),
    moment=Moment("consideration", "empty", "shoes", "Alpina"),
    action=Action.RECOMMEND,
    suggestions=examples.SHOWN.data.suggestions,
)

WON_BACK = Verdict(
    Kind.WIN_BACK,
    Outcome.EMITTED,
    Reason.SECOND_ORDER,
    examples.WON_BACK.data.episode,
    1,
    0,
    channel="email",
    variant="second_order",
    cause=Cause.FORGOT,
    expected=examples.WON_BACK.data.expected,
)


@pytest.mark.parametrize(
    ("example", "verdict"),
    [
        (examples.EMITTED, EMITTED),
        (examples.CANCELLED, CANCELLED),
        (examples.SHOWN, SHOWN),
        (examples.WON_BACK, WON_BACK),
    ],
    ids=["emitted", "cancelled", "shown", "won back"],
)
def test_trigger(example: Trigger, verdict: Verdict) -> None:
    message = written(example, verdict)[0]
    assert message.value.decode() == encode(example).decode()
    assert (message.topic, message.key) == (trigger_topic(verdict.kind), examples.KEY.encode())
    assert {name: value.decode() for name, value in message.headers} == trigger_headers(example)


def test_decision() -> None:
    example: Decision = DECISION
    assert written(examples.EMITTED, EMITTED)[1].value.decode() == encode(example).decode()
