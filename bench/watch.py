"""Sees each profile of a site the moment that it is written to Redis, by Redis's own notifications."""

import time

from redis.asyncio import Redis


class ProfileWatch:
    """`read` until cancelled; then ask what was seen."""

    def __init__(self, url: str, site: str) -> None:
        self._redis = Redis.from_url(url, decode_responses=True)
        self._pattern = f"__keyspace@*__:profile:*:{site}:*"
        self._seen: dict[str, list[float]] = {}

    async def read(self) -> None:
        """Note when the profile of whom is written."""
        await self._redis.config_set("notify-keyspace-events", "KA")
        async with self._redis.pubsub() as channel:
            await channel.psubscribe(self._pattern)
            async for message in channel.listen():
                if message["type"] == "pmessage":
                    name = message["channel"].rpartition(":")[2]
                    self._seen.setdefault(name, []).append(time.time() * 1000)

    def written(self, began: dict[str, float]) -> dict[str, float]:
        """When the profile of each was written first after the given time, by person."""
        found = {
            name: next((at for at in self._seen.get(name, ()) if at > time_), None) for name, time_ in began.items()
        }
        return {name: at for name, at in found.items() if at is not None}
