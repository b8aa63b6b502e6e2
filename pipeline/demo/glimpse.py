"""A look into the Redis view, as a downstream service takes it."""

import asyncio

import msgspec

from pipeline.config.errors import UserError
from pipeline.config.settings import Settings
from pipeline.kafka.topics import read_namespace
from pipeline.serve.keys import profile_key
from pipeline.serve.view import open_view


async def profile_in_redis(settings: Settings, person: str) -> tuple[str, str]:
    """`(key, JSON)` of a person's profile, a line a field. Raises UserError where Redis is missing or has none."""
    namespace = await read_namespace(settings)
    key = profile_key(namespace.name, person)
    async with open_view(settings.redis, namespace, asyncio.Event()) as view:
        [value] = await view.values([key])
    if value is None:
        raise UserError(f"Redis at {settings.redis.place()} has no profile for somebody whom the log knows")
    fields = msgspec.json.decode(value, type=dict[str, msgspec.Raw])
    return key, "{\n" + ",\n".join(f'  "{name}": {bytes(field).decode()}' for name, field in fields.items()) + "\n}"
