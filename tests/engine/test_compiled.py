"""The compiled engine: the same bytes as the sources give, and everything that it is made of can be compiled."""

import ast
import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from pipeline.engine.build import COMPILED

ROOT = Path(__file__).resolve().parents[2]
HOOK = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]["hooks"]


def _folded(root: Path) -> Any:
    """What `tests.engine.both_ways` says in a process whose package is that below `root`."""
    command = [sys.executable, "-m", "tests.engine.both_ways"]
    done = subprocess.run(
        command, cwd=root, env=os.environ | {"PYTHONPATH": str(root)}, check=True, capture_output=True, text=True
    )
    return json.loads(done.stdout)


@pytest.mark.skipif(not COMPILED, reason="nothing is compiled here: make compiled")
def test_the_compiled_engine_gives_the_bytes_that_its_sources_give(tmp_path: Path) -> None:
    for package in ("pipeline", "tests"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    compiled, interpreted = _folded(ROOT), _folded(tmp_path)
    assert (compiled.pop("compiled"), interpreted.pop("compiled")) == (True, False)
    assert compiled == interpreted
    assert {"cart_abandoned.cancelled", "personalization.emitted", "win_back.emitted"} <= set(compiled["said"])
    assert compiled["with_scores"] > 1_000
    assert set(compiled["examples"]) == {"intent", "cart", "reorder", "count"}


def _compiled_sources() -> list[Path]:
    hook = HOOK["mypyc"]
    left_out = {path for pattern in hook["exclude"] for path in ROOT.rglob(pattern)}
    return sorted({path for pattern in hook["include"] for path in ROOT.glob(pattern)} - left_out)


def test_nothing_that_is_compiled_defines_what_is_stored() -> None:
    """The keywords of a class, as in `class Cart(Struct, array_like=True)`, are lost when it is compiled."""
    sources = _compiled_sources()
    assert ROOT / "pipeline/engine/fold.py" in sources
    classes = [
        f"{path.relative_to(ROOT)}: {node.name}"
        for path in sources
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef) and node.keywords
    ]
    assert classes == []
