"""The AsyncAPI document holds together: the keys that version 3 asks for, and references that lead somewhere."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from pipeline.config.namespace import DECISIONS, REJECTS, trigger_topic
from pipeline.events import TOPIC_EVENTS
from pipeline.schemas import examples
from pipeline.schemas.files import files

DOCUMENT: dict[str, Any] = json.loads(files()["asyncapi.json"])
OUTPUTS = [*map(trigger_topic, examples.TRIGGERS), DECISIONS, REJECTS]
MESSAGES: dict[str, Any] = DOCUMENT["components"]["messages"]


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def resolve(reference: str) -> Any:
    assert reference.startswith("#/"), reference
    node: Any = DOCUMENT
    for part in reference[2:].split("/"):
        node = node[part.replace("~1", "/").replace("~0", "~")]
    return node


def test_it_is_asyncapi_3() -> None:
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert {"title", "version"} <= DOCUMENT["info"].keys()
    allowed = {"asyncapi", "id", "info", "defaultContentType", "servers", "channels", "operations", "components"}
    assert DOCUMENT.keys() <= allowed
    for server in DOCUMENT["servers"].values():
        assert {"host", "protocol"} <= server.keys()


def test_every_reference_leads_somewhere() -> None:
    found = set(references(DOCUMENT))
    assert found
    for reference in found:
        resolve(reference)


def test_every_component_is_used() -> None:
    used = set(references(DOCUMENT))
    defined = {
        f"#/components/{section}/{name}" for section, all_of in DOCUMENT["components"].items() for name in all_of
    }
    assert defined <= used


def test_channels_are_the_topics() -> None:
    assert list(DOCUMENT["channels"]) == [*TOPIC_EVENTS, *OUTPUTS]
    for topic, channel in DOCUMENT["channels"].items():
        assert channel["address"] == f"{{namespace}}.{topic}"
        assert set(channel["parameters"]) == {"namespace"}
        assert channel["messages"]


def test_the_pipeline_receives_from_shops_and_sends_the_rest() -> None:
    actions = {o["channel"]["$ref"].rpartition("/")[2]: o["action"] for o in DOCUMENT["operations"].values()}
    assert actions == dict.fromkeys(TOPIC_EVENTS, "receive") | dict.fromkeys(OUTPUTS, "send")
    for operation in DOCUMENT["operations"].values():
        channel = operation["channel"]["$ref"]
        assert all(message["$ref"].startswith(f"{channel}/messages/") for message in operation["messages"])


@pytest.mark.parametrize("name", MESSAGES)
def test_messages_have_a_key_and_valid_examples(name: str) -> None:
    message = MESSAGES[name]
    assert message["name"] == name
    assert message["bindings"]["kafka"]["key"]["type"] == "string"
    for part in ("payload", "headers"):
        if part in message:
            made = message[part] | {"components": DOCUMENT["components"]}
            Draft202012Validator.check_schema(made)
            assert message["examples"]
            for example in message["examples"]:
                Draft202012Validator(made).validate(example[part])


def test_triggers_carry_their_headers() -> None:
    for kind in examples.TRIGGERS:
        message = MESSAGES[f"{kind}.v1"]
        assert message["contentType"] == "application/cloudevents+json"
        assert message["headers"]["required"] == ["site", "kind", "mode", "trigger_id", "ce_type", "content-type"]
