"""The public logs themselves, where they are on this machine: read whole, with the counts that they are known for."""

from collections import Counter
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from pipeline.events import TOPIC_EVENTS
from pipeline.replay.datasets import read_dataset
from pipeline.replay.history import History

DATA = Path(__file__).parents[2].parent / "shared" / "data"


def read(name: str) -> History:
    if not (DATA / name).is_file():
        pytest.skip(f"{name} is not beside the repository, in ../shared/data")
    return read_dataset(DATA / name)


@pytest.mark.parametrize(
    ("name", "site", "views", "carts", "bought", "skipped"),
    [
        ("rees46_2019_oct_head.csv.gz", "rees46", 17_055, 165, 214, 1),
        ("taobao_dev.csv.gz", "taobao", 58_008 + 2_125, 3_548, 1_331, 0),
    ],
)
def test_a_public_log(name, site, views, carts, bought, skipped):
    history = read(name)
    told = list(history.tell())
    topics = Counter(h.topic for h in told)
    assert history.name == site
    assert history.span == (len(told), told[0].at_ms, told[-1].at_ms)
    assert len(history.skipped) == skipped
    assert (topics["shop.clicks"], topics["shop.carts"]) == (views, carts)
    assert sum(item.quantity for h in told if h.topic == "shop.orders" for item in h.event.items) == bought
    assert all(a.at_ms <= b.at_ms for a, b in pairwise(told))
    assert len({h.event.event_id for h in told}) == len(told)
    customers = {h.event.customer_id for h in told}
    assert 1.3 < topics["shop.customers"] / len(customers) < 1.5
    decoders = {topic: msgspec.json.Decoder(kind) for topic, kind in TOPIC_EVENTS.items()}
    for h in told:
        decoders[h.topic].decode(msgspec.json.encode(h.event))
