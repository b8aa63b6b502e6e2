"""What verify found: counts for each part, and the first differences. Never a customer's identity."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

SHOWN = 20
"""Differences of a part that are described; all are counted."""


class Finding(StrEnum):
    """A kind of difference."""

    MISSING = "missing"
    DOUBLED = "doubled"
    DIFFERENT = "different"
    UNEXPECTED = "unexpected"


@dataclass
class Part:
    """One part of the judgement. `equal` counts what is as it must be, `not_judged` what cannot be told."""

    name: str
    equal: int = 0
    not_judged: int = 0
    beyond: int = 0
    """Outputs of frames after the position that was judged."""
    found: Counter[Finding] = field(default_factory=Counter)
    first: list[str] = field(default_factory=list)

    def differ(self, finding: Finding, what: str) -> None:
        """Count a difference, and describe it if it is among the first."""
        self.found[finding] += 1
        if len(self.first) < SHOWN:
            self.first.append(f"{self.name}: {finding.value}: {what}")


@dataclass
class Report:
    """The judgement of a namespace. `earlier` counts the differences that kept runs before this one had found."""

    parts: dict[str, Part] = field(default_factory=dict)
    events: int = 0
    frames: int = 0
    seconds: float = 0.0
    earlier: int = 0

    def part(self, name: str) -> Part:
        """The part of that name, new if need be."""
        return self.parts.setdefault(name, Part(name))

    @property
    def differences(self) -> int:
        """All differences of this run."""
        return sum(part.found.total() for part in self.parts.values())

    @property
    def clean(self) -> bool:
        """Whether nothing differs, now or in the kept runs before."""
        return not self.differences and not self.earlier

    def first(self) -> Iterator[str]:
        """The first differences of each part, one line each."""
        for part in self.parts.values():
            yield from part.first
