"""Status reads what stands in the changelog: positions, clocks, and what holds them back."""

import asyncio
from collections.abc import Callable

import pytest
from click.testing import CliRunner

from pipeline.cli import main
from pipeline.config.errors import UserError
from pipeline.config.namespace import Mode
from pipeline.config.settings import Settings
from pipeline.kafka.topics import apply
from pipeline.operate.status import read_status
from pipeline.triggers.contract import ENGINE_VERSION
from tests.verify.histories import MINUTE, START, Tampering, write_history

SettingsOf = Callable[..., Settings]


def test_a_namespace_at_rest(settings_of: SettingsOf) -> None:
    settings = settings_of()
    asyncio.run(write_history(settings, Tampering(unfolded=1)))
    status = asyncio.run(read_status(settings))
    assert [p.behind for p in status.partitions] == [1, 1]
    assert [p.clock for p in status.partitions] == [START + 35 * MINUTE] * 2
    assert [p.clock_lag for p in status.partitions] == [None, None]
    assert sum(p.customers for p in status.partitions) == 30
    assert {p.engine for p in status.partitions} == {ENGINE_VERSION}
    assert not any(p.unreported for p in status.partitions)
    assert all(source.behind == 0 for source in status.sources)
    assert next(s.records for s in status.sources if s.topic == "shop.carts") > 30


def test_a_new_namespace_waits_for_all_its_sources(settings_of: SettingsOf) -> None:
    settings = settings_of()
    asyncio.run(apply(settings, Mode.LIVE))
    status = asyncio.run(read_status(settings))
    assert all(p.unreported and len(p.waits_for) == 10 and p.clock is None for p in status.partitions)
    environment = {"KAFKA_BOOTSTRAP_SERVERS": settings.kafka.bootstrap_servers}
    shown = CliRunner().invoke(main, ["status", "--namespace", settings.namespace.name], env=environment)
    assert shown.exit_code == 0, shown.output
    assert "shop.clicks-0, shop.clicks-1 and 8 more: no report yet" in shown.output


def test_a_namespace_that_is_not_there_is_a_user_error(settings_of: SettingsOf) -> None:
    with pytest.raises(UserError, match="does not exist"):
        asyncio.run(read_status(settings_of()))
