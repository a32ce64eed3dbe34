"""The session of the README, line by line: what a Python user types first."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import lorarium as lo
from lorarium.library.samples import sample
from tests.test_house import BLOCK, EXTRAS

PUBLIC = {
    "Adapter", "Library", "LorariumError", "__version__", "adopt", "adopted_bases", "convert",
    "describe", "evaluate", "forecast", "inspect", "merge", "read", "render", "resize",
    "synthesize", "train", "write",
}  # fmt: skip


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loras").mkdir()
    for name, kind, of in (("cat", "subject", "cat"), ("ink", "style", "ink")):
        source = next(a.path for a in sample().adapters if (a.kind, a.of[0]) == (kind, of))
        Path(f"{name}.safetensors").write_bytes(source.read_bytes())
        Path(f"loras/{name}.safetensors").write_bytes(source.read_bytes())
    return tmp_path


def test_star_gives_the_public_list_and_nothing_else() -> None:
    names: dict[str, object] = {}
    exec("from lorarium import *", names)
    assert set(names) - {"__builtins__"} == PUBLIC == set(lo.__all__)
    assert set(lo.__all__) <= set(dir(lo))


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match="no attribute 'merges'"):
        _ = lo.merges  # type: ignore[attr-defined]


def test_the_session_of_weights(here: Path) -> None:
    cat, ink = lo.read("cat.safetensors"), lo.read("ink.safetensors")
    assert str(ink).startswith("Adapter(micro-1, ") and "rank 4, norm " in str(ink)
    assert dict(ink).keys() == ink.keys() == ink.deltas.keys()
    assert ink == ink and ink != lo.read("ink.safetensors")
    inspection = lo.inspect("ink.safetensors")
    assert inspection.health == () and "healthy" in repr(inspection)
    assert "<td>micro-1</td>" in inspection._repr_html_()
    table = lo.forecast([cat, "ink.safetensors"])
    assert "1 survives  disturbed" in str(table) and "roles" in table._repr_html_()
    both = lo.merge([cat, "ink.safetensors"], weights=[1, 0.8], method="sum")
    assert lo.write(both, "both.safetensors", dialect="kohya").verified
    small = lo.resize("both.safetensors", rank=2)
    assert {delta.rank for delta in small.values()} == {2}
    sketch = lo.describe(ink)
    assert sketch.fact("norm") == pytest.approx(float(repr(sketch).split()[-1][:-1]), rel=0.01)


def test_the_session_of_a_library(here: Path) -> None:
    ink = lo.read("ink.safetensors")
    library = lo.Library("mine")
    assert library.index("loras/").new == 2 and repr(library) == "Library('mine')"
    matches = library.search(ink)
    assert Path(matches[0].path).stem == "ink" and len(matches) == 2
    assert matches[0].score > matches[1].score and matches[0].path in repr(matches)
    assert "<th>score</th>" in matches._repr_html_()
    assert list(matches.to_pandas()["path"]) == [match.path for match in matches]


def test_the_session_of_pictures(here: Path) -> None:
    pytest.importorskip("torch")
    ink = lo.read("ink.safetensors")
    pictures = lo.render(["a cat in sty1"], loras=[(ink, 0.8)], count=2, steps=2)
    assert len(pictures) == 2 and pictures[0].shape == (48, 48, 3)
    assert np.asarray(pictures).dtype == np.uint8 and pictures._repr_png_()[:4] == b"\x89PNG"
    Path("drawings").mkdir()
    pictures.save("drawings/two.png")
    new = lo.synthesize(["drawings/"])
    assert repr(new).startswith("SynthesisResult(Adapter(micro-1, ")
    lo.write(new.adapter, "new.safetensors")
    trained = lo.train(
        ["drawings/"], "mine.safetensors", prompt="a {} in sty1",
        recipe={"steps": 2, "batch": 1}, sheet=False,
    )  # fmt: skip
    assert trained.family == "micro-1" and Path("mine.safetensors").exists()
    report = lo.evaluate(
        ["mine.safetensors", ("ink.safetensors", 0.8)], ["a cat", "a dog", "a fish", "a car"],
        style=["drawings/"], count=1, steps=2,
    )  # fmt: skip
    (judge,) = report["judges"]
    assert report["each"] == 1 and "mine" in repr(report) and judge["rows"]
    with pytest.raises(lo.LorariumError, match="chat judges cost money"):
        lo.evaluate(["mine.safetensors"], ["a cat"], judges=["chat:x@http://localhost:1"])


def test_without_extras_each_verb_says_what_it_needs(here: Path) -> None:
    program = BLOCK.format(blocked=EXTRAS) + (
        "import lorarium as lo\n"
        "print(lo.merge(['cat.safetensors', 'ink.safetensors']))\n"
        "for call in (lambda: lo.train, lambda: lo.synthesize, lambda: lo.render(['a cat'])):\n"
        "    try: call()\n"
        "    except lo.LorariumError as error: print(error)\n"
        "    else: raise SystemExit('worked')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    first, *errors = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert first.startswith("Adapter(micro-1") and len(errors) == 3
    assert all("lorarium[torch]" in line for line in errors)
