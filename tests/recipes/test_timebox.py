"""Every stage ends when its minutes are over, and says how far it is."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path

import pytest
from click.testing import CliRunner

pytest.importorskip("torch")

from lorarium.recipes import STAGES, zoo
from lorarium.recipes import __main__ as door
from lorarium.recipes.timebox import ENDLESS, TimeBox, TimeIsOver
from tests.recipes.boxes import looks


def run_of(stage: str) -> ast.FunctionDef:
    """The function of a stage, in its module or in one that the module has it from."""
    spec = importlib.util.find_spec(STAGES[stage])
    assert spec is not None and spec.origin is not None
    files = [Path(spec.origin)]
    if files[0].name == "__init__.py":
        files += sorted(files[0].parent.glob("*.py"))
    functions = [
        node for file in files for node in ast.parse(file.read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name == "run"
    ]  # fmt: skip
    assert len(functions) == 1
    return functions[0]


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_reads_its_minutes(stage: str) -> None:
    used = {node.id for node in ast.walk(run_of(stage)) if isinstance(node, ast.Name)}
    assert "minutes" in used


def test_time_is_over_when_it_is() -> None:
    ENDLESS.check("nothing")
    box = TimeBox(1e-9)
    with pytest.raises(TimeIsOver, match="the time is over: 3 of 5 are done; run it again"):
        box.check("3 of 5 are done")
    assert box.left == 0 and 0.9 < TimeBox(1).left <= 1
    two = looks(2)
    two.check(""), two.check("")
    with pytest.raises(TimeIsOver):
        two.check("")


def test_the_command_says_it_and_nothing_went_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zoo, "run", lambda device, minutes: TimeBox(minutes).check("1 of 2"))
    done = CliRunner().invoke(door.command, ["zoo", "--minutes", "0"])
    assert done.exit_code == 0 and "the time is over: 1 of 2" in done.output
    done = CliRunner().invoke(door.command, ["zoo", "--minutes", "9"])
    assert done.exit_code == 0 and "over" not in done.output
