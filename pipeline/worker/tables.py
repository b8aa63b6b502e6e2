"""A table manager that keeps the customers' changelog out of Faust's own recovery.

Faust compares its offset with the high watermark less one; on a changelog written in transactions the last offset is a
marker, and it would wait for ever. The runners restore instead.
"""

import faust.tables


class TableManager(faust.tables.TableManager):  # type: ignore[misc]  # faust has no types
    """Registers tables, and hands none of their changelogs to recovery."""

    def add(self, table: faust.Table) -> faust.Table:
        """Register a table."""
        self[table.name] = table
        return table

    async def on_start(self) -> None:
        """Register at once. Faust waits a second first, for tables that are declared late; ours is there."""
        if not self.should_stop:
            await self._update_channels()
            await self.recovery.start()

    async def _update_channels(self) -> None:
        self._tables_finalized.set()
        for table in self.values():
            await table.maybe_start()
        self._tables_registered.set()
