"""Verdicts written as what goes out: a decision for each, a CloudEvent for what a sender must do."""

from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

from pipeline.config.namespace import DECISIONS, trigger_topic
from pipeline.log.persons import ids_of, site_of
from pipeline.state.customer import Customer
from pipeline.triggers.contract import (
    ENGINE_VERSION,
    Decision,
    Kind,
    Outcome,
    Trigger,
    TriggerData,
    TriggerItem,
    encode,
    trigger_id,
)
from pipeline.triggers.verdict import SiteNow, Verdict

MAX_OUTPUT_BYTES = 256 * 1024

Headers = list[tuple[str, bytes]]


class Output(NamedTuple):
    """A record for a topic of the namespace; its partition is that of the log.

    `caused_at` is the time of the record that caused it, 0 where the passing of time did; `at`, `due` and `after_send`
    as in the verdict.
    """

    topic: str
    key: bytes
    value: bytes
    headers: Headers
    outcome: Outcome
    reason: str
    kind: Kind
    caused_at: int
    at: int
    due: int
    after_send: bool


class Origin(NamedTuple):
    """Which frame made it so, under which policy."""

    mode: str
    partition: int
    offset: int
    policy_version: str


def write(
    person: str, customer: Customer, verdict: Verdict, site: SiteNow, origin: Origin, caused_at: int
) -> list[Output]:
    """The decision, and before it the trigger's message where one goes out."""
    kind = verdict.kind
    name = site_of(person)
    identity = trigger_id(name, kind, verdict.episode, verdict.step)
    customer_id, anonymous_id = ids_of(person)
    key = person.encode()
    headers: Headers = [*_headers(name, kind, origin.mode), ("trigger_id", identity.encode())]
    decision = Decision(
        decision_id=f"{identity}:{_LETTER[verdict.outcome]}",
        trigger_id=identity,
        kind=kind,
        episode=verdict.episode,
        step=verdict.step,
        outcome=verdict.outcome,
        reason=verdict.reason,
        site_id=name,
        mode=origin.mode,
        at=rfc3339(verdict.at),
        log_partition=origin.partition,
        log_offset=origin.offset,
        policy_version=origin.policy_version,
        engine_version=ENGINE_VERSION,
        due_at=rfc3339(verdict.due) if verdict.due else "",
        customer_id=customer_id,
        anonymous_id=anonymous_id,
        channel=verdict.channel,
        causing_events=() if kind is Kind.WIN_BACK else (verdict.episode,),
        value=verdict.value,
        currency=site.policy.currency if verdict.value else "",
        after_send=verdict.after_send,
    )
    marks = (verdict.outcome, verdict.reason, kind, caused_at, verdict.at, verdict.due, verdict.after_send)
    outputs = [Output(DECISIONS, key, encode(decision), headers, *marks)]
    if verdict.outcome in (Outcome.EMITTED, Outcome.CANCELLED):
        trigger = _trigger(decision, verdict, customer, site)
        sent = [*headers, ("ce_type", trigger.type.encode()), ("content-type", b"application/cloudevents+json")]
        topic = _TOPICS[kind]
        outputs.insert(0, Output(topic, key, encode(trigger), sent, *marks))
    return outputs


@lru_cache(maxsize=4096)
def _headers(site: str, kind: Kind, mode: str) -> tuple[tuple[str, bytes], ...]:
    return ("site", site.encode()), ("kind", kind.encode()), ("mode", mode.encode())


_TOPICS = {kind: trigger_topic(kind.value) for kind in Kind}


@lru_cache(maxsize=64)
def _type(kind: Kind, outcome: Outcome) -> str:
    return f"{kind.value}.{outcome.value}.v1"


_LETTER = {
    Outcome.EMITTED: "e",
    Outcome.CANCELLED: "c",
    Outcome.SUPPRESSED: "s",
    Outcome.HELD: "h",
    Outcome.DEFERRED: "d",
    Outcome.EXPIRED: "x",
}


def _trigger(decision: Decision, verdict: Verdict, customer: Customer, site: SiteNow) -> Trigger:
    data = TriggerData(
        trigger_id=decision.trigger_id,
        kind=decision.kind,
        episode=decision.episode,
        step=decision.step,
        reason=decision.reason,
        site_id=decision.site_id,
        mode=decision.mode,
        due_at=decision.due_at,
        expires_at=rfc3339(verdict.expires),
        policy_version=decision.policy_version,
        engine_version=decision.engine_version,
        customer_id=decision.customer_id,
        anonymous_id=decision.anonymous_id,
        channel=decision.channel,
        causing_events=decision.causing_events,
        items=tuple(_item(verdict, i, site) for i in range(len(verdict.lines))),
        value=verdict.value,
        currency=decision.currency,
        locale=customer.locale,
        device=customer.device,
        after_send=verdict.after_send,
        variant=verdict.variant,
        cause=verdict.cause,
        moment=verdict.moment,
        action=verdict.action,
    )
    return Trigger(
        specversion="1.0",
        id=decision.decision_id,
        source=f"/pipeline/{decision.site_id}",
        type=_type(decision.kind, decision.outcome),
        subject=decision.trigger_id,
        time=decision.at,
        datacontenttype="application/json",
        data=data,
    )


def _item(verdict: Verdict, place: int, site: SiteNow) -> TriggerItem:
    line = verdict.lines[place]
    product = site.product(line.sku)
    return TriggerItem(
        item_id=line.sku,
        quantity=line.quantity,
        currency=line.currency,
        price_at_add=line.price if line.price >= 0 else None,
        price_now=product.price if product is not None else None,
        category=line.category,
        brand=line.brand,
    )


def rfc3339(millis: int) -> str:
    """Epoch milliseconds as RFC 3339 in UTC, milliseconds always written."""
    return f"{_second(millis // 1000)}.{millis % 1000:03d}Z"


@lru_cache(maxsize=4096)
def _second(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"
