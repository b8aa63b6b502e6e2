"""What became of the lines of a file: how many were read, and which could not be used, by reason."""

from msgspec import Struct, field

FIRST = 3
"""Numbers of lines that are shown of each reason."""


class Unused(Struct):
    """Lines that could not be used for one reason: how many, and the first of their numbers."""

    lines: int = 0
    first: list[int] = field(default_factory=list)


class Tally(Struct):
    """Counts of one reading. `line` is the number of the line that is being read, `header` how many are no data.

    `cut` counts the lines that are in the value of their order but not among its items.
    """

    line: int = 0
    header: int = 0
    unused: dict[str, Unused] = field(default_factory=dict)
    cut: int = 0

    def refuse(self, reason: str, *lines: int) -> None:
        """Count lines as not used."""
        unused = self.unused.setdefault(reason, Unused())
        unused.lines += len(lines)
        if len(unused.first) < FIRST:
            unused.first = [*unused.first, *lines][:FIRST]

    @property
    def lines(self) -> int:
        """Lines of data read so far."""
        return self.line - self.header

    @property
    def refused(self) -> int:
        """Lines not used, for whatever reason."""
        return sum(unused.lines for unused in self.unused.values())
