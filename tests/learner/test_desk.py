"""One head at work: when snapshots are cut, which are kept, which one is served, and what a restart finds."""

from collections.abc import Iterable
from math import nan
from random import Random
from typing import Any

import pytest
from msgspec.structs import replace

from pipeline.config.errors import UserError
from pipeline.learner.desk import Cadence, Desk
from pipeline.learner.records import PART_BYTES, Checkpoint, decode_pin, parts, put_together
from pipeline.learner.shelf import Shelf
from pipeline.learner.standing import PATIENCE, Standing, is_better, judged, to_serve
from pipeline.learner.words import strongest
from pipeline.learning.head_spec import HeadSpec
from pipeline.learning.heads import COUNTS
from pipeline.log.models import served_key, version_key
from pipeline.scoring.example import Example
from pipeline.scoring.snapshot import Quality, decode_snapshot
from tests.learner.toys import BY_COUNT, HEADS, NOTHING, SPEC, examples

GOOD, POOR, LUCKY = Quality(1_000, 0.3, 0.4), Quality(1_000, 0.5, 0.4), Quality(999, 0.0015, 0.4)


class Topic:
    """The models topic, as a transaction a call leaves it."""

    def __init__(self) -> None:
        self.newest: dict[bytes, tuple[bytes, int]] = {}
        self.served: list[int] = []

    def take(self, desk: Desk) -> None:
        for key, value in desk.entries():
            if value is None:
                del self.newest[key]
                continue
            self.newest[key] = value, 0
            if key == served_key("toy"):
                self.served.append(decode_snapshot(value).version)
        desk.committed()

    def desk(self, spec: HeadSpec = HEADS["toy"], cadence: Cadence = BY_COUNT) -> Desk:
        shelf = Shelf(self.newest)
        return Desk(spec, shelf.head("toy"), shelf.checkpoint("toy"), cadence)

    def versions(self) -> list[int]:
        return sorted(Shelf(self.newest).head("toy").kept)


def taught(topic: Topic, desk: Desk, known: Iterable[Example], at: float = 0.0) -> Desk:
    """Learn, with a transaction after each snapshot."""
    for example in known:
        desk.learn(example, at)
        desk.cut_if_due(at, 0)
        if desk.due:
            topic.take(desk)
    return desk


def unsteady(count: int) -> list[Example]:
    """Examples of a world that turns upside down every 150."""
    known = examples(count, 3, slope=0.09)
    return [replace(one, label=one.label ^ (number // 150 % 2)) for number, one in enumerate(known)]


def test_each_snapshot_is_served_and_the_latest_are_kept_with_the_first_of_the_last_minutes() -> None:
    topic = Topic()
    taught(topic, topic.desk(), examples(1_400))
    assert topic.served == list(range(1, 15))
    assert topic.versions() == [1, 11, 12, 13, 14]


def test_versions_are_kept_the_longer_apart_the_older_they_are() -> None:
    topic, minute = Topic(), 60_000
    desk = topic.desk()
    for number, example in enumerate(examples(4_000)):
        desk.learn(example, 0.0)
        desk.cut_if_due(0.0, number // 100 * minute)
        if desk.due:
            topic.take(desk)
    ages = [40 - version for version in reversed(topic.versions())]
    assert ages[:4] == [0, 1, 2, 3]
    assert len(ages) < 13
    assert all(any(asked <= age <= 2 * asked for age in ages) for asked in range(2, 20))


def test_a_few_examples_wait_for_more_but_not_for_long() -> None:
    desk = Desk(HEADS["toy"], NOTHING, None, Cadence(100, 5.0))
    for example in examples(3):
        desk.learn(example, 50.0)
    for now, due in ((54.9, False), (55.0, True)):
        desk.cut_if_due(now, 0)
        assert desk.due is due


def test_what_was_fresh_before_a_restart_is_cut_where_it_would_have_been() -> None:
    known, topic, through = examples(500), Topic(), Topic()
    first = taught(topic, topic.desk(), known[:250])
    topic.take(first)
    taught(topic, topic.desk(), known[250:])
    taught(through, through.desk(), known)
    assert topic.versions() == through.versions() == [1, 2, 3, 4, 5]
    assert all(topic.newest[version_key("toy", v)] == through.newest[version_key("toy", v)] for v in range(1, 6))


def test_a_restart_without_new_examples_cuts_nothing_after_a_cut_by_time() -> None:
    topic, quick = Topic(), Cadence(100, 5.0)
    desk = topic.desk(cadence=quick)
    for example in examples(30):
        desk.learn(example, 0.0)
    topic.take(desk)  # the position was written, with the state, before it was time for a snapshot
    desk.cut_if_due(5.0, 0)
    topic.take(desk)
    written = dict(topic.newest)
    for _ in range(3):
        desk = topic.desk(cadence=quick)
        desk.cut_if_due(100.0, 0)
        desk.cut_if_due(200.0, 0)
        assert not desk.due
    assert topic.served == [1]
    assert topic.newest == written


def test_a_cut_that_gave_no_version_yet_is_stored_as_well() -> None:
    topic, quick, young = Topic(), Cadence(100, 5.0), HeadSpec(replace(SPEC, least=1_000))
    desk = topic.desk(young, quick)
    for example in examples(30):
        desk.learn(example, 0.0)
    topic.take(desk)
    desk.cut_if_due(5.0, 0)
    assert desk.due
    topic.take(desk)
    again = topic.desk(young, quick)
    for now in (100.0, 200.0):
        again.cut_if_due(now, 0)
    assert not again.due
    assert topic.served == []


def test_going_back_is_remembered_where_time_has_cut_the_snapshot() -> None:
    topic, quick = Topic(), Cadence(5_000, 5.0)
    desk = taught(topic, topic.desk(), examples(1_500, slope=0.09))
    desk = topic.desk(cadence=quick)
    desk.standing = Standing(PATIENCE - 1)
    for example in unsteady(3_000):
        desk.learn(example, 0.0)
    topic.take(desk)
    desk.cut_if_due(5.0, 0)
    topic.take(desk)
    assert desk.standing.back
    assert topic.desk().standing == desk.standing


def test_a_pinned_version_is_served_and_kept_while_newer_ones_are_learned() -> None:
    topic = Topic()
    desk = taught(topic, topic.desk(), examples(300))
    desk.pinned(2)
    taught(topic, desk, examples(1_500, first=300))
    assert topic.served == [1, 2, 3, 2]
    assert topic.versions() == [1, 2, *range(15, 19)]
    desk.pinned(0)
    topic.take(desk)
    assert topic.served[-1] == 18


def test_a_pin_of_a_version_that_is_not_kept_changes_nothing() -> None:
    topic = Topic()
    desk = taught(topic, topic.desk(), examples(200))
    desk.pinned(77)
    assert not desk.due
    assert desk.pin == 0


def test_after_a_thousand_examples_worse_than_the_base_rate_the_last_better_version_is_served_again() -> None:
    standing, kept = Standing(), {1: GOOD, 2: GOOD, 3: POOR}
    for learned in (400, 400):
        standing = judged(standing, learned, POOR, kept)
        assert to_serve(standing, 9, 0) == 9
    standing = judged(standing, 400, POOR, kept)
    assert PATIENCE == 1_000
    assert to_serve(standing, 9, 0) == 2
    assert to_serve(judged(standing, 400, POOR, {**kept, 4: POOR}), 9, 0) == 2
    assert to_serve(judged(standing, 400, GOOD, kept), 9, 0) == 9
    assert to_serve(standing, 9, 3) == 3


def test_a_version_that_was_better_over_too_few_examples_is_not_gone_back_to() -> None:
    poor = Standing(PATIENCE)
    assert judged(poor, 1, POOR, {1: GOOD, 2: LUCKY}).back == 1
    assert judged(poor, 1, POOR, {2: LUCKY}).back == 0


def test_what_was_gone_back_to_is_left_where_it_is_refused_or_was_lucky() -> None:
    assert judged(Standing(PATIENCE, 9), 1, POOR, {9: LUCKY}).back == 0
    assert judged(Standing(PATIENCE, 9), 1, POOR, {4: GOOD, 9: LUCKY}).back == 4
    assert judged(Standing(PATIENCE, 9), 1, POOR, {4: GOOD}).back == 4
    assert judged(Standing(PATIENCE, 4), 1, POOR, {4: GOOD, 5: GOOD}).back == 4


def test_what_was_gone_back_to_is_left_where_the_newest_is_no_worse_than_the_base_rate() -> None:
    assert judged(Standing(PATIENCE, 4), 1, Quality(1_000, 0.4, 0.4), {4: GOOD}) == Standing()


def test_a_head_goes_back_to_no_version_that_workers_refuse() -> None:
    topic = Topic()
    desk = taught(topic, topic.desk(), examples(1_100, slope=0.09))
    for example in unsteady(3_000):
        desk.learn(example, 0.0)
    topic.take(desk)
    found = Shelf(topic.newest).head("toy")
    broken = {
        version: one._replace(snapshot=replace(one.snapshot, calibration=(nan, 0.0)))
        for version, one in found.kept.items()
    }
    for kept, back in ((found.kept, 11), (broken, 0)):
        again = Desk(HEADS["toy"], found._replace(kept=kept), Shelf(topic.newest).checkpoint("toy"), BY_COUNT)
        again.cut_if_due(0.0, 0)
        assert again.standing.back == back


def test_where_no_version_was_ever_better_the_newest_stays_served() -> None:
    assert to_serve(judged(Standing(5_000), 400, POOR, {1: POOR}), 2, 0) == 2


def test_a_head_whose_world_keeps_turning_goes_back_until_it_can_be_learned_again() -> None:
    topic = Topic()
    desk = taught(topic, topic.desk(), examples(1_000, slope=0.09))
    taught(topic, desk, unsteady(6_000))
    back = desk.standing.back
    assert 1 <= back < max(topic.versions())
    assert topic.served[-1] == back
    assert is_better(Shelf(topic.newest).head("toy").kept[back].snapshot.quality)
    assert topic.desk().standing == desk.standing
    taught(topic, desk, examples(8_000, 4, slope=0.09))
    assert desk.standing == Standing()
    assert topic.served[-1] == max(topic.versions()) == 150


def test_a_release_that_looks_at_other_features_learns_anew_and_numbers_its_versions_on() -> None:
    topic = Topic()
    taught(topic, topic.desk(), examples(300))
    other = HeadSpec(replace(SPEC, version=2))
    desk = topic.desk(other)
    assert desk.trained == 0
    taught(topic, desk, [replace(one, spec=other.spec.hash) for one in examples(100)])
    assert topic.served[-1] == 4


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ({"spec": "other"}, "spec"),
        ({"label": 2}, "invalid"),
        ({"inputs": (-5.0,)}, "invalid"),
        ({"weight": -1.0}, "invalid"),
    ],
    ids=str,
)
def test_what_is_refused_leaves_no_trace(bad: dict[str, Any], reason: str) -> None:
    known = examples(100)
    topic, clean = Topic(), Topic()
    desk = taught(topic, topic.desk(), known[:50])
    assert desk.learn(replace(known[0], **bad), 0.0) == reason
    taught(topic, desk, known[50:])
    taught(clean, clean.desk(), known)
    assert topic.newest[served_key("toy")] == clean.newest[served_key("toy")]


def test_a_large_state_is_stored_in_parts() -> None:
    checkpoint = Checkpoint(1, "toy", 5, 7, Standing(3, 2), bytes(range(256)) * 5_000)
    stored = dict(parts(checkpoint))
    assert list(stored) == [b"toy/state", b"toy/state/1", b"toy/state/2"]
    assert all(len(value) <= PART_BYTES + 50 for value in stored.values())
    assert put_together("toy", stored) == checkpoint
    smaller = stored | dict(parts(replace(checkpoint, state=b"small")))  # the other parts are still there
    assert put_together("toy", smaller) == replace(checkpoint, state=b"small")
    del stored[b"toy/state/1"]
    with pytest.raises(UserError, match="a part of the state of head toy is missing"):
        put_together("toy", stored)


def test_what_a_later_release_wrote_is_refused_with_a_remedy() -> None:
    with pytest.raises(UserError, match="has format 2, this release reads 1: use the release that wrote it"):
        decode_pin(b"\x82\xa6format\x02\xa7version\x05")


def test_the_strongest_weights_are_told_in_words() -> None:
    topic = Topic()
    taught(topic, topic.desk(), examples(2_000))
    snapshot = decode_snapshot(topic.newest[served_key("toy")][0])
    told = {one.words: one.times for one in strongest(SPEC, snapshot, 10)}
    assert told["more looked at"] > 1.2
    assert told["5 and more looked at"] > told["under 2 looked at"]


def test_a_head_that_counts_is_learned_as_well_and_resumes_as_well() -> None:
    name, spec = next(iter(COUNTS.items()))
    random = Random(5)
    width = len(spec.spec.inputs)
    known = [
        Example(
            1,
            name,
            "s",
            str(n),
            0,
            0,
            60_000,
            spec.spec.hash,
            tuple(float(random.randrange(1, 4)) for _ in range(width)),
            n % 5,
        )
        for n in range(spec.spec.least + 400)
    ]
    through = Desk(spec, NOTHING, None, BY_COUNT)
    for example in known:
        assert through.learn(example, 0.0) == ""
        through.cut_if_due(0.0, 0)
    desk = Desk(spec, NOTHING, None, BY_COUNT)
    for number, example in enumerate(known):
        if number == spec.spec.least + 250:
            values = {key: (value, 0) for key, value in desk.entries() if value is not None}
            shelf = Shelf(values)
            desk = Desk(spec, shelf.head(name), shelf.checkpoint(name), BY_COUNT)
        desk.learn(example, 0.0)
        desk.cut_if_due(0.0, 0)
    assert desk.newest is not None
    assert through.newest is not None
    assert desk.newest.body == through.newest.body
