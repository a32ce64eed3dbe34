"""Trained files: one way in and out, what ships as it is, a stranger's refused in a line."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from lorarium import trained
from lorarium.descriptors import effect, learned
from lorarium.errors import LorariumError
from lorarium.forecasts import rates
from lorarium.formats import container
from lorarium.mergers import lora_rar, roles
from lorarium.trained import FileKind, TrainedFile

KIND = FileKind("thing", "lorarium.recipes things", {"format": "thing/1"})
OLDER = FileKind("older thing", prefix="lorarium.")
WEIGHTS = {"b": np.ones((2, 3), np.float16), "a": np.arange(4, dtype=np.float32)}
CARD = {"world": "w", "scores": {"both": 0.5}}


def entries_of(file: TrainedFile) -> dict[str, str]:
    """What a kind adds to a header by itself is not given to `save`."""
    return {k: v for k, v in file.header.items() if k not in ("card", "version", "format")}


@pytest.mark.parametrize("kind", [KIND, OLDER], ids=lambda kind: kind.noun)
def test_what_is_written_comes_back(tmp_path: Path, kind: FileKind) -> None:
    path = tmp_path / "new" / "it.safetensors"
    trained.save(path, kind, WEIGHTS, CARD, {"config": "{}"})
    file = trained.load(path, kind)
    assert file.card == CARD == trained.read_card(path, kind)
    assert file.header["config"] == "{}"
    assert {name: array.dtype for name, array in file.tensors.items()} == {
        name: array.dtype for name, array in WEIGHTS.items()
    }
    floats = file.floats()
    assert all(np.array_equal(floats[name], WEIGHTS[name]) for name in WEIGHTS)
    assert floats["b"].dtype == np.float32 and floats["b"].flags.writeable
    assert json.loads(path.with_suffix(".json").read_text()) == CARD
    first = path.read_bytes()
    trained.save(path, kind, dict(reversed(WEIGHTS.items())), CARD, {"config": "{}"})
    assert path.read_bytes() == first


def test_a_part_by_the_beginning_of_its_names(tmp_path: Path) -> None:
    path = tmp_path / "it.safetensors"
    trained.save(path, KIND, {"net.a": np.ones(2), "extra.a": np.zeros(1)}, CARD)
    assert set(trained.load(path, KIND).floats("net.")) == {"a"}


def broken(path: Path, fault: str) -> Path:
    if fault == "text":
        path.write_bytes(b"no tensors here, whatever the name says")
    elif fault == "pickle":
        path = path.with_suffix(".pt")
        path.write_bytes(b"\x80\x02}q\0.")
    elif fault == "cut":
        trained.save(path, KIND, WEIGHTS, CARD)
        path.write_bytes(path.read_bytes()[:-1])
    elif fault == "folder":
        path.mkdir()
    elif fault == "pipe":
        os.mkfifo(path)
    elif fault != "missing":
        format, card = {
            "other": ("thing/2", "{}"),
            "cardless": ("thing/1", ""),
            "list": ("thing/1", "[]"),
            "deep": ("thing/1", "[" * 100_000),
        }[fault]
        container.save(path, WEIGHTS, {"format": format, "card": card})
    return path


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("missing", "there is no such thing"),
        ("folder", "cannot be read as a thing"),
        ("pipe", "cannot be read as a thing"),
        ("text", "cannot be read as a thing"),
        ("pickle", "cannot be read as a thing"),
        ("cut", "cannot be read as a thing"),
        ("other", "this is not a thing of format thing/1"),
        ("cardless", "this is not a thing"),
        ("list", "this is not a thing"),
        ("deep", "this is not a thing"),
    ],
)
def test_what_is_wrong_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str, words: str
) -> None:
    path = broken(tmp_path / "it.safetensors", fault)
    for read in (trained.load, trained.read_card):
        with pytest.raises(LorariumError, match=words) as error:
            read(path, KIND)
        assert "\n" not in str(error.value) and "train it" not in str(error.value)
    monkeypatch.setattr(trained, "ASSETS", tmp_path)  # what ships can be made again
    with pytest.raises(LorariumError, match=r"train it: python -m lorarium\.recipes things"):
        trained.load(path, KIND)


def test_a_network_that_does_not_fit_is_one_line(tmp_path: Path) -> None:
    nn = pytest.importorskip("torch").nn
    for name, width in (("weight", 5), ("strange", 3)):
        with (
            pytest.raises(LorariumError, match=r"do not fit its configuration"),
            trained.fitting(tmp_path),
        ):
            trained.fill(nn.Linear(3, 2, bias=False), {name: np.ones((2, width), np.float32)})


ENCODER = FileKind("encoder", marks={"format": "lorarium-encoder/1"})  # torch loads its own
SYNTH = FileKind("generator", marks={"format": "lorarium-synth/1"})
SHIPPED = {
    "clip_like": ENCODER,
    "dino_like": ENCODER,
    "judge_a": ENCODER,
    "judge_b": ENCODER,
    "judge_reporter": ENCODER,
    "describe": learned.KIND,
    "synth": SYNTH,
    "lora_rar": lora_rar.KIND,
    "roles": roles.KIND,
    "forecast": rates.KIND,
    "forecast-drafts": rates.KIND,
    "activations": effect.KIND,
    "micro-1": FileKind("base", marks={"kind": "base"}, prefix="lorarium.", card=False),
}


def test_all_that_ships_is_known_here() -> None:
    assert {path.stem for path in trained.ASSETS.glob("*.safetensors")} == SHIPPED.keys()


@pytest.mark.parametrize("name", SHIPPED)
def test_what_ships_would_be_written_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path, again, kind = trained.asset(name), tmp_path / "again.safetensors", SHIPPED[name]
    file = trained.load(path, kind)
    monkeypatch.setattr(trained, "__version__", file.header.get("version", ""))
    trained.save(again, kind, file.tensors, file.card, entries_of(file))
    old, new = container.load(path), container.load(again)
    assert new.metadata == old.metadata and list(new.tensors) == list(old.tensors)
    assert again.read_bytes()[new.payload_start :] == path.read_bytes()[old.payload_start :]
    if list(old.metadata) == sorted(old.metadata):  # the library's own writer does not sort
        assert again.read_bytes() == path.read_bytes()
    beside = path.with_suffix(".json")
    assert again.with_suffix(".json").exists() == beside.exists()
    if beside.exists():
        assert again.with_suffix(".json").read_bytes() == beside.read_bytes()


def test_a_mark_is_that_of_the_judge_that_the_descriptor_looks_with() -> None:
    judge = trained.load(trained.asset("judge_a"), ENCODER)
    card = trained.read_card(trained.asset("describe"), learned.KIND)
    assert trained.weights_mark(judge.tensors) == card["judge"]
    assert trained.weights_mark(judge.tensors, "{}") != card["judge"]
