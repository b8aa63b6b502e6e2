"""The snapshots that a partition scores with: taken from the log, checked, kept over a restart."""

import pytest
from msgspec.structs import replace

from pipeline.heads.table import SPECS
from pipeline.log.rows import ModelRow
from pipeline.scoring.features import Input, Spec
from pipeline.scoring.snapshot import FORMAT, Quality, Snapshot, encode_snapshot
from pipeline.state.partition import model_key
from tests.engine.shop import Shop

SPEC = Spec("toy", 1, inputs=(Input("views", "{} looked at"),))
GOOD = Snapshot(FORMAT, "toy", 3, SPEC.hash, 400, 0, 0.5, [0.1], [1.0], [1.0], [], (1.0, 0.0), {})


def row(snapshot: Snapshot) -> ModelRow:
    return ModelRow(snapshot.head, snapshot.version, encode_snapshot(snapshot))


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.setitem(SPECS, "toy", SPEC)
    return Shop()


def version(shop: Shop) -> int:
    return shop.engine._models["toy"].version


def test_a_head_is_scored_with_the_newest_snapshot_of_the_log_also_after_a_restart(shop: Shop) -> None:
    shop.broadcast(row(GOOD))
    shop.broadcast(row(replace(GOOD, version=4)))
    assert version(shop) == 4
    shop.reopen()
    assert version(shop) == 4


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (replace(GOOD, spec="other"), "model_spec"),
        (replace(GOOD, weights=[0.1, 0.2]), "model_shape"),
        (replace(GOOD, weights=[float("nan")]), "model_not_finite"),
        (replace(GOOD, quality=Quality(500, loss=0.4, base_loss=0.3)), "model_loss"),
        (replace(GOOD, head="unheard-of"), "model_unknown_head"),
        (replace(GOOD, format=FORMAT + 1), "model_format"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_one_that_must_not_be_used_is_counted_and_the_last_good_one_stays(
    shop: Shop, bad: Snapshot, reason: str
) -> None:
    shop.broadcast(row(GOOD))
    kept = shop.store[model_key("toy")]
    shop.broadcast(row(replace(bad, version=9)))
    assert shop.discarded == {reason: 1}
    assert version(shop) == 3
    assert shop.store[model_key("toy")] == kept
    assert model_key("unheard-of") not in shop.store
