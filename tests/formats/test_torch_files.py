"""Torch files that are broken or odd: what is wrong with them is said as it is."""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from typing import Any

import pytest

from lorarium.errors import LorariumError
from lorarium.formats.container import load

torch = pytest.importorskip("torch")


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A sound file in torch's old format, which is a few pickles in a row."""
    content = {"a.lora_up.weight": torch.ones(4, 2), "a.lora_down.weight": torch.ones(2, 4)}
    torch.save(content, tmp_path / "x.pt", _use_new_zipfile_serialization=False)
    return tmp_path / "x.pt"


def test_a_corrupt_pickle_does_not_ask_to_run_code(old: Path) -> None:
    sound = old.read_bytes()
    assert len(load(old).tensors) == 2
    names = [match.span() for match in re.finditer(rb"c[\w.]+\n[\w.]+\n", sound)]
    messages = []
    for place in range(2, len(sound), 3):
        if any(start <= place < stop for start, stop in names):
            continue  # it would ask for another function indeed
        old.write_bytes(sound[:place] + b"\x95" + sound[place + 1 :])
        try:
            load(old)
        except LorariumError as error:
            messages.append(error.what)
    assert any("not a readable torch file (Unsupported operand" in what for what in messages)
    for what in messages:
        assert "run code" not in what and "weights_only" not in what and "PyTorch" not in what


def test_pickles_of_a_later_protocol(tmp_path: Path) -> None:
    (tmp_path / "x.pt").write_bytes(pickle.dumps({"a": 1}, protocol=4))
    with pytest.raises(LorariumError, match="not a readable torch file"):
        load(tmp_path / "x.pt")


@pytest.mark.parametrize(
    ("name", "value"),
    [("a.alpha", 10**400), ("a.alpha", -(10**400)), ("note", 10**600)],
    ids=["long", "long and negative", "longer"],
)
def test_numbers_of_any_length_are_left_out(name: str, value: int, tmp_path: Path) -> None:
    torch.save({"w": torch.ones(2), name: value}, tmp_path / "x.pt")
    raw = load(tmp_path / "x.pt")
    assert set(raw.tensors) == {"w"} and not raw.metadata


@pytest.mark.parametrize("name", [None, (1, 2), 10**30, 1.5], ids=str)
def test_keys_are_names(name: Any, tmp_path: Path) -> None:
    torch.save({name: torch.ones(2)}, tmp_path / "x.pt")
    with pytest.raises(LorariumError, match="keys are not names"):
        load(tmp_path / "x.pt")
