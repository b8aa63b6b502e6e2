"""What the files in deploy/ may name: our settings' environment variables, and where the repository is."""

import re
from pathlib import Path

import msgspec

from pipeline.cli.config import environment_variable
from pipeline.config.settings import Settings

ROOT = Path(__file__).parents[2]
ELSEWHERE = {"PIPELINE_CONFIG"}
"""Variables that are no settings: options of the command itself."""


def settings_variables() -> set[str]:
    sections = msgspec.structs.fields(Settings)
    keys = [(section.name, key.name) for section in sections for key in msgspec.structs.fields(section.type)]
    return {environment_variable(section, key) for section, key in keys} | ELSEWHERE


def pinned(image: str) -> bool:
    """Whether an image has a tag that names one release."""
    return re.search(r":[^/:]*\d\.\d[^/:]*$", image) is not None
