"""What each class of diffusers that loads LoRAs is taken for: never for another."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import pytest

from tests.interop.meta import build

pytest.importorskip("diffusers")
pytestmark = [pytest.mark.interop, pytest.mark.slow]


def test_no_class_is_called_by_anothers_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import families

        monkeypatch.setattr(families, "build", build)
        rows = list(families.rows())
    sys.modules.pop("families")
    assert len(rows) > 300
    assert [row for row in rows if row["verdict"] == "wrong"] == []
    # published sizes are named or listed, never left unknown
    assert [
        row for row in rows if row["verdict"] == "unknown" and row["size"] in families.NETS
    ] == []
