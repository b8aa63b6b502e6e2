"""The `pipeline` command: its table of commands, its global options, and one line for an error a user can mend."""

import functools
import importlib
import importlib.metadata
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any, Concatenate, ParamSpec, TypeVar

import click
import msgspec

from pipeline.config.errors import UserError
from pipeline.config.profile import PROFILES, profile_settings
from pipeline.config.settings import NamespaceSettings, Settings, load_settings

P = ParamSpec("P")
R = TypeVar("R")

COMMANDS = {
    "demo": ("pipeline.cli.demo:demo", "Show the whole pipeline at work, and prove the result."),
    "up": ("pipeline.cli.up:up", "Run everything on this machine."),
    "broker": ("pipeline.cli.broker:broker", "Run a real Kafka on this machine."),
    "topics": ("pipeline.cli.topics:topics", "Create and check the topics of a namespace."),
    "config": ("pipeline.cli.config:config", "Show and check the settings."),
    "ingest": ("pipeline.cli.ingest:ingest", "Read the shop's topics into the log."),
    "worker": ("pipeline.cli.worker:worker", "Fold the log: keep customers, decide, write triggers."),
    "redis": ("pipeline.cli.redis:redis", "Run a real Valkey on this machine."),
    "serve": ("pipeline.cli.serve:serve", "Keep profiles and triggers in Redis, for downstream services."),
    "learner": ("pipeline.cli.learner:learner", "Learn from what came of each prediction, and publish models."),
    "models": ("pipeline.cli.models:models", "Show what was learned, and choose the version that is served."),
    "validate": ("pipeline.cli.validate:validate", "Check a file of events against the contract."),
    "send": ("pipeline.cli.send:send", "Publish a file of events."),
    "tail": ("pipeline.cli.tail:tail", "Follow triggers, decisions or rejects."),
    "doctor": ("pipeline.cli.doctor:doctor", "Judge what a site publishes."),
    "replay": ("pipeline.cli.replay:replay", "Stream a simulated shop or a public log into a namespace."),
    "import": ("pipeline.cli.import_:import_", "Load a shop's past orders into its live namespace."),
    "backtest": ("pipeline.cli.backtest:backtest", "Run a score's model over a log of the past."),
    "verify": ("pipeline.cli.verify:verify", "Prove that nothing was lost, doubled or changed."),
    "status": ("pipeline.cli.status:status", "Show how a namespace stands."),
    "policy": ("pipeline.cli.policy:policy", "Publish a policy, and show the one in force."),
    "rejects": ("pipeline.cli.rejects:rejects", "List, show and replay what was refused."),
    "why": ("pipeline.cli.why:why", "Tell one customer's story, and why they got what they got."),
    "schema": ("pipeline.cli.schema:schema", "Write or check the schemas of all topics."),
}
"""Name: where its click command is, and the line that `pipeline --help` shows. A module is imported when it is used."""

INTERRUPTED = 130
_GLOBAL_OPTIONS = ("--config", "--namespace", "--profile")


class Invocation:
    """The global options of this run of the command."""

    def __init__(self, config: Path | None, namespace: str | None, profile: str | None) -> None:
        self._config = config
        self._namespace = namespace
        self._profile = profile

    @functools.cached_property
    def settings(self) -> Settings:
        """Profile, or what runs in this folder; then file, environment, options: the last wins. Raises ConfigError."""
        if self._profile is not None:
            settings = load_settings(self._config, below=profile_settings(self._profile))
        else:
            settings = _settings_here(self._config)
        if self._namespace is None:
            return settings
        return msgspec.structs.replace(settings, namespace=NamespaceSettings(self._namespace))


def _settings_here(config: Path | None) -> Settings:
    """Where one pipeline with a Kafka of its own runs in this folder, that is meant, if nothing names another."""
    from pipeline.operate.here import running_here

    ours = [one for one in running_here() if one.bootstrap_servers]
    if len(ours) == 1:
        address = ours[0].bootstrap_servers
        below = {"kafka": {"bootstrap_servers": address}, "namespace": {"name": ours[0].namespace}}
        settings = load_settings(config, below=below)
        if settings.kafka.bootstrap_servers == address:
            return settings
    return load_settings(config)


def pass_settings(command: Callable[Concatenate[Settings, P], R]) -> Callable[P, R]:
    """Give the settings to a command as its first argument; they are read when it runs, so `--help` always works."""

    @functools.wraps(command)
    def with_settings(*args: P.args, **kwargs: P.kwargs) -> R:
        invocation = click.get_current_context().find_object(Invocation)
        if invocation is None:
            raise RuntimeError("pass_settings works below the `pipeline` group only")
        return command(invocation.settings, *args, **kwargs)

    return with_settings


def example(*lines: str) -> str:
    """The example at the end of a command's help: `@click.command(epilog=example("pipeline broker"))`."""
    return "\n".join(["\b", "Example:", *(f"  {line}" for line in lines)])


def _version(ctx: click.Context, _option: click.Parameter, asked: bool) -> None:
    if asked:
        compiled = importlib.import_module("pipeline.engine.build").COMPILED
        known = importlib.metadata.version("live-customer-pipeline")
        click.echo(f"pipeline, version {known}, engine {'compiled' if compiled else 'interpreted'}")
        ctx.exit()


class OneLine(click.ClickException):
    """A UserError as the command line shows it."""

    def show(self, file: IO[Any] | None = None) -> None:
        """Write it as one line, whatever it was made of."""
        click.echo(f"pipeline: {' '.join(self.message.split())}", file=file, err=file is None)


class PipelineGroup(click.Group):
    """Imports a command when it is used, takes global options at any place, and ends without tracebacks."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """In the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the command of this name."""
        if cmd_name not in COMMANDS:
            return None
        module, _, function = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), function)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Move the global options to the front, so that they may follow the command's name."""
        return super().parse_args(ctx, _globals_first(args))

    def invoke(self, ctx: click.Context) -> object:
        """Run, and turn a UserError into its one line, Ctrl-C into a quiet exit."""
        try:
            return super().invoke(ctx)
        except UserError as error:
            raise OneLine(str(error)) from error
        except KeyboardInterrupt:
            ctx.exit(INTERRUPTED)


@click.group(
    cls=PipelineGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
    epilog=example("pipeline broker &", "pipeline topics apply --mode live"),
)
@click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="PIPELINE_CONFIG",
    show_envvar=True,
    metavar="FILE",
    help="TOML file of settings. Without it: the defaults, and the environment.",
)
@click.option(
    "--namespace",
    metavar="NAME",
    help="Topic prefix to work in. Without it: that of the settings, else the one that runs in this folder.",
)
@click.option(
    "--profile",
    type=click.Choice(PROFILES),
    envvar="PIPELINE_PROFILE",
    show_envvar=True,
    help="Settings and a policy to start from. dev: namespace dev, cart steps after 20, 40 and 60 seconds.",
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version and exit."
)
@click.pass_context
def main(ctx: click.Context, config: Path | None, namespace: str | None, profile: str | None) -> None:
    """Live customer profiles and consented triggers from a shop's Kafka topics.

    --config, --namespace and --profile may stand before or after the command's name.
    """
    ctx.obj = Invocation(config, namespace, profile)


def _globals_first(args: Sequence[str]) -> list[str]:
    moved: list[str] = []
    rest: list[str] = []
    words = iter(args)
    for word in words:
        if word == "--":
            rest += [word, *words]
        elif word in _GLOBAL_OPTIONS:
            moved += [word, *(value for value in [next(words, None)] if value is not None)]
        elif word.startswith(tuple(f"{option}=" for option in _GLOBAL_OPTIONS)):
            moved.append(word)
        else:
            rest.append(word)
    return moved + rest
