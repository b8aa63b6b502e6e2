"""An operator's hand: a version pinned, gone back to, or the newest served again."""

from aiokafka import AIOKafkaProducer

from pipeline.config.errors import UserError
from pipeline.config.namespace import MODELS, Namespace
from pipeline.config.settings import Settings
from pipeline.heads.table import SPECS
from pipeline.kafka.clients import ANSWER_TIMEOUT_MS, connection, kafka_errors, reader
from pipeline.kafka.counts import require_topics
from pipeline.kafka.topics import read_namespace
from pipeline.learner.records import FORMAT, Pin, encode
from pipeline.learner.shelf import HeadShelf, Shelf, accepted, read_shelf, refusal
from pipeline.learner.standing import PATIENCE, last_better
from pipeline.log.models import pin_key, served_key

Record = tuple[bytes, bytes | None]


async def published(settings: Settings) -> Shelf:
    """What the models topic holds now. Raises UserError."""
    return (await _read(settings))[1]


def head_of(shelf: Shelf, head: str) -> HeadShelf:
    """What there is of a head. Raises UserError where there is nothing."""
    if head not in shelf.heads():
        known = ", ".join(shelf.heads())
        others = f": those are {known}" if known else " yet: the learner has published nothing"
        raise UserError(f"there is no model of {head!r}{others}")
    return shelf.head(head)


async def pin(settings: Settings, head: str, version: int) -> None:
    """Have a kept version served, and no newer one. Holds at once, whether the learner runs or not. Raises UserError.

    The pin and the snapshot go to the topic together: from there ingest takes the snapshot to the log, and the learner
    leaves it alone. A newer one that the learner publishes this very moment is put right by its next look at the topic.
    A version that workers refuse is not pinned: they would stay with what they have.
    """
    namespace, shelf = await _read(settings)
    found = head_of(shelf, head)
    if version not in found.kept:
        raise UserError(f"version {version} of {head} is not kept: those are {_listed(found)}")
    kept = found.kept[version]
    if (refused := refusal(kept.snapshot, SPECS.get(head))) is not None:
        others = ", ".join(map(str, sorted(accepted(found.kept, SPECS.get(head)))))
        instead = f"they would take {others}" if others else "they would take none that is kept"
        raise UserError(f"{refused}: workers refuse it (model_{refused.reason}), nothing was pinned; {instead}")
    records: list[Record] = [(pin_key(head), encode(Pin(FORMAT, version))), (served_key(head), kept.body)]
    await _write(settings, namespace, records)


async def unpin(settings: Settings, head: str) -> None:
    """End a pin: the learner publishes the newest version as soon as it runs. Raises UserError where there is none."""
    namespace, shelf = await _read(settings)
    if not head_of(shelf, head).pin:
        raise UserError(f"no version of {head} is pinned")
    await _write(settings, namespace, [(pin_key(head), None)])


async def version_before(settings: Settings, head: str) -> int:
    """The newest kept version before the served one that is proven better than the base rate. Raises UserError."""
    found = head_of(await published(settings), head)
    served = found.served.snapshot.version if found.served else 0
    qualities = accepted(found.kept, SPECS.get(head))
    before = last_better({version: quality for version, quality in qualities.items() if version < served})
    if not before:
        raise UserError(
            f"{head} has no kept version before {served} that beats the base rate over {PATIENCE:,} examples: it has "
            f"{_listed(found)}; `pipeline models list` shows how well they do, `--to` takes one of them"
        )
    return before


def _listed(found: HeadShelf) -> str:
    return ", ".join(map(str, sorted(found.kept))) or "none"


async def _read(settings: Settings) -> tuple[Namespace, Shelf]:
    namespace = await read_namespace(settings)
    await require_topics(settings, namespace, [MODELS])
    async with reader(settings) as consumer:
        return namespace, (await read_shelf(consumer, namespace))[0]


async def _write(settings: Settings, namespace: Namespace, records: list[Record]) -> None:
    """All in one batch: the broker takes it as a whole."""
    producer = AIOKafkaProducer(
        **connection(settings.kafka),
        request_timeout_ms=ANSWER_TIMEOUT_MS,
        acks="all",
        enable_idempotence=True,
        max_batch_size=1024 * 1024,
        max_request_size=4 * 1024 * 1024,
    )
    with kafka_errors(settings):
        try:
            await producer.start()
            batch = producer.create_batch()
            for key, value in records:
                if batch.append(key=key, value=value, timestamp=None) is None:
                    raise UserError("the snapshot is larger than a batch of Kafka")
            batch.close()
            await (await producer.send_batch(batch, namespace.topic(MODELS), partition=0))
        finally:
            await producer.stop()
