"""Profiles: named sets of settings and a policy, each a TOML file beside the other in `profiles/`."""

from pathlib import Path
from typing import Any

from pipeline.config.settings import read_toml

PROFILES = ("dev",)

_FOLDER = Path(__file__).parent / "profiles"


def profile_settings(name: str) -> dict[str, Any]:
    """The settings of a profile of PROFILES as a TOML tree, to be overridden; `policy.file` is that of the profile."""
    tree = read_toml(_FOLDER / f"{name}.toml")
    return tree | {"policy": {"file": str(_FOLDER / f"{name}-policy.toml")}}
