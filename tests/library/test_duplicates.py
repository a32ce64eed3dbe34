"""Duplicates: every planted copy, nothing else, and what was done to each."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from lorarium import formats
from lorarium.algebra import add, recompress
from lorarium.formats import edit
from lorarium.library import Library, duplicates
from lorarium.library.duplicates import close_pairs
from tests.library.zoo import COPIES, each, ink, library, same_start, write

STRANGERS = 12


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Library:
    folder = tmp_path_factory.mktemp("duplicates")
    loras = folder / "loras"
    write(loras, {f"stranger{i}": ink(100 + i) for i in range(STRANGERS)})
    write(loras, {"another subject": same_start(ink(100), 1)})
    # a later checkpoint of stranger0 is no copy
    write(loras, {"checkpoint": recompress(add([ink(100), ink(300)], [1.1, 0.4]), rank=4)[0]})
    # nor is a merge in which something stands at full weight, though that is a part of it
    write(loras, {"merge": add([ink(101), ink(102)], [1.0, 0.5])})
    for seed, (name, (change, _)) in enumerate(COPIES.items()):
        write(loras, {name: ink(seed), f"{name}-copy": change(ink(seed))})
    write(loras, {"dialect": ink(20)})
    write(loras, {"dialect-copy": ink(20)}, "diffusers")
    write(loras, {"identical": ink(21), "metadata": ink(22), "linked": ink(23)})
    shutil.copyfile(loras / "identical.safetensors", loras / "identical-copy.safetensors")
    shutil.copyfile(loras / "metadata.safetensors", loras / "metadata-copy.safetensors")
    edit.edit_metadata(loras / "metadata-copy.safetensors", put={"title": "stolen"})
    os.link(loras / "linked.safetensors", loras / "linked-copy.safetensors")
    zero = each(lambda d: type(d)(d.up, d.down, scale=0.0))
    write(loras, {"zero1": zero(ink(31)), "zero2": zero(ink(32, rank=2))})
    (loras / "bad1.safetensors").write_bytes(b"oops")
    (loras / "bad2.safetensors").write_bytes(b"oops")
    return library(folder / "library", loras)


def stem(path: str) -> str:
    return Path(path).stem


def test_all_copies_and_nothing_else(made: Library) -> None:
    groups = made.duplicates()
    found = {frozenset({stem(g.keep), *(stem(c.path) for c in g.copies)}) for g in groups}
    planted = [*COPIES, "dialect", "identical", "metadata", "linked"]
    assert found == {frozenset({name, f"{name}-copy"}) for name in planted}


@pytest.mark.parametrize(
    "name, told",
    [
        *((name, word) for name, (_, word) in COPIES.items()),
        ("dialect", "dialect"),
        ("identical", "identical file"),
        ("metadata", "other metadata only"),
        ("linked", "the same file by another name"),
    ],
)
def test_what_was_done_is_told(made: Library, name: str, told: str) -> None:
    (group,) = [g for g in made.duplicates() if stem(g.keep).removesuffix("-copy") == name]
    (copy,) = group.copies
    # the finer one is kept: of a padded file that is the one with more rank
    change = ", ".join(copy.changes)
    if name == "padded":
        assert stem(group.keep) == "padded-copy" and "rank 7 → 4" in change
    elif name == "dialect":
        assert "dialect" in change
    else:
        assert stem(group.keep) == name and told in change
    assert copy.cosine >= 0.7 and copy.size == Path(copy.path).stat().st_size


def test_filter(made: Library) -> None:
    assert len(made.duplicates("path ~ bf16")) == 1
    assert made.duplicates("path ~ stranger") == []


def test_all_pairs_by_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((700, 512))
    vectors[650:] = vectors[:50] + 0.1 * rng.standard_normal((50, 512))
    vectors[649] = -vectors[60]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    expected = {(i, 650 + i) for i in range(50)} | {(60, 649)}
    assert set(close_pairs(vectors.astype(np.float16), 0.9)) == expected
    monkeypatch.setattr(duplicates, "BLOCK", 64)
    assert set(close_pairs(vectors.astype(np.float16), 0.9)) == expected


def test_an_adapter_and_its_unet_alone(tmp_path: Path) -> None:
    whole = formats.example.example(family="micro-1", seed=1)
    some = whole.with_(deltas=dict(list(whole.items())[:36]))
    write(tmp_path / "loras", {"whole": whole, "some": some, "other": ink(2)})
    (group,) = library(tmp_path / "library", tmp_path / "loras").duplicates()
    assert stem(group.keep) == "whole"
    assert group.copies[0].changes == ("48 → 36 modules",)
