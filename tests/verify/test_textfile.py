"""What verify leaves for node_exporter."""

import time
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner
from prometheus_client.parser import text_string_to_metric_families

from pipeline.cli import main
from pipeline.config.errors import UserError
from pipeline.verify.report import Finding, Part, Report
from pipeline.verify.textfile import write_textfile


def values(file: Path) -> dict[str, float]:
    families = text_string_to_metric_families(file.read_text())
    samples = [sample for family in families for sample in family.samples]
    assert [sample.labels for sample in samples] == [{"namespace": "live"}] * len(samples)
    return {sample.name: sample.value for sample in samples}


def test_the_file_has_the_differences_of_this_run_and_of_kept_ones_and_the_time(tmp_path: Path) -> None:
    report = Report(parts={"state": Part("state", found=Counter({Finding.MISSING: 2}))}, earlier=3)
    write_textfile(report, "live", tmp_path / "live.prom")
    written = values(tmp_path / "live.prom")
    assert written["pipeline_verify_differences"] == 5
    assert time.time() - 60 < written["pipeline_verify_last_run_timestamp_seconds"] <= time.time()


def test_the_file_is_replaced_as_a_whole_and_nothing_else_is_left(tmp_path: Path) -> None:
    for earlier in (1, 0):
        write_textfile(Report(earlier=earlier), "live", tmp_path / "live.prom")
    assert values(tmp_path / "live.prom")["pipeline_verify_differences"] == 0
    assert [file.name for file in tmp_path.iterdir()] == ["live.prom"]


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "live.prom").mkdir()
    with pytest.raises(UserError, match=r"live\.prom cannot be written: Is a directory"):
        write_textfile(Report(), "live", tmp_path / "live.prom")


@pytest.mark.parametrize(
    ("file", "complaint"),
    [("live.txt", "node_exporter reads only files that end in .prom"), ("gone/live.prom", "gone is not a folder")],
)
def test_a_file_that_nobody_would_read_is_refused_before_the_work_begins(
    tmp_path: Path, file: str, complaint: str
) -> None:
    done = CliRunner().invoke(main, ["verify", "--textfile", str(tmp_path / file)])
    assert done.exit_code == 1
    assert complaint in done.output
    assert list(tmp_path.iterdir()) == []
