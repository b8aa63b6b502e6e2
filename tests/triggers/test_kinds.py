"""The kinds of triggers: none is left out where they are called by name."""

import ast
from pathlib import Path

from pipeline.triggers.kinds import TRIGGERS

SOURCE = Path(__file__).parents[2] / "pipeline" / "triggers" / "kinds.py"


def test_every_kind_takes_each_event_in_the_order_of_the_table() -> None:
    functions = {node.name: node for node in ast.parse(SOURCE.read_text()).body if isinstance(node, ast.FunctionDef)}
    told = [
        node.func.value.id
        for statement in functions["on_event"].body
        for node in ast.walk(statement)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name)
    ]
    assert told == [kind.KIND.value for kind in TRIGGERS]
