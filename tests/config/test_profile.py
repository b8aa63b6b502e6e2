"""A profile is where the settings start; file and environment override it, and its policy can be published."""

from pathlib import Path

import pytest

from pipeline.config.policy import load_policy
from pipeline.config.profile import PROFILES, profile_settings
from pipeline.config.settings import load_settings


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_is_valid_settings_with_a_valid_policy(name: str) -> None:
    settings = load_settings(None, {}, profile_settings(name))
    assert settings.namespace.name == name
    load_policy(Path(settings.policy.file))


def test_dev_decides_while_one_watches_and_holds_nothing_for_the_lack_of_orders() -> None:
    site = load_policy(Path(profile_settings("dev")["policy"]["file"])).site("my-shop")
    assert [str(step) for step in site.cart.steps] == ["20s", "40s", "1m"]
    assert site.order.silent_after > site.cart.expires_after * 1_000


def test_file_and_environment_override_a_profile_key_by_key(tmp_path: Path) -> None:
    file = tmp_path / "shop.toml"
    file.write_text('[ingest]\ntick_interval = "50ms"\n')
    settings = load_settings(file, {"PIPELINE_NAMESPACE_NAME": "mine"}, profile_settings("dev"))
    assert (str(settings.ingest.tick_interval), str(settings.ingest.watermark_slack)) == ("50ms", "200ms")
    assert (settings.namespace.name, settings.topics.partitions) == ("mine", 2)
