"""`pipeline policy`: put a policy in force, and see which one is."""

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from pipeline.cli.main import example, pass_settings
from pipeline.config.errors import UserError
from pipeline.config.settings import Settings


@click.group(
    short_help="Publish a policy, and show the one in force.",
    epilog=example("pipeline policy publish policy.toml", "pipeline policy show"),
)
def policy() -> None:
    """Publish a policy, and show the one in force."""


@policy.command(epilog=example("pipeline policy show --namespace live > policy.toml"))
@pass_settings
def show(settings: Settings) -> None:
    """Show the policy in force, as the TOML file that would publish it."""
    import msgspec

    from pipeline.config.policy import Policy, encode_policy, policy_version
    from pipeline.operate.control import published_policy

    found = asyncio.run(published_policy(settings))
    rules = Policy() if found is None else found
    version = "the defaults: none was published" if found is None else f"version {policy_version(encode_policy(rules))}"
    click.echo(f"# Policy of namespace {settings.namespace.name}, {version}.")
    for line in _toml(("site",), msgspec.to_builtins(rules.sites, enc_hook=str)):
        click.echo(line)


@policy.command(epilog=example("pipeline policy publish policy.toml --namespace live"))
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), required=False)
@pass_settings
def publish(settings: Settings, file: Path | None) -> None:
    """Put the policy of FILE in force, or that of the settings' policy.file; writes nothing where it is already.

    It holds for what is decided from then on; a replay of the log decides by the policy that stood at the time.
    """
    from pipeline.config.policy import encode_policy, load_policy, other_currencies, policy_version
    from pipeline.operate.control import publish_policy

    if file is None and not settings.policy.file:
        raise UserError("name the policy's FILE, or set policy.file")
    rules = load_policy(file or Path(settings.policy.file))
    version = policy_version(encode_policy(rules))
    written, before = asyncio.run(publish_policy(settings, rules))
    if written:
        click.echo(f"Policy {version} is in force in namespace {settings.namespace.name}.")
        for site, was, now in [] if before is None else other_currencies(before, rules):
            click.echo(
                f"pipeline: the base currency of site {site} was {was} and is {now}: what was summed up so far is not "
                f"converted, and counts as {now}",
                err=True,
            )
    else:
        click.echo(f"Policy {version} was in force already.")


def _toml(path: tuple[str, ...], tree: Mapping[str, Any]) -> Iterator[str]:
    """A tree of tables and plain values as TOML."""
    plain = {key: value for key, value in tree.items() if not isinstance(value, Mapping)}
    if plain:
        yield f"\n[{'.'.join(map(_key, path))}]"
    for key, value in plain.items():
        if value is not None:
            yield f"{_key(key)} = {_value(value)}"
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _toml((*path, key), value)


def _key(key: str) -> str:
    return key if key.replace("-", "").replace("_", "").isalnum() and key.isascii() else _value(key)


def _value(value: object) -> str:
    import json

    return json.dumps(value, ensure_ascii=False)  # of plain values and lists, TOML is the same
