"""PEFT's patterns: the forms that people write match as PEFT matches them, and none takes long."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lorarium.formats import container, read_report
from lorarium.formats.patterns import PatternTable, parse_pattern
from tests.timing import processor_seconds

PIECES = {"a": "a", "ab": "ab", ".": r"\.", r"\.": r"\.", ".*": ".*", r"\d+": r"\d+", "1": "1"}
PIECES |= {"[0-9]+": r"\d+", "-": "-", "_": "_"}


def table_has(pattern: str, name: str) -> bool:
    table = PatternTable()
    assert table.add(pattern, 1.0)
    return table.find(name) is not None


@given(
    st.lists(st.sampled_from(sorted(PIECES)), max_size=7),
    st.booleans(),
    st.booleans(),
    st.text("ab.12-_", max_size=10),
)
def test_matches_as_peft_does(pieces: list[str], start: bool, end: bool, name: str) -> None:
    pattern = "^" * start + "".join(pieces) + "$" * end
    # a dot in a name is a dot, not any letter: there is no module in which that differs
    expression = "".join(PIECES[piece] for piece in pieces)
    wanted = re.fullmatch(expression if start else rf"(.*\.)?({expression})", name)
    assert table_has(pattern, name) == (wanted is not None)


def test_the_first_that_matches_counts() -> None:
    table = PatternTable()
    for value, pattern in enumerate((r"layers\.\d+\.q", "q", "^layers.0.q", ".*"), 1):
        assert table.add(pattern, float(value))
    assert [table.find(n) for n in ("layers.0.q", "a.q", "layers.x.q", "k")] == [1, 2, 2, 4]


@pytest.mark.parametrize("pattern", ["(a+)+$", "(?=.*)x", "x" * 251, "a|b", "[ab]", "a{9}", "\\"])
def test_other_forms_are_left_out(pattern: str) -> None:
    assert parse_pattern(pattern) is None and not PatternTable().add(pattern, 1.0)


@pytest.mark.parametrize(
    "pattern", [".*a" * 80, "a" * 240, "^" + ".*" * 110, r"\d+" * 80, "^x.{i}"]
)
def test_twenty_thousand_patterns_do_not_hang(pattern: str, tmp_path: Path) -> None:
    tensors = {}
    for i in range(100):
        for half, shape in (("A", (4, 8)), ("B", (8, 4))):
            name = f"base_model.model.layers.{i}.{'a1' * 60}.lora_{half}.weight"
            tensors[name] = np.ones(shape, np.float16)
    container.save(tmp_path / "adapter_model.safetensors", tensors)
    names = _with_patterns(tmp_path, "name{i}")
    plain = processor_seconds(lambda: read_report(names), tries=2)
    hostile = _with_patterns(tmp_path, pattern)
    reports = []
    taken = processor_seconds(lambda: reports.append(read_report(hostile)[1]), tries=1)
    assert taken < 10 * plain
    (report,) = reports
    assert len(report.warnings) < 20  # told, but not without end


def _with_patterns(folder: Path, pattern: str) -> Path:
    """A PEFT folder whose ranks and alphas are named by twenty thousand patterns."""
    table = {pattern.replace("{i}", str(i)) + str(i): 4 for i in range(20_000)}
    config = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "alpha_pattern": table}
    (folder / "adapter_config.json").write_text(json.dumps(config | {"rank_pattern": table}))
    return folder
