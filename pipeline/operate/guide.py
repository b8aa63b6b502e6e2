"""What one can do with a pipeline that runs on this machine: where it is, and what to try first."""

from collections.abc import Sequence

from pipeline.config.namespace import HISTORY, Mode, Namespace
from pipeline.config.policy import ANY_SITE, Policy
from pipeline.config.settings import Settings
from pipeline.events import TOPIC_EVENTS
from pipeline.kafka.topics import read_namespace
from pipeline.operate.control import published_policy
from pipeline.operate.programs import Kafka, Program
from pipeline.operate.status import read_status


async def decides(settings: Settings) -> bool:
    """Whether every partition's clock has started: what is published from now on is folded, and comes due.

    In a namespace that is not live the data tell the time: there it is always so. Raises UserError.
    """
    status = await read_status(settings)
    return status.mode != Mode.LIVE or all(partition.clock for partition in status.partitions)


async def guide(settings: Settings, kafka: Kafka, found: Sequence[Program]) -> list[str]:
    """The lines that say where everything is and what to try. Raises UserError."""
    namespace = await read_namespace(settings)
    policy = await published_policy(settings) or Policy()
    return [
        f"Namespace {namespace.name} ({namespace.mode}) is ready on Kafka at {settings.kafka.bootstrap_servers}.",
        f"  publish to  {_topics(namespace)}",
        *_first_steps(namespace, policy, kafka),
        f"  profiles    {settings.redis.url}",
        *_metrics(settings, found),
        "Ctrl-C stops it.",
    ]


def _topics(namespace: Namespace) -> str:
    first, *others = [topic for topic in TOPIC_EVENTS if topic != HISTORY]
    return ", ".join([namespace.topic(first), *(f".{topic.rpartition('.')[2]}" for topic in others)])


def _first_steps(namespace: Namespace, policy: Policy, kafka: Kafka) -> list[str]:
    """Commands for another terminal. Where the Kafka is ours, they find it and the namespace by the folder."""
    if namespace.mode is not Mode.LIVE:
        return [f"  fill it     pipeline replay simulated --namespace {namespace.name}"]
    where = "" if kafka is Kafka.OURS else f" --namespace {namespace.name}"
    step = policy.site(ANY_SITE).cart.steps[0]
    return [
        "  try, in another terminal in this folder:",
        f"    pipeline tail triggers{where}",
        f"    pipeline send examples/first-cart.jsonl{where}   the cart's trigger comes {step} later",
        f"    pipeline send examples/first-order.jsonl{where}  it is cancelled",
    ]


def _metrics(settings: Settings, found: Sequence[Program]) -> list[str]:
    ports = {program.name: _port(settings, program) for program in found}
    return [
        f"  metrics     http://{settings.metrics.host}:{port}/metrics  {name}" for name, port in ports.items() if port
    ]


def _port(settings: Settings, program: Program) -> int:
    own = dict(program.environment).get("PIPELINE_METRICS_WORKER_PORT")
    return int(own) if own is not None else int(getattr(settings.metrics, f"{program.name}_port", 0))
