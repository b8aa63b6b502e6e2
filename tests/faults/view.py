"""A look of our own at what Redis has: nothing of it is shared with `serve`."""

import json
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from aiokafka import ConsumerRecord
from redis import Redis

CANCELLED = "cancelled"
CLOSE = 10.0
"""Seconds: a trigger that expires this close to now is not judged."""


def versions(changelog: Iterable[ConsumerRecord]) -> list[int]:
    """The offsets behind the last row of each person whom the changelog has, ascending."""
    newest = {record.key: record for record in changelog if not record.key.startswith(b"\0")}
    return sorted(record.offset + 1 for record in newest.values() if record.value is not None)


def versions_in_redis(url: str, namespace: str) -> list[int]:
    """The same, of the profiles."""
    with Redis.from_url(url) as redis:
        keys = list(redis.scan_iter(f"profile:{namespace}:*", count=1_000))
        profiles = redis.mget(keys) if keys else []
    return sorted(int(json.loads(profile)["version"].partition("-")[2]) for profile in profiles)


def scored_in_redis(url: str, namespace: str) -> Counter[tuple[str, int]]:
    """How many profiles have a score, by head and the version of its snapshot."""
    heads = {"intent": "intent", "cart": "cart", "reorder": "reorder", "expected": "count"}
    with Redis.from_url(url) as redis:
        keys = list(redis.scan_iter(f"profile:{namespace}:*", count=1_000))
        profiles = redis.mget(keys) if keys else []
    scores = [json.loads(profile).get("scores", {}) for profile in profiles]
    return Counter((heads[name], one["version"]) for said in scores for name, one in said.items() if name in heads)


def told_of_triggers(url: str, triggers: Iterable[Mapping[str, Any]]) -> Counter[str]:
    """Ask for each trigger, as a sender does: is it active, cancelled, expired? All answers must be right.

    Returns how many are active, by kind, and how many are cancelled.
    """
    now = time.time()
    wanted: dict[str, str | None] = {}
    kinds: dict[str, str] = {}
    for trigger in triggers:
        data = trigger["data"]
        left = datetime.fromisoformat(data["expires_at"]).timestamp() - now
        key = f"trigger:{data['trigger_id']}"
        if left <= 0:
            wanted[key] = None
        elif ".cancelled." in trigger["type"]:
            wanted[key] = CANCELLED
        else:
            wanted.setdefault(key, "active")
        if abs(left) < CLOSE:
            del wanted[key]
        kinds[key] = data["kind"]
    with Redis.from_url(url, decode_responses=True) as redis:
        found = dict(zip(wanted, redis.mget(list(wanted)), strict=True)) if wanted else {}
    wrong = {key: (found[key], state) for key, state in wanted.items() if found[key] != state}
    assert not wrong, f"{len(wrong)} of {len(wanted)} triggers in Redis (found, wanted): {list(wrong.items())[:10]}"
    return Counter(CANCELLED if state == CANCELLED else kinds[key] for key, state in wanted.items() if state)
