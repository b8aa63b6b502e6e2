"""The files in deploy/ that a shop starts from."""

import re
from pathlib import Path

import msgspec

from pipeline.config.policy import Policy, SitePolicy, encode_policy, load_policy
from pipeline.config.settings import load_settings

DEPLOY = Path(__file__).parents[2] / "deploy"


def test_the_example_settings_are_valid_and_name_a_valid_policy() -> None:
    settings = load_settings(DEPLOY / "settings.toml", {})
    assert settings.topics.replication_factor == 3
    assert load_policy(DEPLOY.parent / settings.policy.file).sites.keys() == {"*", "my-shop"}


def test_the_example_policy_leaves_the_defaults_of_every_site_as_they_are() -> None:
    assert load_policy(DEPLOY / "policy.toml").sites["*"] == SitePolicy()


def test_the_example_policy_shows_every_key_and_its_comments_are_the_defaults(tmp_path: Path) -> None:
    text = (DEPLOY / "policy.toml").read_text(encoding="utf-8")
    written = re.sub(r"^# (?=\w+ = )", "", text, flags=re.MULTILINE)
    file = tmp_path / "policy.toml"
    file.write_text(written, encoding="utf-8")
    assert load_policy(file).sites["*"] == SitePolicy()
    site = msgspec.json.decode(encode_policy(Policy()))["sites"]["*"]
    keys = site.keys() | {key for table in site.values() if isinstance(table, dict) for key in table}
    assert {key for key in keys if not re.search(rf"\b{key}( = |\]|\.)", written)} == set()
