"""A broker that goes away in the middle of an import, and comes back."""

import asyncio
import os
import signal
from datetime import UTC
from pathlib import Path

import pytest

from pipeline.config.errors import UserError
from pipeline.config.namespace import Mode
from pipeline.config.settings import KafkaSettings, NamespaceSettings, Settings, TopicSettings
from pipeline.history import publish as publishing
from pipeline.history.amounts import Times
from pipeline.history.files import open_orders
from pipeline.history.publish import live_namespace, publish
from pipeline.kafka.broker import start_broker
from pipeline.kafka.topics import apply
from pipeline.local.ports import free_port
from tests.history.reading import at
from tests.history.test_order_lines import HEADER, LINE, file

ORDERS = 3_000


def test_an_import_ends_in_one_line_and_goes_on_when_it_is_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "PATIENCE", 2.0)
    monkeypatch.setattr(publishing, "STOP_PATIENCE", 0.5)
    lines = (LINE.replace("o1", f"o{number}") for number in range(ORDERS))
    orders = open_orders(str(file(tmp_path, *lines, header=HEADER)), "shop", Times(UTC, at("2026-01-01T00:00:00Z")))
    with start_broker(tmp_path / "kafka", free_port()) as broker:
        settings = Settings(
            kafka=KafkaSettings(bootstrap_servers=broker.bootstrap_servers),
            namespace=NamespaceSettings("live"),
            topics=TopicSettings(partitions=2),
        )
        asyncio.run(apply(settings, Mode.LIVE))
        namespace = asyncio.run(live_namespace(settings))
        with pytest.raises(UserError, match="start the import again, and it goes on from there"):
            asyncio.run(publish(settings, namespace, orders, lambda _: os.kill(broker.process.pid, signal.SIGSTOP)))
        os.kill(broker.process.pid, signal.SIGCONT)
        first = asyncio.run(publish(settings, namespace, orders))
        again = asyncio.run(publish(settings, namespace, orders))
    assert first.written + first.known == ORDERS
    assert (again.written, again.known) == (0, ORDERS)
