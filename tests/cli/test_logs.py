"""What processes log while a library says the same over and over."""

import logging

from pipeline.cli.logs import Repetitions


def written(repetitions: Repetitions, name: str, message: str, *values: object) -> str | None:
    record = logging.LogRecord(name, logging.ERROR, __file__, 1, message, values, None)
    return record.getMessage() if repetitions.filter(record) else None


def test_what_a_library_repeats_is_written_once_in_a_while_and_counted() -> None:
    now = [0.0]
    repetitions = Repetitions(lambda: now[0])
    assert written(repetitions, "aiokafka", "no node %s", 1) == "no node 1"
    assert written(repetitions, "aiokafka", "no node %s", 2) == "no node 2"
    now[0] = 29.9
    assert [written(repetitions, "aiokafka", "no node %s", 1) for _ in range(3)] == [None] * 3
    now[0] = 30.0
    again = written(repetitions, "aiokafka", "no node %s", 1)
    assert again == "no node 1 (3 times more since it was said last)"
    now[0] = 60.0
    assert written(repetitions, "aiokafka", "no node %s", 1) == "no node 1"


def test_our_own_lines_are_all_written() -> None:
    repetitions = Repetitions(lambda: 0.0)
    assert [written(repetitions, "pipeline.serve.view", "away") for _ in range(2)] == ["away", "away"]
