"""Duplicates: every planted relative in its class, nothing else, and what was done to each."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from lorarium import formats
from lorarium.adapter import Adapter
from lorarium.algebra import add, cast, recompress, scale
from lorarium.formats import edit
from lorarium.library import Library, candidates
from lorarium.library.candidates import close_pairs
from lorarium.library.copies import CLASSES, Group
from tests.library.zoo import COPIES, each, ink, library, same_start, write

STRANGERS, FP8 = 12, ml_dtypes.float8_e4m3fn
# what was planted -> its class, and which of the two is the keeper
PLANTED: dict[str, tuple[str, str]] = {
    "padded": ("same weights", "padded"),
    "bf16": ("same weights", "bf16"),
    "rotated": ("same weights", "rotated"),
    "dialect": ("same weights", "dialect"),
    "metadata": ("same weights", "metadata"),
    "rescaled": ("scaled or negated", "rescaled"),
    "rounded": ("near", "rounded"),
    "resized": ("cut down", "resized"),
    "identical": ("identical bytes", "identical"),
    "linked": ("identical bytes", "linked"),
}


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
    for place, path in enumerate(sorted(loras.iterdir(), key=lambda p: ("-copy" in p.name, p))):
        os.utime(path, (10**9 + 10 * place,) * 2)
    return library(folder / "library", loras)


@pytest.fixture(scope="module")
def groups(made: Library) -> list[Group]:
    return made.duplicates()


def stem(path: str) -> str:
    return Path(path).stem


def test_all_relatives_and_nothing_else_each_in_its_class(groups: list[Group]) -> None:
    classes = {(g.name, stem(g.keeper), *(stem(c.path) for c in g.copies)) for g in groups}
    assert classes == {
        (name, keeper, f"{planted}-copy") for planted, (name, keeper) in PLANTED.items()
    }
    assert [g.name for g in groups] == sorted((g.name for g in groups), key=CLASSES.index)


@pytest.mark.parametrize(
    "name, change",
    [
        ("padded", "rank 4 → 7"),
        ("bf16", "float16 → bfloat16"),
        ("rotated", "same change in other factors"),
        ("dialect", "dialect kohya → diffusers"),
        ("metadata", "other metadata only"),
        ("rescaled", "strength x 0.7"),
        ("rounded", "differs by 0.00"),
        ("resized", "rank 4 → 2, error "),
        ("identical", "identical file"),
        ("linked", "the same file by another name"),
    ],
)
def test_what_was_done_is_told(groups: list[Group], name: str, change: str) -> None:
    (group,) = [g for g in groups if stem(g.keeper) == name]
    (copy,) = group.copies
    assert change in ", ".join(copy.changes)
    assert copy.size == Path(copy.path).stat().st_size
    assert copy.factor == pytest.approx(0.7 if name == "rescaled" else 1, abs=1e-3)


@pytest.mark.parametrize(
    "name, why",
    [
        ("padded", "unpadded"),
        ("bf16", "highest precision (float16)"),
        ("rotated", "oldest (2001-09-09)"),
        ("resized", "the others are parts of it"),
        ("linked", "not named as a copy"),
    ],
)
def test_the_reason_for_the_keeper(groups: list[Group], name: str, why: str) -> None:
    (group,) = [g for g in groups if stem(g.keeper) == name]
    assert group.reason == why


def test_only_copies_are_bytes_to_win(groups: list[Group]) -> None:
    for group in groups:
        copies = group.name in ("identical bytes", "same weights")
        size = sum(copy.size for copy in group.copies)
        # a second name of one file takes no room
        assert group.bytes_to_win == (size if copies and stem(group.keeper) != "linked" else 0)


def test_filter(made: Library) -> None:
    assert len(made.duplicates("path ~ bf16")) == 1
    assert made.duplicates("path ~ stranger") == []


def folder_of(tmp_path: Path, adapters: dict[str, Adapter]) -> list[Group]:
    """Groups of a folder whose files are as old as they are late in the list."""
    paths = write(tmp_path / "loras", adapters)
    for place, path in enumerate(paths):
        os.utime(path, (10**9 - 100 * place,) * 2)
    return library(tmp_path / "library", tmp_path / "loras").duplicates()


def summary(groups: list[Group]) -> list[tuple[str, str, set[str]]]:
    return [(g.name, stem(g.keeper), {stem(c.path) for c in g.copies}) for g in groups]


def to(adapter: Adapter, *dtypes: Any) -> Adapter:
    for dtype in dtypes:
        adapter = each(lambda d: cast(d, dtype))(adapter)  # noqa: B023
    return adapter


def test_a_chain_of_roundings_is_one_group_with_the_finest_kept(tmp_path: Path) -> None:
    a = ink(1, 8, dtype=np.float32)
    chain = {
        "a": a,
        "b16": to(a, np.float16),
        "b16-wide": to(a, np.float16, np.float32),
        "c8": to(a, np.float16, FP8),
        "c8-again": to(a, np.float16, FP8, ml_dtypes.bfloat16),
    }
    groups = folder_of(tmp_path, chain)
    assert summary(groups) == [("same weights", "a", set(chain) - {"a"})]
    assert groups[0].reason == "highest precision (float32)"


def test_a_widened_file_does_not_become_the_keeper(tmp_path: Path) -> None:
    # though it is the older one by its time, and "float32" says more than "float16"
    a = ink(1, 8)
    groups = folder_of(tmp_path, {"half": a, "wide": to(a, np.float32)})
    assert summary(groups) == [("same weights", "half", {"wide"})]
    assert groups[0].reason == "unpadded"


def test_new_factors_in_wider_numbers_know_no_more(tmp_path: Path) -> None:
    a = ink(1, 8)
    groups = folder_of(tmp_path, {"turned": rotate(to(a, np.float32)), "half": a})
    assert summary(groups) == [("same weights", "half", {"turned"})]
    assert groups[0].reason == "unpadded"


def test_a_merge_of_fine_and_coarse_numbers_is_finer_than_its_coarse_copy(tmp_path: Path) -> None:
    # most of its rounding is that of the coarse part, which both hold to the last bit
    fine, coarse = ink(1, 8, dtype=np.float32), to(ink(2, 8), ml_dtypes.bfloat16, np.float32)
    merge = add([scale(fine, 0.1), coarse])
    groups = folder_of(tmp_path, {"half": to(merge, np.float16), "merge": merge})
    assert summary(groups) == [("same weights", "merge", {"half"})]
    assert groups[0].reason == "highest precision (float32)"


def test_a_coarse_copy_of_a_later_state_does_not_join_the_two(tmp_path: Path) -> None:
    # within the rounding of 8 bits the two states are one, but not in the files that are here
    a = ink(1, 8, dtype=np.float32)
    rng = np.random.default_rng(0)
    shift = each(
        lambda d: replace(
            d, up=(d.up * (1 + 0.01 * rng.standard_normal(d.up.shape))).astype(d.up.dtype)
        )
    )
    later = shift(a)
    groups = folder_of(tmp_path, {"a": a, "later": later, "later8": to(rotate(later), FP8)})
    assert summary(groups) == [
        ("same weights", "later", {"later8"}),
        ("near", "later", {"a"}),
    ]


def rotate(a: Adapter) -> Adapter:
    return COPIES["rotated"][0](a)


def test_cuts_of_cuts_and_copies_of_cuts(tmp_path: Path) -> None:
    m = add([ink(1, 6, dtype=np.float32), ink(2, 6, dtype=np.float32)], [0.8, 0.5])
    k = recompress(m, rank=5)[0]
    files = {
        "m": to(m, np.float16),
        "k5": k,
        "k5-half": to(k, np.float16),
        "k2": recompress(k, rank=2)[0],
        "k2-weak": scale(recompress(m, rank=2)[0], 0.5),
    }
    groups = folder_of(tmp_path, files)
    by_name = {g.name: g for g in groups}
    assert summary([by_name["same weights"]]) == [("same weights", "k5", {"k5-half"})]
    # a finer file than the whole one is a part of it all the same
    cut = by_name["cut down"]
    assert (stem(cut.keeper), {stem(c.path) for c in cut.copies}) == ("m", {"k5", "k2", "k2-weak"})
    factors = {stem(c.path): c.factor for c in cut.copies}
    assert factors == {
        "k5": pytest.approx(1, abs=1e-3),
        "k2": pytest.approx(1, abs=1e-3),
        "k2-weak": pytest.approx(0.5, abs=1e-3),
    }
    assert set(by_name) == {"same weights", "cut down"}


def test_another_strength_in_the_config_is_no_copy(tmp_path: Path) -> None:
    # the tensors are the same byte for byte
    (tmp_path / "loras").mkdir()
    for name, alpha in (("one", 4), ("two", 8)):
        formats.write(ink(1), tmp_path / "loras" / name, "peft")
        config = tmp_path / "loras" / name / "adapter_config.json"
        known = json.loads(config.read_text())
        config.write_text(json.dumps(known | {"lora_alpha": alpha, "alpha_pattern": {}}))
    groups = library(tmp_path / "library", tmp_path / "loras").duplicates()
    assert [g.name for g in groups] == ["scaled or negated"]
    assert sorted([groups[0].copies[0].factor, 0.5])[0] == pytest.approx(0.5)


def test_the_name_that_its_maker_gave_decides_between_equals(tmp_path: Path) -> None:
    names = ("aaa", "Ink_Wash-v2", "b (1)")
    (tmp_path / "l").mkdir()
    for name in names:
        formats.write(ink(1, ss_output_name="ink wash v2"), tmp_path / "l" / f"{name}.safetensors")
        os.utime(tmp_path / "l" / f"{name}.safetensors", (10**9, 10**9))
    (group,) = library(tmp_path / "library", tmp_path / "l").duplicates()
    assert summary([group]) == [("identical bytes", "Ink_Wash-v2", {"aaa", "b (1)"})]
    assert group.reason == "its own name"


def test_files_that_are_gone_or_others_by_now_are_never_said_to_be_copies(tmp_path: Path) -> None:
    loras = tmp_path / "loras"
    paths = write(loras, {"a": ink(1), "b": to(ink(1), ml_dtypes.bfloat16)})
    made = library(tmp_path / "library", loras)
    assert [g.name for g in made.duplicates()] == ["same weights"]
    write(loras, {"b": ink(2)})
    (group,) = made.duplicates()
    assert group.name == "near" and "sketches alone" in group.copies[0].changes[-1]
    paths[0].unlink()
    assert [g.name for g in made.duplicates()] == ["near"]


def test_all_pairs_by_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((700, 512))
    vectors[650:] = vectors[:50] + 0.1 * rng.standard_normal((50, 512))
    vectors[649] = -vectors[60]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    expected = {(i, 650 + i) for i in range(50)} | {(60, 649)}
    assert set(close_pairs(vectors.astype(np.float16), 0.9)) == expected
    monkeypatch.setattr(candidates, "BLOCK", 64)
    assert set(close_pairs(vectors.astype(np.float16), 0.9)) == expected


def test_an_adapter_and_its_unet_alone(tmp_path: Path) -> None:
    full = formats.example.example(family="micro-1", seed=1)
    some = full.with_(deltas=dict(list(full.items())[:36]))
    write(tmp_path / "loras", {"whole": full, "some": some, "other": ink(2)})
    (group,) = library(tmp_path / "library", tmp_path / "loras").duplicates()
    assert (group.name, stem(group.keeper)) == ("cut down", "whole")
    assert group.copies[0].changes[0] == "48 → 36 modules"
    assert group.bytes_to_win == 0
