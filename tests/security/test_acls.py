"""The lists of permissions: what each process needs, and nothing that would let it do another's work."""

import shlex
from itertools import pairwise
from pathlib import Path

import pytest

from pipeline.config.namespace import LOG, MODELS, OUTPUTS, REJECTS, Mode, new_namespace
from pipeline.config.settings import TopicSettings
from pipeline.kafka.acls import CONTROL, Operation, Process, Resource, commands, grants
from pipeline.kafka.topics import plan


def may(process: Process, operation: Operation, name: str, resource: Resource = Resource.TOPIC) -> bool:
    return any(
        operation in grant.operations and (name.startswith(grant.name) if grant.prefixed else name == grant.name)
        for grant in grants("eu", process)
        if grant.resource is resource
    )


def those_who_may(operation: Operation, name: str) -> set[Process]:
    return {process for process in Process if may(process, operation, name)}


def test_the_log_has_one_writer() -> None:
    assert those_who_may(Operation.WRITE, f"eu.{LOG}") == {Process.INGEST}


@pytest.mark.parametrize("output", OUTPUTS)
def test_only_workers_decide(output: str) -> None:
    assert those_who_may(Operation.WRITE, f"eu.{output}") == {Process.WORKER}


def test_only_the_admin_puts_a_policy_in_force_and_makes_topics() -> None:
    assert those_who_may(Operation.WRITE, f"eu.{CONTROL}") == {Process.ADMIN}
    assert those_who_may(Operation.CREATE, "eu.anything") == {Process.ADMIN}


def test_only_the_learner_and_the_admin_say_what_scores() -> None:
    assert those_who_may(Operation.WRITE, f"eu.{MODELS}") == {Process.LEARNER, Process.ADMIN}


def test_a_shop_reads_nothing() -> None:
    assert {operation for grant in grants("eu", Process.SHOP) for operation in grant.operations} == {Operation.WRITE}


def test_a_sender_sees_triggers_and_neither_profiles_nor_what_was_clicked() -> None:
    readable = {spec.name for spec in topics() if may(Process.SENDER, Operation.READ, spec.name)}
    assert readable == {f"eu.{output}" for output in OUTPUTS if output.startswith("triggers.")}


def test_a_reader_changes_nothing() -> None:
    assert all(set(grant.operations) <= {Operation.READ, Operation.DESCRIBE} for grant in grants("eu", Process.READER))


def test_every_topic_has_somebody_who_writes_and_somebody_who_reads_it() -> None:
    for spec in topics():
        assert those_who_may(Operation.WRITE, spec.name), spec.name
        assert those_who_may(Operation.READ, spec.name) - {Process.ADMIN, Process.READER} or spec.name.removeprefix(
            "eu."
        ) in (REJECTS, "echo", "decisions"), spec.name


@pytest.mark.parametrize("process", Process)
def test_no_permission_reaches_beyond_the_namespace(process: Process) -> None:
    for grant in grants("eu", process):
        assert grant.name.startswith(("eu.", "eu-"))


@pytest.mark.parametrize("process", Process)
def test_the_commands_name_each_resource_once(process: Process) -> None:
    words = [shlex.split(command) for command in commands("eu", process, ["kafka-acls.sh"])]
    named = [
        (option, name)
        for line in words
        for option, name in pairwise(line)
        if option.removeprefix("--") in set(Resource)
    ]
    wanted = [(f"--{grant.resource}", grant.name) for grant in grants("eu", process)]
    assert set(named) == set(wanted)
    assert all(line[line.index("--allow-principal") + 1] == f"User:eu-{process}" for line in words)


def topics() -> list:
    return plan(new_namespace("eu", Mode.LIVE, 1), TopicSettings())


@pytest.mark.parametrize("process", Process)
def test_the_documented_table_is_the_list(process: Process) -> None:
    text = (Path(__file__).parents[2] / "docs" / "security.md").read_text()
    row = next(line for line in text.splitlines() if line.startswith(f"| `{process}` |"))
    read, written, others = (cell.strip(" `").split() for cell in row.split("|")[2:5])

    def names(*operations: Operation, topics: bool) -> list[str]:
        return [
            grant.name[len("eu.") :] + "*" * grant.prefixed
            for grant in grants("eu", process)
            if set(operations) & set(grant.operations) and (grant.resource is Resource.TOPIC) is topics
        ]

    assert read == names(Operation.READ, topics=True)
    assert written == names(Operation.WRITE, topics=True)
    assert others == names(*Operation, topics=False)
