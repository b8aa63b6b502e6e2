"""The AsyncAPI 3 document: the topics that shops write and the topics that consumers read, in one file."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from pipeline.config.namespace import DECISIONS, HISTORY, REJECTS, trigger_topic
from pipeline.config.settings import KafkaSettings
from pipeline.events import TOPIC_EVENTS
from pipeline.log.rejects import Reject, Replayed
from pipeline.schemas import examples
from pipeline.schemas.json_schema import components, plain, wire_name
from pipeline.triggers.contract import Decision, Kind, Trigger, TriggerData

Node = dict[str, Any]
_References = Mapping[type[Struct], Node]

CONTRACT_VERSION = "1.0.0"
"""Grows in its middle with what is added; nothing is taken away within version 1."""

CLOUDEVENT = "application/cloudevents+json"
_BINDING = "0.5.0"
_REFERENCE = "#/components/schemas/{name}"

_ABOUT = {
    "shop.clicks": "What visitors look at.",
    "shop.carts": "Changes of carts, as deltas or as whole-cart snapshots.",
    "shop.orders": "Orders and what becomes of them, online and offline.",
    "shop.customers": "Who a person is and what that person allows.",
    "shop.messages": "What became of messages, reported by their senders.",
    "shop.catalog": "The products of a site.",
    "shop.history": "What happened before the pipeline was there, up to 20 years back. It does not tell the time.",
    trigger_topic(Kind.CART_ABANDONED): "Carts that were abandoned, as CloudEvents 1.0 in structured mode. "
    "Read committed; act once an `id`, never after `expires_at`, and stop what is cancelled.",
    trigger_topic(Kind.WIN_BACK): "Customers to win back, as CloudEvents 1.0 in structured mode. Read committed; act "
    "once an `id`, never after `expires_at`, and stop what is cancelled.",
    trigger_topic(Kind.PERSONALIZATION): "What to show a person on site, as CloudEvents 1.0 in structured mode. Read "
    "committed; the newest of a person counts, until `expires_at` or until it is cancelled.",
    DECISIONS: "What became of every candidate for a trigger, emitted or not, and why. Read committed.",
    REJECTS: "Records that were refused, with their bytes and the reason, and the note that one was replayed.",
}
_SUMMARIES = {
    Kind.CART_ABANDONED: "Act on an abandoned cart, or do not act any more.",
    Kind.WIN_BACK: "Win a customer back, or do not do so any more.",
    Kind.PERSONALIZATION: "Show this on site, or do not show it any more.",
}
_SHOP_KEY = {
    "type": "string",
    "description": "Any key that keeps the events of one person in one partition, such as the person's id.",
}
_PERSON_KEY = {
    "type": "string",
    "description": "The person: `site|c|customer_id` or `site|a|anonymous_id`.",
    "examples": [examples.KEY],
}
_REJECT_KEY = {"type": "string", "description": "Where the refused record stands: `topic-partition-offset`."}
_DECISION_HEADERS = {
    "site": "Site of the shop.",
    "kind": "Kind of the trigger.",
    "mode": "Mode of the namespace; only `live` may reach people.",
    "trigger_id": "The trigger; the same for its emission and its cancellation.",
}
_TRIGGER_HEADERS = _DECISION_HEADERS | {
    "ce_type": "`type` of the CloudEvent.",
    "content-type": "Says that the value is a CloudEvent in structured JSON.",
}


def document() -> Node:
    """Build the document."""
    kinds = [type(event) for events in examples.EVENTS.values() for event in events]
    references, schemas = components([*kinds, Trigger, Decision, Reject, Replayed], _REFERENCE)
    told = [e for topic, es in examples.EVENTS.items() if topic != HISTORY for e in es]  # history repeats their types
    messages = {wire_name(type(event)): _shop_message(event, references) for event in told}
    outputs = {
        **{trigger_topic(kind): [_trigger_message(kind, references)] for kind in examples.TRIGGERS},
        DECISIONS: [_decision_message(references)],
        REJECTS: _reject_messages(references),
    }
    incoming = {topic: [wire_name(type(event)) for event in examples.EVENTS[topic]] for topic in TOPIC_EVENTS}
    outgoing = {topic: [message["name"] for message in written] for topic, written in outputs.items()}
    return {
        "asyncapi": "3.0.0",
        "id": "urn:live-customer-pipeline",
        "info": {
            "title": "Live customer pipeline",
            "version": CONTRACT_VERSION,
            "description": "Shops write the `shop.*` topics; services read triggers and decisions. Fields may be "
            "added at any time and unknown ones are ignored; an unknown `type` is refused.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {"kafka": _server()},
        "channels": {topic: _channel(topic, names) for topic, names in (incoming | outgoing).items()},
        "operations": _operations("receive", incoming) | _operations("send", outgoing),
        "components": {
            "parameters": {"namespace": {"description": "Prefix of all topics.", "default": examples.NAMESPACE}},
            "messages": messages | {message["name"]: message for written in outputs.values() for message in written},
            "schemas": schemas,
        },
    }


def trigger_headers(trigger: Trigger) -> dict[str, str]:
    """The Kafka headers of a trigger."""
    return _headers_of(trigger.data) | {"ce_type": trigger.type, "content-type": CLOUDEVENT}


def _server() -> Node:
    default = KafkaSettings().bootstrap_servers
    return {
        "host": "{bootstrap}",
        "protocol": "kafka",
        "description": "Any Apache Kafka; outputs are written in transactions.",
        "variables": {"bootstrap": {"default": default, "description": "Brokers, host:port."}},
    }


def _channel(topic: str, messages: Sequence[str]) -> Node:
    return {
        "address": f"{{namespace}}.{topic}",
        "description": _ABOUT[topic],
        "parameters": {"namespace": {"$ref": "#/components/parameters/namespace"}},
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
    }


def _operations(action: str, channels: Mapping[str, Sequence[str]]) -> Node:
    return {
        f"{action}.{topic}": {
            "action": action,
            "channel": {"$ref": f"#/channels/{topic}"},
            "messages": [{"$ref": f"#/channels/{topic}/messages/{name}"} for name in messages],
        }
        for topic, messages in channels.items()
    }


def _shop_message(event: Struct, references: _References) -> Node:
    name = wire_name(type(event))
    return _message(name, inspect.getdoc(type(event)) or "", _SHOP_KEY, references, [event])


def _trigger_message(kind: Kind, references: _References) -> Node:
    shown = examples.TRIGGERS[kind]
    message = _message(f"{kind}.v1", _SUMMARIES[kind], _PERSON_KEY, references, shown)
    headers = [trigger_headers(trigger) for trigger in shown]
    return _with_headers(message, _TRIGGER_HEADERS, headers) | {"contentType": CLOUDEVENT}


def _decision_message(references: _References) -> Node:
    message = _message(f"{DECISIONS}.v1", _ABOUT[DECISIONS], _PERSON_KEY, references, [examples.DECISION])
    return _with_headers(message, _DECISION_HEADERS, [_headers_of(examples.DECISION)])


def _reject_messages(references: _References) -> list[Node]:
    return [
        _message(f"{REJECTS}.v1", "A record was refused.", _REJECT_KEY, references, [examples.REJECT]),
        _message("replayed.v1", "A refused record was replayed.", _REJECT_KEY, references, [examples.REPLAYED]),
    ]


def _message(name: str, summary: str, key: Node, references: _References, shown: Sequence[Struct]) -> Node:
    return {
        "name": name,
        "summary": summary,
        "payload": references[type(shown[0])],
        "bindings": {"kafka": {"key": key, "bindingVersion": _BINDING}},
        "examples": [{"payload": value} for value in plain(shown)],
    }


def _with_headers(message: Node, meanings: Mapping[str, str], shown: Sequence[Mapping[str, str]]) -> Node:
    return message | {
        "headers": {
            "type": "object",
            "properties": {name: {"type": "string", "description": text} for name, text in meanings.items()},
            "required": list(meanings),
        },
        "examples": [
            example | {"headers": dict(headers)} for example, headers in zip(message["examples"], shown, strict=True)
        ],
    }


def _headers_of(output: TriggerData | Decision) -> dict[str, str]:
    return {
        "site": output.site_id,
        "kind": output.kind,
        "mode": output.mode,
        "trigger_id": output.trigger_id,
    }
