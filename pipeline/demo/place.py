"""Where the demonstration runs: ports, folders and a policy of its own, so that it touches nobody's namespace."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from msgspec.structs import replace

from pipeline.config.settings import BrokerSettings, NamespaceSettings, PolicySettings, RedisSettings, Settings
from pipeline.local.ports import free_port

FOLDER = Path(".pipeline/demo")
NAMESPACE = "demo"


def clear() -> None:
    """Empty the folder of what an earlier demonstration left."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)


def demo_settings(settings: Settings, currencies: Mapping[str, str]) -> Settings:
    """Settings of a demonstration of some sites: folders of its own, free ports, a policy in each site's currency."""
    policy = FOLDER / "policy.toml"
    tables = (f'[site.{site}]\ncurrency = "{currency}"\n' for site, currency in currencies.items())
    policy.write_text("\n".join(tables), encoding="utf-8")
    return replace(
        settings,
        namespace=NamespaceSettings(NAMESPACE),
        broker=BrokerSettings(data_dir=str(FOLDER / "broker"), port=free_port()),
        redis=RedisSettings(port=free_port()),
        worker=replace(settings.worker, data_dir=str(FOLDER / "worker")),
        policy=PolicySettings(file=str(policy)),
    )
