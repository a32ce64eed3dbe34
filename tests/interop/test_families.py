"""What each class of diffusers that loads LoRAs is taken for: never for another."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Container, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.interop.meta import build

pytest.importorskip("diffusers")
pytestmark = pytest.mark.interop


Size = tuple[str, dict[str, Any], tuple[str, ...]]


def fewer(sizes: Iterable[Size], name: str, published: Container[str]) -> Iterator[Size]:
    """The published sizes, and the class's own or a tiny one by turns."""
    by_turns = ("default", "tiny")[len(name) % 2]
    for size in sizes:
        if size[0] in published or size[0] == by_turns:
            yield size


def test_no_class_is_called_by_anothers_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import families

        every = families.sizes
        monkeypatch.setattr(families, "build", build)
        monkeypatch.setattr(families, "sizes", lambda name: fewer(every(name), name, families.NETS))
        rows = list(families.rows())
    sys.modules.pop("families")
    assert len(rows) > 180
    assert [row for row in rows if row["verdict"] == "wrong"] == []
    # published sizes are named or listed, never left unknown
    assert [
        row for row in rows if row["verdict"] == "unknown" and row["size"] in families.NETS
    ] == []
