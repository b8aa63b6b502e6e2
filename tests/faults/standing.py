"""Where the partitions of a namespace stand, as the changelog and the log say."""

from typing import Any, NamedTuple, Self

from aiokafka import TopicPartition

from pipeline.config.namespace import CHANGELOG, LOG
from pipeline.config.settings import Settings
from pipeline.kafka.clients import reader
from pipeline.state.partition import CLOCK_KEY, POSITION_KEY, decode_clock, decode_position


class Standing(NamedTuple):
    """Where the partitions of the log stand, by number."""

    positions: dict[int, int]
    clocks: dict[int, int]
    ends: dict[int, int]

    def at_end(self, clock: int) -> bool:
        return all(
            self.positions.get(p) == end and self.clocks.get(p, 0) >= clock and end > 0 for p, end in self.ends.items()
        )


class Watcher:
    """Follows the changelog of a namespace."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._context = reader(settings)
        self._positions: dict[int, int] = {}
        self._clocks: dict[int, int] = {}

    async def __aenter__(self) -> Self:
        self._consumer = await self._context.__aenter__()
        name, count = self._settings.namespace.name, self._settings.topics.partitions
        self._changelog = [TopicPartition(f"{name}.{CHANGELOG}", p) for p in range(count)]
        self._log = [TopicPartition(f"{name}.{LOG}", p) for p in range(count)]
        self._consumer.assign(self._changelog)
        await self._consumer.seek_to_beginning(*self._changelog)
        return self

    async def __aexit__(self, *error: Any) -> None:
        await self._context.__aexit__(*error)

    async def look(self) -> Standing:
        ends = await self._consumer.end_offsets(self._log + self._changelog)
        while True:
            for place, batch in (await self._consumer.getmany(timeout_ms=50)).items():
                for record in batch:
                    if record.key == POSITION_KEY:
                        self._positions[place.partition] = decode_position(record.value).offset
                    elif record.key == CLOCK_KEY:
                        self._clocks[place.partition] = decode_clock(record.value).now
            if all([await self._consumer.position(place) >= ends[place] for place in self._changelog]):
                return Standing(
                    dict(self._positions), dict(self._clocks), {place.partition: ends[place] for place in self._log}
                )
