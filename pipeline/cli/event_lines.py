"""How lines of a file of events are told to people: what is wrong with each, and how it should be."""

import time
from typing import IO
from uuid import uuid4

import click

from pipeline.quality.line import EventLine, example_for, read_lines


class Report:
    """Prints what is wrong with lines as they come, and counts them."""

    def __init__(self) -> None:
        self.lines = self.bad = self.warnings = self.completed = 0
        self._shown: set[str] = set()

    def add(self, line: EventLine) -> None:
        """Count a line, and print what is to be said about it. An example comes with the first bad line of a type."""
        self.lines += 1
        self.completed += line.completed
        self.warnings += len(line.warnings)
        if line.problem is not None:
            self.bad += 1
            field, expected, got = line.problem
            click.echo(f"line {line.number}: {field}: expected {expected}; got {got}")
        for warning in line.warnings:
            click.echo(f"line {line.number}: warning: {warning}")
        if line.problem is not None and (example := example_for(line)) is not None and example not in self._shown:
            self._shown.add(example)
            click.echo(f"  for example {example}")

    def summary(self) -> str:
        """How many there were of what."""
        parts = [f"{self.lines:,} lines", f"{self.lines - self.bad:,} valid", f"{self.bad:,} bad"]
        if self.warnings:
            parts.append(f"{self.warnings:,} warnings")
        return ", ".join(parts) + "."


def read_events(file: IO[bytes], report: Report) -> list[EventLine]:
    """Read a file of events to its end, and report on each. Times that are relative are so to now."""
    found = []
    for line in read_lines(file, time.time_ns() // 1_000_000, lambda: uuid4().hex):
        report.add(line)
        found.append(line)
    return found
