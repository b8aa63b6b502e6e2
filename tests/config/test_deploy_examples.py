"""The files in deploy/ that a shop starts from."""

from pathlib import Path

from pipeline.config.policy import load_policy
from pipeline.config.settings import load_settings

DEPLOY = Path(__file__).parents[2] / "deploy"


def test_the_example_settings_are_valid_and_name_a_valid_policy() -> None:
    settings = load_settings(DEPLOY / "settings.toml", {})
    assert settings.topics.replication_factor == 3
    assert load_policy(DEPLOY.parent / settings.policy.file).sites.keys() == {"*", "my-shop"}


def test_the_example_policy_leaves_the_defaults_of_every_site_as_they_are() -> None:
    from pipeline.config.policy import SitePolicy

    assert load_policy(DEPLOY / "policy.toml").sites["*"] == SitePolicy()
