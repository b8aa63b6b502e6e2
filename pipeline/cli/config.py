"""`pipeline config`: what the settings are, where each can be set, and whether they are right."""

from collections.abc import Iterator
from typing import Annotated, get_args, get_origin, get_type_hints

import click
import msgspec

from pipeline.cli.main import example, pass_settings
from pipeline.cli.output import print_table
from pipeline.config.durations import Millis
from pipeline.config.settings import Settings

SECRETS = ("kafka.sasl_password",)


@click.group(short_help="Show and check the settings.", epilog=example("pipeline --config shop.toml config show"))
def config() -> None:
    """Show and check the settings."""


@config.command(epilog=example("pipeline --config shop.toml config show"))
@pass_settings
def show(settings: Settings) -> None:
    """Show every setting: its key in the TOML file, its value, its environment variable, what it means."""
    print_table(
        ("key", "value", "environment", "meaning"),
        ((key, "***" if key in SECRETS and value else value, env, what) for key, value, env, what in _rows(settings)),
    )


@config.command(epilog=example("pipeline --config shop.toml config check"))
@pass_settings
def check(settings: Settings) -> None:
    """Check the settings and the policy without connecting to anything; exit code 1 where something is wrong."""
    import os
    from pathlib import Path

    from pipeline.config.namespace import Mode, new_namespace
    from pipeline.config.policy import load_policy
    from pipeline.config.settings import unknown_variables
    from pipeline.kafka.clients import connection
    from pipeline.serve.view import client

    connection(settings.kafka)
    if settings.redis.url:
        client(settings.redis, "check")
    new_namespace(settings.namespace.name, Mode.LIVE, settings.topics.partitions)
    if settings.policy.file:
        load_policy(Path(settings.policy.file))
    for name in unknown_variables(os.environ):
        click.echo(f"pipeline: no setting is named {name}", err=True)
    click.echo(f"The settings are valid{', and so is the policy' if settings.policy.file else ''}.")


def environment_variable(section: str, key: str) -> str:
    """The variable that sets `<section>.<key>`."""
    if (section, key) == ("redis", "url"):
        return "REDIS_URL"
    return f"KAFKA_{key}".upper() if section == "kafka" else f"PIPELINE_{section}_{key}".upper()


def _rows(settings: Settings) -> Iterator[tuple[str, str, str, str]]:
    for section in msgspec.structs.fields(settings):
        values = getattr(settings, section.name)
        for key, hint in get_type_hints(type(values), include_extras=True).items():
            value = getattr(values, key)
            shown = value if isinstance(value, str) else str(value) if isinstance(value, Millis) else repr(value)
            if (section.name, key) == ("redis", "url"):
                shown = settings.redis.place()
            yield f"{section.name}.{key}", shown, environment_variable(section.name, key), _description(hint)


def _description(hint: object) -> str:
    if get_origin(hint) is not Annotated:
        return ""
    return next((meta.description or "" for meta in get_args(hint)[1:] if isinstance(meta, msgspec.Meta)), "")
