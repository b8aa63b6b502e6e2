"""Verdicts written as what goes out: a decision for each, a CloudEvent for what a sender must do."""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple

from msgspec import Raw

from pipeline.config.namespace import DECISIONS, trigger_topic
from pipeline.engine.batch import Headers, Output
from pipeline.log.persons import ids_of, site_of
from pipeline.state.cart import CartLine
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
from pipeline.triggers.site_now import SiteNow
from pipeline.triggers.verdict import Verdict

MAX_OUTPUT_BYTES: Final = 256 * 1024


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
    kind, outcome, episode, at, due = verdict.kind, verdict.outcome, verdict.episode, verdict.at, verdict.due
    name = site_of(person)
    identity = trigger_id(name, kind, episode, verdict.step)
    customer_id, anonymous_id = ids_of(person)
    key = person.encode()
    headers: Headers = [*_headers(name, kind, origin.mode), ("trigger_id", identity.encode())]
    decided_at = rfc3339(at)
    scores, suggestions = _encoded(verdict.scores), _encoded(verdict.suggestions)
    decision = Decision(  # by place: by name it takes six times as long
        f"{identity}:{_LETTER[outcome]}",
        identity,
        kind,
        episode,
        verdict.step,
        outcome,
        verdict.reason,
        name,
        origin.mode,
        decided_at,
        origin.partition,
        origin.offset,
        origin.policy_version,
        ENGINE_VERSION,
        "" if not due else decided_at if due == at else rfc3339(due),
        customer_id,
        anonymous_id,
        verdict.channel,
        () if kind is _WIN_BACK else (episode,),
        verdict.value,
        site.policy.currency if verdict.value else "",
        verdict.after_send,
        scores,
        suggestions,
    )
    marks = (outcome, verdict.reason, kind, caused_at, at, due, verdict.after_send)
    decided = Output(DECISIONS, key, encode(decision), headers, *marks)
    if outcome not in _SENT:
        return [decided]
    trigger = _trigger(decision, verdict, customer, site, scores, suggestions)
    sent = [*headers, ("ce_type", trigger.type.encode()), _CONTENT_TYPE]
    return [Output(_TOPICS[kind], key, encode(trigger), sent, *marks), decided]


_WIN_BACK: Final = Kind.WIN_BACK
_SENT: Final = frozenset({Outcome.EMITTED, Outcome.CANCELLED})
_CONTENT_TYPE: Final = ("content-type", b"application/cloudevents+json")


@lru_cache(maxsize=4096)
def _headers(site: str, kind: Kind, mode: str) -> tuple[tuple[str, bytes], ...]:
    return ("site", site.encode()), ("kind", kind.encode()), ("mode", mode.encode())


_TOPICS: Final = {kind: trigger_topic(kind.value) for kind in Kind}


@lru_cache(maxsize=64)
def _type(kind: Kind, outcome: Outcome) -> str:
    return f"{kind.value}.{outcome.value}.v1"


_LETTER: Final = {
    Outcome.EMITTED: "e",
    Outcome.CANCELLED: "c",
    Outcome.SUPPRESSED: "s",
    Outcome.HELD: "h",
    Outcome.DEFERRED: "d",
    Outcome.EXPIRED: "x",
}


def _trigger(
    decision: Decision, verdict: Verdict, customer: Customer, site: SiteNow, scores: Any, suggestions: Any
) -> Trigger:
    """The message; `scores` and `suggestions` as the decision has them (`_encoded`)."""
    data = TriggerData(  # by place, as above
        decision.trigger_id,
        decision.kind,
        decision.episode,
        decision.step,
        decision.reason,
        decision.site_id,
        decision.mode,
        decision.due_at,
        rfc3339(verdict.expires),
        decision.policy_version,
        decision.engine_version,
        decision.customer_id,
        decision.anonymous_id,
        decision.channel,
        decision.causing_events,
        tuple([_item(line, site) for line in verdict.lines]),
        verdict.value,
        decision.currency,
        customer.locale,
        customer.device,
        verdict.after_send,
        verdict.variant,
        verdict.cause,
        verdict.moment,
        verdict.action,
        scores,
        verdict.timing,
        verdict.propensity,
        suggestions,
        verdict.expected,
    )
    return Trigger(
        "1.0",
        decision.decision_id,
        f"/pipeline/{decision.site_id}",
        _type(decision.kind, decision.outcome),
        decision.trigger_id,
        decision.at,
        "application/json",
        data,
    )


def _encoded(said: tuple[Any, ...]) -> Any:
    """What stands in the decision and in the message, encoded once for both; nothing is left as it is."""
    return Raw(encode(said)) if said else said


def _item(line: CartLine, site: SiteNow) -> TriggerItem:
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
    seconds = millis // 1000
    return _minute(seconds // 60) + _SECONDS[seconds % 60] + _FRACTIONS[millis % 1000]


_SECONDS: Final = tuple(f":{second:02d}" for second in range(60))
_FRACTIONS: Final = tuple(f".{millis:03d}Z" for millis in range(1000))


@lru_cache(maxsize=4096)
def _minute(minutes: int) -> str:
    return f"{datetime.fromtimestamp(minutes * 60, UTC):%Y-%m-%dT%H:%M}"
