"""Every family of the catalogue: named from its tables, written and read in each dialect, and files
that resemble one without being it are left unknown."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from lorarium.errors import LorariumError
from lorarium.formats import read, read_report, write
from lorarium.formats.families import FAMILIES, table
from lorarium.formats.families.index import FILE
from lorarium.formats.families.indexing import walk
from lorarium.formats.reading import Source, interpret
from lorarium.formats.report import Report, WriteReport
from lorarium.formats.synthesise import make_fixture
from lorarium.formats.verify import difference
from lorarium.mergers import merge

DIALECTS = ("kohya", "diffusers", "comfy", "peft")


def keys(modules: Iterable[tuple[str, tuple[int, ...]]], prefix: str = "transformer.") -> Report:
    """What is said of an adapter of these modules; the entries take no memory."""
    tensors = {}
    for path, (out, into, *kernel) in modules:
        ones = (1,) * len(kernel)
        for letter, shape in (("A", (1, into, *kernel)), ("B", (out, 1, *ones))):
            key = f"{prefix}{path}.lora_{letter}.weight"
            tensors[key] = np.broadcast_to(np.float16(1), shape)
    return interpret(Source("x", tensors, {}, lambda prefix, name: None))[1]


def attentions(family: str) -> list[tuple[str, tuple[int, ...]]]:
    shapes = table(FAMILIES[family].net).shapes.items()
    return [(path, shape) for path, shape in shapes if ".attn" in path and len(shape) == 2]


@pytest.mark.parametrize("family", [id for id in FAMILIES if id != "anima-text"])
def test_a_whole_table_is_named_and_nothing_is_left_over(family: str) -> None:
    known = FAMILIES[family]
    report = keys(table(known.net).shapes.items(), f"{known.denoiser}.")
    family_guess = report.family
    assert family in (family_guess.id, *family_guess.alternatives)
    assert known.weight < 1 or (family_guess.id == family and family_guess.confidence > 0.8)
    assert report.count("mapped") == len(report.keys)


@pytest.mark.parametrize("family", ["flux1", "qwen-image", "wan-14b", "sd3", "z-image", "pixart"])
def test_a_small_model_of_the_same_architecture_is_unknown(family: str) -> None:
    """Names alone name nothing: every file of a tiny configuration was called by a family once."""
    small = [
        (path, (max(1, shape[0] // 64), max(1, shape[1] // 64), *shape[2:]))
        for path, shape in table(FAMILIES[family].net).shapes.items()
    ]
    family_guess = keys(small).family
    assert (family_guess.id, family_guess.confidence) == ("unknown", 0.0)
    assert any(
        f"names of {family}" in line and "0 its shapes" in line for line in family_guess.evidence
    )


def test_nine_in_ten_modules_must_fit() -> None:
    right = attentions("flux1")
    wrong = [(f"blocks.{i}.odd", (8, 8)) for i in range(len(right) // 5)]
    assert keys(right + wrong[: len(right) // 10]).family.id == "flux1"
    assert keys(right + wrong).family.id == "unknown"


def test_relatives_are_listed_with_what_would_tell_them_apart() -> None:
    family_guess = keys(attentions("flux1")).family
    assert family_guess.id == "flux1" and {"chroma", "bria", "longcat-image"} <= {
        *family_guess.alternatives
    }
    assert family_guess.confidence < 0.9
    assert any(
        "norm1.linear would be flux1; a change of distilled" in x for x in family_guess.evidence
    )


def test_the_depth_of_a_network_comes_first_but_does_not_exclude() -> None:
    shapes = table("longcat-image-10").shapes.items()
    family_guess = keys([(p, s) for p, s in shapes if ".attn." in p]).family
    assert family_guess.id == "longcat-image" and "flux1" in family_guess.alternatives


def test_three_modules_say_how_little_they_rest_on() -> None:
    family_guess = keys(attentions("wan-1.3b")[:3]).family
    assert family_guess.id == "wan-1.3b" and family_guess.confidence <= 0.8
    assert "this rests on 3 modules only" in family_guess.evidence


def test_a_controlnet_is_not_its_base() -> None:
    more = [(f"controlnet_blocks.{i}", (3072, 3072)) for i in range(40)]
    family_guess = keys([*table("qwen-image").shapes.items(), *more]).family
    assert family_guess.id == "unknown" and "a ControlNet" in family_guess.evidence[0]


def test_the_shape_of_a_relative_is_said() -> None:
    family_guess = keys(table("flux1-fill").shapes.items()).family
    assert (
        family_guess.id == "flux1"
        and "x_embedder has the shape of FLUX.1 Fill" in family_guess.evidence
    )


def test_unknown_keeps_its_names_and_changes_dotted_dialects(tmp_path: Path) -> None:
    names = [f"transformer.odd_layers.{i}.attention.to_q" for i in range(4)]
    rng = np.random.default_rng(0)
    tensors = {
        f"{name}.lora_{letter}.weight": rng.normal(size=shape).astype(np.float32)
        for name in names
        for letter, shape in (("A", (2, 12)), ("B", (10, 2)))
    }
    source = Source("x", tensors, {}, lambda prefix, name: None)
    adapter, report = interpret(source)
    assert report.family.id == "unknown" and report.count("mapped") == len(tensors)
    assert "odd_layers" in report.family.evidence[0]
    for dialect in ("diffusers", "bare", "diffusers-0.17"):
        written = write(adapter, tmp_path / f"{dialect}.safetensors", dialect)
        assert written.verified and not written.refused()
        back = read(tmp_path / f"{dialect}.safetensors")
        assert {m: difference(d, back[m]) for m, d in adapter.items()} == dict.fromkeys(adapter, 0)
    with pytest.raises(LorariumError, match="no module table"):
        write(adapter, tmp_path / "kohya.safetensors", "kohya")


def test_files_of_different_bases_never_merge(tmp_path: Path) -> None:
    files = {}
    for family in ("flux1", "qwen-image"):
        made = make_fixture(family, "diffusers", every=False)
        files[family] = read(made.save(tmp_path / f"{family}.safetensors"), family)
    stranger = files["flux1"].with_(family="unknown")
    for pair in (("flux1", "qwen-image"), ("flux1", "unknown")):
        with pytest.raises(LorariumError, match="different base models"):
            merge([files.get(name, stranger) for name in pair], [1, 1])


def unsayable(report: WriteReport) -> set[str]:
    """Modules that some dialects have no words for: second experts, depthwise convolutions."""
    reasons = ("holds one expert", "depthwise convolution")
    return {f.name for f in report.refused() if any(reason in f.reason for reason in reasons)}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("family", FAMILIES)
def test_one_module_of_each_sort_goes_there_and_back(
    family: str, dialect: str, tmp_path: Path
) -> None:
    def path(name: str, dialect: str) -> Path:
        return tmp_path / (name if dialect == "peft" else f"{name}.safetensors")

    made = make_fixture(family, dialect, rank=1, alpha=0.5, every=False)
    adapter, report = read_report(made.save(path("source", dialect)), family)
    assert report.count("mapped") == len(report.keys) and not report.refused()
    other = DIALECTS[DIALECTS.index(dialect) - 1]
    there = write(adapter, path("there", other), other)
    lost = unsayable(there)
    assert there.verified and there.worst_error == 0 and len(there.refused()) == len(lost)
    again = write(read(path("there", other), family), path("back", dialect), dialect)
    lost |= unsayable(again)
    assert again.verified and again.worst_error == 0 and {f.name for f in again.refused()} <= lost
    back = read(path("back", dialect), family)
    for module, delta in adapter.items():
        assert str(module) in lost or difference(delta, back[module]) == 0


def test_an_expert_is_kept_through_files_that_cannot_say_it(tmp_path: Path) -> None:
    made = make_fixture(
        "wan-14b", "diffusers", every=False, keep=lambda part, name: "attn1" in name
    )
    both = read(made.save(tmp_path / "x.safetensors"), "wan-14b")
    assert set(both.parts()) == {"denoiser", "denoiser_2"}
    low = both.with_(deltas={m: d for m, d in both.items() if m.part == "denoiser_2"})
    write(low, tmp_path / "y.safetensors", "kohya")
    back, _ = read_report(tmp_path / "y.safetensors", "wan-14b")
    assert set(back.deltas) == set(low.deltas) and back.metadata["lorarium.expert"] == "low"
    written = write(both, tmp_path / "z.safetensors", "comfy")
    assert len(written.refused()) == len(low) and written.verified


def test_the_index_says_what_the_tables_say() -> None:
    """Else a new family is never a candidate: `python benchmarks/family_index.py` writes it."""
    assert json.loads(FILE.read_text("utf-8")) == walk()
