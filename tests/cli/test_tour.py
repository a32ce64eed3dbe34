"""The tour's stops with the sample library: relatives by weights, merges beside the truth."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lorarium import formats
from lorarium.adapter import Adapter
from lorarium.cli import tour_sample
from lorarium.library import samples
from tests.descriptors.planted import planted


def made(style: int, draw: int, base: str) -> Adapter:
    """Of the base's shapes."""
    adapter = planted(style, draw)
    fitting = {m: d for m, d in adapter.items() if "attn1" in m.path}
    return adapter.with_(deltas=fitting, metadata={"lorarium.base_hash": base})


def planted_in(folder: Path, adapters: dict[tuple[str, int], list[Adapter]], base: str) -> None:
    rows = []
    for of, copies in adapters.items():
        for i, adapter in enumerate(copies):
            path = folder / f"{of[0]}-{of[1]}-{i}.safetensors"
            formats.write(adapter, path, "diffusers")
            kind = "subject" if of[0] == "cat" else "style"
            rows.append({"file": path.name, "kind": kind, "of": of, "recipe": f"R{i}",
                         "pictures": []})  # fmt: skip
    card = {"format": samples.FORMAT, "base_hash": base, "adapters": rows}
    (folder / samples.CARD).write_text(json.dumps(card))


pytestmark = pytest.mark.interop


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    pytest.importorskip("torch")
    from tests.bases.tiny import WHOLE_FIRST, first_micro

    base = first_micro(WHOLE_FIRST).hash
    held = tmp_path / "held"
    held.mkdir()
    names = [("neon", 0), ("neon", 1), *((f"g{i}", 0) for i in range(9)), ("cat", 3)]
    planted_in(held, {of: [made(i, d, base) for d in (0, 1)] for i, of in enumerate(names)}, base)
    monkeypatch.setattr(samples, "FOLDER", held)
    lora = tmp_path / "tour" / "trained" / "neon-0.safetensors"
    lora.parent.mkdir(parents=True)
    formats.write(made(0, 7, base), lora, "diffusers")
    return tmp_path / "tour"


def test_relatives_come_first(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tour_sample.relatives(folder)
    text = capsys.readouterr().out
    lines = [line for line in text.splitlines() if "recipe R" in line]
    assert [("same artist" in line) for line in lines] == [True] * 2 + [False] * 4
    assert "2 of its 2 relatives come first; the nearest is close" in text
    page = (folder / "sample-map.html").read_text()
    assert '"marked": [' in page and (folder / "sample-map.png").exists()


def test_each_method_beside_the_truth(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from PIL import Image

    from tests.bases.tiny import saved

    monkeypatch.setenv("LORARIUM_MICRO", str(saved(folder / "base.safetensors")))
    monkeypatch.setattr(tour_sample, "METHODS", {"sum": {}, "np-lora": {"mu": 1.0}})
    tour_sample.together(folder)
    assert "cat 3 by each method" in capsys.readouterr().out
    with Image.open(folder / "subject-in-style.png") as sheet:
        # the subject, the style, two methods, the truth: each of 96 pixels
        assert sheet.width >= 5 * 96 and 96 <= sheet.height < 2 * 96


def test_left_out_in_a_sentence(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    card = samples.FOLDER / samples.CARD
    other = json.loads(card.read_text()) | {"base_hash": "def"}
    card.write_text(json.dumps(other))
    tour_sample.relatives(folder)
    tour_sample.together(folder / "nowhere")
    monkeypatch.setattr(samples, "FOLDER", folder / "none")
    tour_sample.together(folder)
    messages = capsys.readouterr().out.splitlines()
    assert len(messages) == 3 and all(line.startswith("left out: ") for line in messages)
    for line, words in zip(
        messages, ("another base", "no fresh LoRA", "no sample library"), strict=True
    ):
        assert words in line
