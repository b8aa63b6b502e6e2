"""What the models topic holds is told as it is: of which head and version, since when, and whether it can be read."""

from pipeline.learner.shelf import Shelf
from pipeline.log.models import served_key, version_key
from pipeline.scoring.snapshot import encode_snapshot
from tests.learner.toys import examples, uninterrupted

SNAPSHOTS = {version: kept.snapshot for version, kept in uninterrupted(examples(300))._kept.items()}
BODIES = {version: encode_snapshot(snapshot) for version, snapshot in SNAPSHOTS.items()}


def test_a_snapshot_under_the_key_of_another_head_or_version_is_not_one_of_its() -> None:
    shelf = Shelf(
        {
            served_key("intent"): (BODIES[1], 0),
            version_key("intent", 1): (BODIES[1], 0),
            version_key("toy", 1): (BODIES[2], 0),
            version_key("toy", 3): (BODIES[3], 0),
        }
    )
    assert shelf.head("intent").served is None
    assert shelf.head("intent").damaged
    assert not shelf.head("intent").kept
    assert list(shelf.head("toy").kept) == [3]


def test_what_is_served_again_was_published_when_its_version_was() -> None:
    shelf = Shelf({version_key("toy", 2): (BODIES[2], 1_000), served_key("toy"): (BODIES[2], 9_000)})
    served = shelf.head("toy").served
    assert served is not None
    assert served.published == 1_000


def test_a_served_record_that_cannot_be_read_is_told_from_one_that_is_not_there() -> None:
    kept = {version_key("toy", 2): (BODIES[2], 0)}
    assert not Shelf(kept).head("toy").damaged
    found = Shelf({**kept, served_key("toy"): (b"\xc1", 0)}).head("toy")
    assert found.damaged
    assert found.served is None
    assert list(found.kept) == [2]
