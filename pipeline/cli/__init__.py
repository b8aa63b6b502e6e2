"""The cli room: the `pipeline` command. Each command has a file here and a line in `COMMANDS` of main.py."""

from pipeline.cli.main import main

__all__ = ["main"]
