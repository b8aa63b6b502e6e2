"""The schemas are those of the types, and every example is what its schema and its type say."""

import json
import re
from itertools import chain
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from click.testing import CliRunner
from cloudevents.core.bindings.kafka import KafkaMessage, from_structured_event
from cloudevents.core.formats.json import JSONFormat
from jsonschema import Draft202012Validator

from pipeline.cli.main import main
from pipeline.events import TOPIC_EVENTS
from pipeline.log.rejects import Reject
from pipeline.schemas import examples
from pipeline.schemas.asyncapi import trigger_headers
from pipeline.schemas.files import files
from pipeline.triggers.contract import Decision, Trigger
from pipeline.view.profile import Profile

FILES = files()
FOLDER = Path(__file__).parents[2] / "schemas"
SCHEMAS = sorted(
    path for path in FILES if not path.startswith("examples/") and path.endswith(".json") and path != "asyncapi.json"
)


def schema(path: str) -> dict[str, Any]:
    return json.loads(FILES[path])


def decoder_type(path: str) -> Any:
    if path.startswith("events/"):
        return TOPIC_EVENTS[path.split("/")[1]]
    return {"triggers": Trigger, "decisions": Decision, "rejects": Reject, "profile": Profile}[
        re.split(r"[/.]", path)[0]
    ]


def test_the_folder_is_what_the_types_say() -> None:
    result = CliRunner().invoke(main, ["schema", "--check", "--folder", str(FOLDER)])
    assert result.exit_code == 0, result.output


def test_check_names_what_differs(tmp_path: Path) -> None:
    run = CliRunner().invoke
    assert run(main, ["schema", "--folder", str(tmp_path)]).exit_code == 0
    (tmp_path / "decisions.v1.json").unlink()
    (tmp_path / "asyncapi.json").write_text("{}")
    (tmp_path / "events" / "old.json").write_text("{}")
    result = run(main, ["schema", "--check", "--folder", str(tmp_path)])
    assert result.exit_code == 1
    for line in ("decisions.v1.json: is missing", "asyncapi.json: differs", "events/old.json: no type makes it"):
        assert line in result.output
    assert not (tmp_path / "decisions.v1.json").exists()


@pytest.mark.parametrize("topic", TOPIC_EVENTS)
def test_every_type_has_an_example(topic: str) -> None:
    assert {type(event) for event in examples.EVENTS[topic]} == set(get_args(TOPIC_EVENTS[topic]))


@pytest.mark.parametrize("path", SCHEMAS)
def test_schemas_are_schemas(path: str) -> None:
    made = schema(path)
    Draft202012Validator.check_schema(made)
    assert made["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert made["$id"].startswith("urn:live-customer-pipeline:")
    assert made["title"]
    assert made["description"]
    assert made["examples"]
    assert path.rpartition("/")[2] == f"{made['title']}.json"


@pytest.mark.parametrize("path", SCHEMAS)
def test_examples_are_valid_and_decode_to_themselves(path: str) -> None:
    made = schema(path)
    assert json.loads(FILES[f"examples/{path}"]) == made["examples"][0]
    for example in made["examples"]:
        Draft202012Validator(made).validate(example)
        decoded = msgspec.json.decode(json.dumps(example), type=decoder_type(path))
        assert json.loads(msgspec.json.encode(decoded)) == example


@pytest.mark.parametrize("path", SCHEMAS)
def test_unknown_fields_are_allowed(path: str) -> None:
    made = schema(path)
    more = made["examples"][0] | {"added_later": {"by": "someone"}}
    Draft202012Validator(made).validate(more)
    msgspec.json.decode(json.dumps(more), type=decoder_type(path))


@pytest.mark.parametrize("path", [path for path in SCHEMAS if path.startswith("events/")])
def test_an_unknown_type_is_refused(path: str) -> None:
    made = schema(path)
    other = made["examples"][0] | {"type": "teleport"}
    assert not Draft202012Validator(made).is_valid(other)
    with pytest.raises(msgspec.ValidationError, match="teleport"):
        msgspec.json.decode(json.dumps(other), type=decoder_type(path))


def test_events_name_a_person_and_products_do_not() -> None:
    made = schema("events/shop.carts/clear_cart.json")
    nobody = {key: value for key, value in made["examples"][0].items() if key != "customer_id"}
    assert not Draft202012Validator(made).is_valid(nobody)
    assert Draft202012Validator(made).is_valid(nobody | {"anonymous_id": "v"})
    assert "anyOf" not in schema("events/shop.catalog/product.json")


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("decisions.v1.json", "reason"),
        ("decisions.v1.json", "outcome"),
        ("decisions.v1.json", "kind"),
        ("rejects.v1.json", "reason"),
    ],
)
def test_outputs_may_grow_new_reasons(path: str, field: str) -> None:
    made = schema(path)
    Draft202012Validator(made).validate(made["examples"][0] | {field: "of_a_later_version"})


@pytest.mark.parametrize("trigger", list(chain(*examples.TRIGGERS.values())), ids=lambda trigger: trigger.type)
def test_triggers_are_cloudevents(trigger: Trigger) -> None:
    headers = {name: value.encode() for name, value in trigger_headers(trigger).items()}
    message = KafkaMessage(headers, examples.KEY.encode(), msgspec.json.encode(trigger))
    event = from_structured_event(message)
    assert event.get_specversion() == "1.0"
    assert event.get_id() == trigger.id
    assert event.get_type() == trigger.type
    assert event.get_time().isoformat(timespec="milliseconds").replace("+00:00", "Z") == trigger.time
    assert event.get_data()["trigger_id"] == trigger.data.trigger_id
    assert headers["content-type"].decode() == JSONFormat.CONTENT_TYPE


def test_the_reference_of_events_has_every_type_with_its_own_fields_and_no_dead_link() -> None:
    page = FILES["events.md"].decode()
    sections = {text.partition("\n")[0]: text for text in re.split(r"^### ", page, flags=re.MULTILINE)[1:]}
    for path in (path for path in SCHEMAS if path.startswith("events/")):
        assert f"]({path})" in page
        assert all(f"`{field}`" in page for field in schema(path)["properties"].keys() - {"type"})
    assert "| **`items`** | list of [Item](#item), at most 100 |" in sections["add_to_cart"]
    for link in re.findall(r"\]\(([^)]+)\)", page):
        assert link in FILES or link[1:] in map(str.lower, sections)
