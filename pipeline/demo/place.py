"""Where the demonstration runs: ports, folders and a policy of its own, so that it touches nobody's namespace."""

import shutil
from pathlib import Path

from msgspec.structs import replace

from pipeline.config.settings import BrokerSettings, NamespaceSettings, PolicySettings, RedisSettings, Settings
from pipeline.kafka.broker import free_port

FOLDER = Path(".pipeline/demo")
NAMESPACE = "demo"
LOG_CURRENCY = "USD"
"""Amounts of the public logs."""


def demo_settings(settings: Settings, site: str, currency: str) -> Settings:
    """Settings of a fresh demonstration of one site: empty folders, free ports, and a policy in the site's currency."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    policy = FOLDER / "policy.toml"
    policy.write_text(f'[site.{site}]\ncurrency = "{currency}"\n', encoding="utf-8")
    return replace(
        settings,
        namespace=NamespaceSettings(NAMESPACE),
        broker=BrokerSettings(data_dir=str(FOLDER / "broker"), port=free_port()),
        redis=RedisSettings(port=free_port()),
        worker=replace(settings.worker, data_dir=str(FOLDER / "worker")),
        policy=PolicySettings(file=str(policy)),
    )
