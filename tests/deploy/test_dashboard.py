"""deploy/grafana: what is committed is what its generator writes, and the files that provision it agree with it."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

GRAFANA = Path(__file__).parents[2] / "deploy" / "grafana"
FILE = GRAFANA / "dashboards" / "pipeline.json"


@pytest.fixture(scope="module")
def page() -> dict[str, Any]:
    return json.loads(FILE.read_text())


def test_the_dashboard_is_what_its_generator_writes(tmp_path: Path) -> None:
    (tmp_path / "dashboards").mkdir()
    (tmp_path / "dashboard.py").write_bytes((GRAFANA / "dashboard.py").read_bytes())
    subprocess.run([sys.executable, "dashboard.py"], cwd=tmp_path, check=True, timeout=60)
    written = (tmp_path / "dashboards" / FILE.name).read_text()
    assert written == FILE.read_text(), "run `make dashboard`"


def test_every_panel_has_a_place_and_a_name_of_its_own(page: dict[str, Any]) -> None:
    panels = page["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len({panel["title"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24


def test_every_panel_asks_the_source_that_is_provisioned(page: dict[str, Any]) -> None:
    provisioned = yaml.safe_load((GRAFANA / "provisioning" / "datasources" / "prometheus.yml").read_text())
    uids = {source["uid"] for source in provisioned["datasources"]}
    for panel in page["panels"]:
        if panel["type"] != "row":
            assert {target["datasource"]["uid"] for target in panel["targets"]} <= uids
            assert panel["datasource"]["uid"] in uids


def test_the_panels_that_the_runbook_names_are_there(page: dict[str, Any]) -> None:
    text = (GRAFANA.parents[1] / "docs" / "runbook.md").read_text()
    named = {re.sub(r"\s+", " ", name) for name in re.findall(r"[Pp]anel \*([^*]+)\*", text)}
    assert named
    assert named <= {panel["title"] for panel in page["panels"]}
