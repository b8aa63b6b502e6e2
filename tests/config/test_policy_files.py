"""Policies as people write them: what holds for every site, what differs, and what is refused."""

from pathlib import Path

import msgspec
import pytest

from pipeline.config.errors import ConfigError
from pipeline.config.policy import decode_policy, encode_policy, load_policy


def policy_file(folder: Path, text: str) -> Path:
    file = folder / "policy.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_named_site_has_what_holds_for_every_site_and_what_it_says_otherwise(tmp_path: Path) -> None:
    policy = load_policy(
        policy_file(
            tmp_path,
            '[site."*".cart]\nsteps = ["3s", "6s"]\nmin_value = 7\n'
            '[site.my-shop]\ncurrency = "PLN"\n[site.my-shop.cart]\nmin_value = 9\n',
        )
    )
    assert policy.site("my-shop").cart.steps == (3_000, 6_000)
    assert (policy.site("my-shop").cart.min_value, policy.site("other").cart.min_value) == (9, 7)
    assert (policy.site("my-shop").currency, policy.site("other").currency) == ("PLN", "EUR")


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("site = 3", "site: write tables"),
        ("[shop.a]", "shop: unknown"),
        ('[site."Bad Site"]', "site.Bad Site"),
        ("[site.a.cart]\nstepz = 1", "site.a.cart"),
        ('[site.a]\ncurrency = "zzz"', "site.a.currency"),
        ("[site.a.rates]\nUSD = inf", "site.a.rates"),
        ('[site.a]\ntimezone = "Europe/Warsawa"', "site.a.timezone"),
        ('[site.a]\ntimezone = "Europe"', "site.a.timezone"),
        ('[site.a]\ntimezone = ""', "site.a.timezone"),
        ("[site.a]\ngo_live_at = 2027-01-15T09:00:00", "site.a.go_live_at"),
        ('[site.a.cart]\nsteps = ["1s", "99999999999999d"]', "site.a.cart.steps"),
        ('[site.a.cart]\nsteps = ["2s", "1s"]', "site.a.cart.steps"),
        ('[site.a.cart]\nexpires_after = "0s"', "site.a.cart.expires_after"),
    ],
)
def test_what_cannot_work_is_refused_with_the_site_and_the_key(tmp_path: Path, text: str, where: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load_policy(policy_file(tmp_path, text))
    assert where in str(refused.value)


def test_a_published_policy_with_a_time_that_cannot_be_stored_is_refused(tmp_path: Path) -> None:
    body = encode_policy(load_policy(policy_file(tmp_path, "")))
    assert decode_policy(body).sites.keys() == {"*"}
    with pytest.raises(msgspec.ValidationError, match="not between"):
        decode_policy(body.replace(b'"expires_after":259200000', b'"expires_after":8639999999999913600000'))
