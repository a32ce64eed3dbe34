"""A zoo is a function of its recipe; minting goes on where it stopped."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest

from lorarium.errors import LorariumError
from lorarium.formats import read
from lorarium.pictures import write_png
from lorarium.recipes import zoo
from lorarium.training.fit import fit
from lorarium.training.manifest import pool_cell, read_manifest
from lorarium.training.mint import groups, job_of, mint
from lorarium.world.splits import split_of
from tests.bases.tiny import WHOLE, micro

pytestmark = pytest.mark.interop
T = TypeVar("T")
SMALL = """
name = "small"
seed = 3
[recipes.R0]
rank = 2
alpha = 2.0
steps = 2
batch = 1
[recipes.R1]
rank = 3
alpha = 1.0
steps = 2
batch = 1
targets = "attention"
[[styles]]
split = "test"
of = ["ink"]
each = 1
copies = 4
others = 1
[[adapters]]
name = "mine"
pictures = "pictures"
prompt = "a {} in sty1"
"""


def recipe(folder: Path, text: str = SMALL) -> Path:
    (folder / "pictures").mkdir(exist_ok=True)
    write_png(folder / "pictures" / "a.png", np.full((9, 9, 3), 80, np.uint8), force=True)
    (folder / "pictures" / "a.txt").write_text("cat")
    (folder / "small.toml").write_text(text)
    return folder / "small.toml"


def test_minting_equals_training_alone_and_resumes(tmp_path: Path) -> None:
    base, manifest = micro(WHOLE), read_manifest(recipe(tmp_path))
    assert len(manifest.entries) == 6
    first = mint(manifest, tmp_path / "zoo", base, batch=4, workers=2)
    assert (first.made, first.there, first.left) == (6, 0, 0)
    with pytest.raises(LorariumError, match="--resume"):
        mint(manifest, tmp_path / "zoo", base)
    gone = [tmp_path / "zoo" / f"{manifest.entries[i].id}.safetensors" for i in (1, 5)]
    old = [path.read_bytes() for path in gone]
    for path in gone:
        path.unlink()
    again = mint(manifest, tmp_path / "zoo", base, resume=True, batch=4, workers=1)
    assert (again.made, again.there) == (2, 4)
    for path, bytes_ in zip(gone, old, strict=True):
        assert abs(len(path.read_bytes()) - len(bytes_)) < 64
    for entry in manifest.entries:
        minted = read(tmp_path / "zoo" / f"{entry.id}.safetensors")
        assert minted.family == "micro-2"
        alone = fit(base, [job_of(entry, base)])[0]
        for module in alone:
            one, two = alone[module], minted[module]
            np.testing.assert_allclose(
                one.scale * one.up @ one.down, two.scale * two.up @ two.down, atol=2e-6
            )  # type: ignore[union-attr]


@pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="looks at processes as Linux shows them"
)
def test_what_is_killed_leaves_no_worker_behind(tmp_path: Path) -> None:
    """Or the next call would do the same work beside it."""
    path = recipe(tmp_path, SMALL.replace("steps = 2", "steps = 100000"))
    assert "100000" in path.read_text()
    parent = subprocess.Popen([sys.executable, "-c", ENDLESS, str(path), str(tmp_path / "zoo")])
    children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
    try:
        workers = eventually(lambda: {p for p in children.read_text().split() if busy(p)})
    finally:
        parent.kill()
        parent.wait()
    eventually(lambda: not any(busy(p) for p in workers))


ENDLESS = """
import sys
from pathlib import Path
from lorarium.training.manifest import read_manifest
from lorarium.training.mint import mint
from tests.bases.tiny import WHOLE, micro
if __name__ == "__main__":
    mint(read_manifest(Path(sys.argv[1])), Path(sys.argv[2]), micro(WHOLE), batch=4, workers=2)
"""


def busy(process: str) -> bool:
    """Whether it is there and has worked for two seconds."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return False
    return fields[0] != "Z" and int(fields[11]) > 2 * os.sysconf("SC_CLK_TCK")


def eventually(true: Callable[[], T], seconds: float = 60.0) -> T:
    end = time.monotonic() + seconds
    while not (value := true()):
        assert time.monotonic() < end
        time.sleep(0.1)
    return value


def test_another_base_or_recipe_is_refused(tmp_path: Path) -> None:
    manifest = read_manifest(recipe(tmp_path))
    mint(manifest, tmp_path / "zoo", micro(WHOLE), minutes=0.0)
    with pytest.raises(LorariumError, match="another recipe or base"):
        mint(manifest, tmp_path / "zoo", micro(WHOLE, seed=1), resume=True)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("dear")
    with pytest.raises(LorariumError, match="not an empty folder"):
        mint(manifest, tmp_path / "full", micro(WHOLE))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nonsense", "cannot read a recipe"),
        ("[recipes.R0]\nspeed = 3", "no 'speed'"),
        ("[recipes.R0]\nrank = 4", "makes no adapters"),
        ("[[styles]]\neach = 1", "'split' is missing"),
        ("[[animals]]\neach = 1", "no 'animals'"),
        ('[[adapters]]\npictures = "x"\nname = "../x"', "no file name"),
        ('[[adapters]]\npictures = "x"\nrecipe = "R7"', "recipe is 'R7'; there are R0"),
        ('[[styles]]\nsplit = "test"\neach = 1\nword = 9', "word is 9"),
    ],
)
def test_bad_recipes_are_sentences(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(LorariumError, match=words):
        read_manifest(recipe(tmp_path, text))


def test_the_zoo_is_the_committed_one() -> None:
    assert zoo.COMMITTED.read_text() == zoo.manifest().text()


def test_the_zoo_is_as_promised() -> None:
    entries = zoo.manifest().entries
    tests = {
        k: [e for e in entries if (e.kind, e.split) == (k, "test")] for k in ("style", "subject")
    }
    assert len({e.of for e in tests["style"]}) >= 64
    assert len({e.of for e in tests["subject"]}) >= 40
    for of in {e.of for e in tests["subject"]}:
        adapters = [e for e in tests["subject"] if e.of == of]
        assert len([e for e in adapters if e.recipe == "S0"]) == 4 and len(adapters) == 5
        assert all(len(e.pictures) in (3, 4, 5, 6) for e in adapters)
    for of in {e.of for e in tests["style"]}:
        adapters = [e for e in tests["style"] if e.of == of]
        usual = [e for e in adapters if e.recipe == "R0"]
        assert len(usual) >= 4 and len({e.recipe for e in adapters} - {"R0", "random"}) >= 3
        assert len({e.init_seed for e in usual}) == 3 and min(len(e.pictures) for e in usual) == 3
        assert len({e.pictures for e in usual}) == 4 and len({e.seed for e in usual}) == 4
    assert {e.split for e in entries if e.recipe == "random"} == {"test"}
    kinds = Counter(e.kind for e in entries)
    assert 1000 <= kinds["style"] <= 1300 and 300 <= kinds["subject"] <= 450
    assert json.loads(zoo.COMMITTED.read_text())["entries"][0]["id"] == entries[0].id


def test_pools_stay_in_their_split() -> None:
    for entry in zoo.manifest().entries[::37]:
        assert split_of(entry.of[1]) == entry.split
        for i in entry.pictures[:3]:
            subject, style, view, words = pool_cell(entry, i)
            assert {split_of(n) for n in (subject.number, style.number, view.number)} == {
                entry.split
            }
            assert (subject if entry.kind == "subject" else style).number == entry.of[1]
            assert subject.kind in words


def test_motifs_and_captions(tmp_path: Path) -> None:
    few = SMALL.replace("rank = 2\n", "rank = 2\nmotifs = 2\npictures = 5\ncaptioned = 0.0\n")
    manifest = read_manifest(recipe(tmp_path, few))
    first, *_, other = [e for e in manifest.entries if e.kind == "style"]
    kinds = {pool_cell(first, i)[0].kind for i in first.pictures}
    assert len(first.pictures) == 5 and len(kinds) == 2 and not first.captioned
    base = micro(WHOLE)
    assert set(job_of(first, base).prompts) == {"in sty1"}
    assert other.recipe == "R1" and len(other.pictures) == 12 and other.captioned
    assert len({pool_cell(other, i)[0].kind for i in other.pictures}) == 12
    assert len(set(job_of(other, base).prompts)) == 12
    assert "captioned" not in other.as_json() and first.as_json()["captioned"] is False


def test_groups_share_what_a_batch_must_share() -> None:
    entries = zoo.manifest().entries
    batches = list(groups(entries, 8))
    assert sorted(e.id for g in batches for e in g) == sorted(e.id for e in entries)
    for group in batches:
        assert len(group) <= 8
        assert len({(e.numbers.steps, e.numbers.batch, e.numbers.targets) for e in group}) == 1


def test_an_unknown_name_is_answered_with_the_one_meant(tmp_path: Path) -> None:
    with pytest.raises(LorariumError, match="did you mean 'rank'"):
        read_manifest(recipe(tmp_path, "[recipes.R0]\nrnak = 4"))


def spoiled(value: str) -> list[str]:
    """The small recipe with one value after the other replaced by another."""
    lines = SMALL.strip().split("\n")
    return [
        "\n".join([*lines[:i], f"{line.partition('=')[0]}= {value}", *lines[i + 1 :]])
        for i, line in enumerate(lines)
        if "=" in line
    ]


WRONG = ("[]", "{}", "true", "-1", "1.5e300", "nan", "inf", "9" * 400, '"x\\u001b[31m"', "[[1]]",
         "1979-05-27", "[1, 'a']", "{a = 1}")  # fmt: skip


@pytest.mark.parametrize("value", WRONG)
def test_no_wrong_type_gets_through(tmp_path: Path, value: str) -> None:
    """Either the value is one that can stand there, or one line says why not."""
    for text in spoiled(value):
        try:
            manifest = read_manifest(recipe(tmp_path, text))
        except LorariumError as error:
            assert str(error).isprintable() and "small.toml" in str(error), str(error)
        else:
            assert 1 <= len(manifest.entries) < 1000


@pytest.mark.parametrize("value", WRONG)
@pytest.mark.parametrize(
    "place",
    ["recipes = ", "random = ", "styles = ", "adapters = ", "recipes.R0 = ", "random.rank = ",
     "random.lr = ", "random.pictures = ", "random.captioned = ", "random.targets = ",
     "random.steps = "],
)  # fmt: skip
def test_no_wrong_table_gets_through(tmp_path: Path, place: str, value: str) -> None:
    text = f'{place}{value}\n[[subjects]]\nsplit = "test"\neach = 1\nrandom = 1\nmost = 1\n'
    if place.startswith("recipes"):
        text = f'{place}{value}\n[[adapters]]\npictures = "pictures"\n'
    try:
        read_manifest(recipe(tmp_path, text))
    except LorariumError as error:
        assert str(error).isprintable(), str(error)
