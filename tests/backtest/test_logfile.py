"""The file of a backtest is whole, or the backtest says what is wrong with it: of a part there are no figures."""

import gzip
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from pipeline.backtest import cart, intent, learner, next_buy, next_item, reorder, reorder_delayed
from pipeline.backtest.clicklog import read_clicklog
from pipeline.config.errors import UserError

HEADER = "occurred_at,person,type,item"
RUNS = [one.run for one in (cart, intent, learner, next_buy, next_item, reorder, reorder_delayed)]


def clicks(count: int) -> bytes:
    lines = [f"{1_700_000_000_000 + n * 60_000},p{n % 97},view_item,i{n * 7919 % 10_007}" for n in range(count)]
    return "\n".join([HEADER, *lines, ""]).encode()


def said_of(run: Callable[[Path], object], path: Path) -> str:
    with pytest.raises(UserError) as error:
        run(path)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_gzip_that_is_cut_off_is_no_log_however_much_of_it_could_be_read(tmp_path: Path) -> None:
    path = tmp_path / "log.csv.gz"
    packed = gzip.compress(clicks(20_000))
    path.write_bytes(packed[: len(packed) // 2])
    said = said_of(read_clicklog, path)
    assert said.startswith(f"{path} ends in the middle of its gzip stream: fetch it again (")
    lines = int(said.partition("(")[2].split()[0].replace(",", ""))
    assert 1_000 < lines < 20_000


@pytest.mark.parametrize("left", [12, -1, -8])
def test_a_gzip_without_its_first_line_or_its_end_mark_is_cut_off(tmp_path: Path, left: int) -> None:
    path = tmp_path / "log.csv.gz"
    path.write_bytes(gzip.compress(clicks(200))[:left])
    assert "ends in the middle of its gzip stream" in said_of(read_clicklog, path)


def test_a_gzip_that_does_not_agree_with_its_checksum_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "log.csv.gz"
    packed = bytearray(gzip.compress(clicks(200)))
    packed[-8] ^= 255
    path.write_bytes(packed)
    assert (
        said_of(read_clicklog, path)
        == f"{path} is damaged in its gzip stream: fetch it again (200 lines could be read)"
    )


def test_a_whole_gzip_whose_last_line_is_cut_costs_that_line(tmp_path: Path) -> None:
    path = tmp_path / "log.csv.gz"
    path.write_bytes(gzip.compress(clicks(200) + b"1700000000"))
    log = read_clicklog(path)
    assert (len(log.interactions), log.skipped) == (200, {"not 4 fields": 1})


@pytest.mark.parametrize("run", RUNS)
def test_an_empty_file_is_said_to_be_empty(tmp_path: Path, run: Callable[[Path], object]) -> None:
    for name, content in (("log.csv", b""), ("log.csv.gz", b""), ("packed.csv.gz", gzip.compress(b""))):
        (tmp_path / name).write_bytes(content)
        assert said_of(run, tmp_path / name) == f"{tmp_path / name} is empty"


@pytest.mark.parametrize("run", RUNS)
def test_what_is_named_gz_and_is_not_gzip_is_said_to_be_none(tmp_path: Path, run: Callable[[Path], object]) -> None:
    path = tmp_path / "log.csv.gz"
    path.write_bytes(Random(1).randbytes(4_000))
    assert said_of(run, path).startswith(f"{path} is not gzip")
