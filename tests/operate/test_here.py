"""A command means the pipeline that runs in its folder, where nothing names another."""

import threading
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipeline.cli import main
from pipeline.config.errors import UserError
from pipeline.operate.here import claimed, running_here


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("KAFKA_BOOTSTRAP_SERVERS", "PIPELINE_NAMESPACE_NAME", "PIPELINE_CONFIG", "PIPELINE_PROFILE"):
        monkeypatch.delenv(name, raising=False)


def meant(*options: str, **environment: str) -> tuple[str, str]:
    shown = CliRunner().invoke(main, ["config", "show", *options], env=environment, catch_exceptions=False).output
    values = {words[0]: words[1] for line in shown.splitlines() if len(words := line.split()) > 1}
    return values["kafka.bootstrap_servers"], values["namespace.name"]


def test_the_one_that_runs_here_is_meant_until_it_ends() -> None:
    with claimed("mine", "127.0.0.1:7001"):
        assert meant() == ("127.0.0.1:7001", "mine")
    assert running_here() == []
    assert meant() == ("127.0.0.1:19092", "live")


def test_what_names_a_namespace_or_a_kafka_comes_first() -> None:
    with claimed("mine", "127.0.0.1:7001"):
        assert meant("--namespace", "other") == ("127.0.0.1:7001", "other")
        assert meant(PIPELINE_NAMESPACE_NAME="live") == ("127.0.0.1:7001", "live")
        assert meant(KAFKA_BOOTSTRAP_SERVERS="kafka:9092") == ("kafka:9092", "live")
        assert meant("--profile", "dev") == ("127.0.0.1:19092", "dev")


def test_of_two_none_is_meant() -> None:
    with claimed("one", "127.0.0.1:7001"), claimed("two", "127.0.0.1:7002"):
        assert meant() == ("127.0.0.1:19092", "live")


def test_one_on_a_given_kafka_is_not_meant() -> None:
    with claimed("mine", ""):
        assert meant() == ("127.0.0.1:19092", "live")


def test_looking_does_not_keep_a_pipeline_from_starting() -> None:
    with claimed("mine", "127.0.0.1:7001"):
        pass
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            running_here()

    looking = threading.Thread(target=look)
    looking.start()
    try:
        for _ in range(200):
            with claimed("mine", "127.0.0.1:7001"):
                pass
    finally:
        stop.set()
        looking.join()


def test_a_second_one_is_refused() -> None:
    with (
        claimed("mine", ""),
        pytest.raises(UserError, match="another `pipeline up` runs namespace mine"),
        claimed("mine", ""),
    ):
        pass
