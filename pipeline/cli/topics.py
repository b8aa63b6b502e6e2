"""`pipeline topics`: make the topics of a namespace, and check that they are as they should be."""

import asyncio
from collections.abc import Mapping

import click

from pipeline.cli.main import example, pass_settings
from pipeline.cli.output import print_table
from pipeline.config.durations import Millis
from pipeline.config.errors import UserError
from pipeline.config.namespace import Mode
from pipeline.config.settings import Settings


@click.group(
    short_help="Create and check the topics of a namespace.",
    epilog=example("pipeline topics apply --namespace live --mode live", "pipeline topics check --namespace live"),
)
def topics() -> None:
    """Create and check the topics of a namespace."""


@topics.command(epilog=example("pipeline topics apply --namespace live --mode live"))
@click.option(
    "--mode",
    type=click.Choice([mode.value for mode in Mode]),
    required=True,
    help="live: real time, triggers may reach people. replay, test: time comes from the data. Fixed for good.",
)
@pass_settings
def apply(settings: Settings, mode: str) -> None:
    """Create what is missing of the namespace; what exists is left as it is.

    Refuses to go on where the namespace has another mode or another number of partitions.
    """
    from pipeline.kafka import topics as kafka

    applied = asyncio.run(kafka.apply(settings, Mode(mode)))
    print_table(
        ("topic", "partitions", "copies", "cleanup", "kept for", ""),
        (
            (
                spec.name,
                str(spec.partitions),
                str(spec.replication_factor),
                spec.configs["cleanup.policy"],
                _kept(spec.configs),
                "created" if spec.name in applied.created else "exists",
            )
            for spec in kafka.plan(applied.namespace, settings.topics)
        ),
    )
    click.echo(
        f"Namespace {applied.namespace.name} ({applied.namespace.mode}, {applied.namespace.partitions} partitions): "
        f"{len(applied.created)} topics created, {len(applied.existing)} were there."
    )


@topics.command(epilog=example("pipeline topics check --namespace live"))
@pass_settings
def check(settings: Settings) -> None:
    """Say where the topics differ from what `apply` would make; exit code 1 where they do.

    Source topics may be the shop's own: of them only existence and partitions are judged.
    """
    from pipeline.kafka import topics as kafka

    differences = asyncio.run(kafka.check(settings))
    for difference in differences:
        click.echo(difference)
    if differences:
        raise UserError(
            f"{len(differences)} differences in namespace {settings.namespace.name}: `pipeline topics apply` creates "
            "what is missing, the rest is changed with Kafka's own tools"
        )
    click.echo(f"The topics of namespace {settings.namespace.name} are as they should be.")


@topics.command("reset-source", epilog=example("pipeline topics reset-source shop.carts 3 --namespace live"))
@click.argument("topic")
@click.argument("partition", type=click.IntRange(min=0))
@pass_settings
def reset_source(settings: Settings, topic: str, partition: int) -> None:
    """Have ingest read a partition of a source from its beginning, because the topic was made anew.

    Also where retention took records before they were read: then it accepts their loss. Stop ingest first.
    """
    from pipeline.operate.control import reset_source as reset

    begin = asyncio.run(reset(settings, topic, partition))
    click.echo(f"{topic}-{partition} will be read from {begin} on.")


@topics.command(epilog=example("pipeline topics acls worker --namespace live", "pipeline topics acls | sh -e"))
@click.argument("process", required=False)
@click.option(
    "--command-config",
    default="admin.properties",
    show_default=True,
    metavar="FILE",
    help="How Kafka's tool reaches the brokers as a user who may grant.",
)
@pass_settings
def acls(settings: Settings, process: str | None, command_config: str) -> None:
    """Print the commands that give each process the permissions it needs, or those of one PROCESS.

    They are for Kafka's own kafka-acls.sh, and for users called NAMESPACE-PROCESS, such as live-worker.
    """
    from pipeline.kafka.acls import Process, commands

    known = [member.value for member in Process]
    if process is not None and process not in known:
        raise UserError(f"there is no process {process!r}: those that have a user are {', '.join(known)}")
    tool = ["kafka-acls.sh", "--bootstrap-server", settings.kafka.bootstrap_servers, "--command-config", command_config]
    for member in Process if process is None else [Process(process)]:
        for command in commands(settings.namespace.name, member, tool):
            click.echo(command)


def _kept(configs: Mapping[str, str]) -> str:
    if "retention.ms" not in configs:
        return "newest of each key"
    retention = int(configs["retention.ms"])
    return "ever" if retention < 0 else str(Millis(retention))
