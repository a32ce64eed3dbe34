"""Every dialect, family and kind: read, converted to each dialect it can have, and back."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from lorarium.adapter import Adapter, Bias, Dora, LowRank, Module
from lorarium.formats import read, read_report, write
from lorarium.formats.dialects import DIALECTS, TARGETS
from lorarium.formats.families import FAMILIES
from lorarium.formats.synthesise import KINDS, make_fixture
from lorarium.formats.verify import difference
from tests.formats.oracle import dense

UNETS = [name for name, family in FAMILIES.items() if family.denoiser == "unet"]
# whole tables in every dialect; the others differ in names only: see test_families.py
FULL = [*UNETS, "flux1", "sd35-medium", "micro-1"]
POSITIONAL = ("sd1", "sd2")


def dialects_of(family: str) -> list[str]:
    """Dialects that occur for a family."""
    gone = set() if family in POSITIONAL else {"cloneofsimo"}
    if family not in UNETS:
        gone |= {name for name in DIALECTS if name.startswith("attention")}
        gone |= {"diffusers-double"}
    return [name for name in DIALECTS if name not in gone]


CASES = [(family, dialect) for family in FULL for dialect in dialects_of(family)]


def place(folder: Path, name: str, dialect: str) -> Path:
    return folder / (name if dialect == "peft" else f"{name}.safetensors")


def same_changes(a: Adapter, b: Adapter, modules: set[Module]) -> None:
    for module in modules:
        assert difference(a[module], b[module]) == 0.0, str(module)


@pytest.mark.parametrize(("family", "dialect"), CASES)
def test_full_table_is_read_whole_and_survives_a_conversion(
    family: str, dialect: str, tmp_path: Path
) -> None:
    made = make_fixture(family, dialect, rank=1, alpha=0.5)
    source = made.save(place(tmp_path, "source", dialect))
    adapter, report = read_report(source)
    assert report.family.id == family and report.family.alternatives == ()
    assert report.count("mapped") == len(report.keys) == sum(map(len, made.tensors.values()))
    bare = dialect == "peft-bare"
    assert len(report.warnings) == bare, report.warnings

    other = TARGETS[CASES.index((family, dialect)) % len(TARGETS)]
    first = write(adapter, place(tmp_path, "first", other), other)
    assert first.verified and first.worst_error == 0.0 and not first.refused()
    there, there_report = read_report(place(tmp_path, "first", other))
    assert there_report.family.id == family and not there_report.refused()
    assert set(there.deltas) == set(adapter.deltas)
    back = write(there, place(tmp_path, "back", dialect), dialect)
    assert back.verified and back.worst_error == 0.0 and not back.refused()
    same_changes(adapter, read(place(tmp_path, "back", dialect)), set(adapter.deltas))


SAMPLED = [
    (family, dialect, kind)
    for family, dialect in CASES
    for kind in KINDS
    if DIALECTS[dialect].kinds >= {re.sub(r"-.*", "", kind)} and kind != "lora"
    if (kind, DIALECTS[dialect].tails) != ("bias", None)
    # the rarer UNets differ in names only, which the full tables above go through
    if family in ("sd1", "sdxl", "flux1") or dialect in ("kohya", "comfy")
]


def small(part: str, name: str) -> bool:
    """Weights that a dense check can afford."""
    return bool(re.search(r"^(conv_(in|out)|input_blocks\.0|x_emb|img_in)|[a-z]_proj$|0\.op", name))


@pytest.mark.parametrize(("family", "dialect", "kind"), SAMPLED)
def test_each_kind_in_each_dialect_that_has_it(
    family: str, dialect: str, kind: str, tmp_path: Path
) -> None:
    keep = small if kind in ("full", "lokr-whole") else None
    made = make_fixture(family, dialect, kind, rank=2, alpha=1, every=False, keep=keep)
    if not made.tensors:
        pytest.skip(f"{family} has no module that can be {kind}")
    adapter, report = read_report(made.save(place(tmp_path, "source", dialect)), family)
    assert report.count("mapped") == len(report.keys)
    for target in TARGETS:
        path = place(tmp_path, f"to-{target}", target)
        try:
            written = write(adapter, path, target)
        except Exception as error:
            assert "nothing in it can be written" in str(error)
            continue
        assert written.verified and written.worst_error == 0.0
        refused = {module.name for module in written.refused()}
        assert all(module.reason for module in written.refused())
        written_modules = {module for module in adapter if str(module) not in refused}
        if target in ("kohya", "comfy"):
            assert not refused
        there = read(path, family)
        assert written_modules <= set(there.deltas)
        same_changes(adapter, there, written_modules)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dialect", ["kohya", "diffusers", "comfy"])
@pytest.mark.parametrize("family", ["sd1", "sdxl", "flux1"])
def test_dense_changes_agree_with_the_definitions(
    family: str, dialect: str, target: str, tmp_path: Path
) -> None:
    """Not our own comparison, but whole matrices, on one module of each small sort."""

    def narrow(part: str, name: str) -> bool:
        return part == "text_encoder" or bool(re.search(r"to_k|emb|_in\b", name))

    made = make_fixture(family, dialect, rank=3, alpha=4.5, every=False, keep=narrow)
    adapter = read(made.save(place(tmp_path, "source", dialect)), family)
    write(adapter, place(tmp_path, "there", target), target)
    there = read(place(tmp_path, "there", target), family)
    assert set(there.deltas) == set(adapter.deltas)
    for module, delta in adapter.items():
        before, after = dense(delta), dense(there[module])
        scale = np.abs(before).max()
        np.testing.assert_allclose(after, before, rtol=0, atol=2e-3 * scale)


def test_parts_of_a_fused_weight_share_one_down(tmp_path: Path) -> None:
    made = make_fixture("flux1", "kohya", rank=4, alpha=8, every=False)
    adapter = read(made.save(tmp_path / "x.safetensors"), "flux1")
    parts = [
        adapter["denoiser", f"single_transformer_blocks.0.{name}"]
        for name in ("attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp")
    ]
    stem = "lora_unet_single_blocks_0_linear1"
    assert all(isinstance(part, LowRank) and part.fused == stem for part in parts)
    assert len({id(part.down) for part in parts if isinstance(part, LowRank)}) == 1
    last = parts[-1]
    assert isinstance(last, LowRank) and last.fused_rows == (9216, 21504)


def test_parts_with_different_downs_are_joined_as_blocks_and_come_apart_again(
    tmp_path: Path,
) -> None:
    adapter = read(
        make_fixture("flux1", "diffusers", rank=2, every=False).save(tmp_path / "x.safetensors"),
        "flux1",
    )
    report = write(adapter, tmp_path / "y.safetensors", "kohya")
    assert report.verified and report.count("exact") == len(adapter)
    back = read(tmp_path / "y.safetensors", "flux1")
    query = back["denoiser", "transformer_blocks.0.attn.to_q"]
    assert isinstance(query, LowRank) and query.rank == 2
    same_changes(adapter, back, set(adapter.deltas))


def test_a_missing_member_of_a_fused_weight_is_a_block_of_zeros(tmp_path: Path) -> None:
    adapter = read(
        make_fixture("flux1", "diffusers", rank=2, every=False).save(tmp_path / "x.safetensors"),
        "flux1",
    )
    without = {m: d for m, d in adapter.items() if not m.path.endswith("to_k")}
    write(adapter.with_(deltas=without), tmp_path / "y.safetensors", "kohya")
    assert set(read(tmp_path / "y.safetensors", "flux1").deltas) == set(without)


@pytest.mark.parametrize("alpha", [1.0, 3.0, 0.1, 7.7, -2.0])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_scales_are_folded_within_one_ulp_and_the_report_says_so(
    alpha: float, dtype: type, tmp_path: Path
) -> None:
    made = make_fixture("sd1", "kohya", rank=4, alpha=alpha, dtype=dtype, every=False)
    adapter = read(made.save(tmp_path / "x.safetensors"), "sd1")
    for target in ("peft", "comfy"):
        report = write(adapter, place(tmp_path, target, target), target)
        assert report.worst_error == 0.0 and report.count("rounded") == 0
    report = write(adapter, tmp_path / "y.safetensors", "diffusers")
    power_of_two = alpha in (1.0, -2.0)
    assert report.verified and (report.worst_error == 0.0) == power_of_two
    assert report.count("exact" if power_of_two else "rounded") == len(adapter)
    assert report.worst_error <= np.finfo(dtype).eps
    back = read(tmp_path / "y.safetensors", "sd1")
    for module, delta in adapter.items():
        after = back[module]
        assert isinstance(delta, LowRank) and isinstance(after, LowRank)
        if not power_of_two:
            exact = delta.up.astype(np.float64) * delta.scale
            ratio = np.abs(after.up.astype(np.float64)).max() / np.abs(exact).max()
            power = 2.0 ** round(np.log2(ratio))
            error = np.abs(after.up.astype(np.float64) / power - exact)
            ulp = np.spacing(np.abs(exact).astype(dtype)).astype(np.float64)
            assert (error <= ulp).all()


def test_casting_rounds_and_says_so(tmp_path: Path) -> None:
    made = make_fixture("sd1", "kohya", rank=2, dtype=np.float32, every=False)
    adapter = read(made.save(tmp_path / "x.safetensors"), "sd1")
    report = write(adapter, tmp_path / "y.safetensors", dtype="bf16")
    assert report.verified and report.count("rounded") == len(adapter)
    back = read(tmp_path / "y.safetensors", "sd1")
    assert all(delta.up.dtype.name == "bfloat16" for _, delta in back.items())
    widened = write(back, tmp_path / "z.safetensors", dtype="fp32")
    assert widened.count("exact") == len(adapter) and widened.worst_error == 0.0


def test_peft_bias_is_scaled_with_the_factors(tmp_path: Path) -> None:
    made = make_fixture("sd1", "kohya", rank=2, alpha=1, every=False, keep=lambda p, n: "fc1" in n)
    adapter = read(made.save(tmp_path / "x.safetensors"), "sd1")
    module = next(iter(adapter))
    bias = Module(module.part, f"{module.path}.bias")
    adapter = adapter.with_(
        deltas={**adapter.deltas, bias: Bias(np.arange(3072, dtype=np.float16) / 4096)}
    )
    report = write(adapter, tmp_path / "folder", "peft")
    assert report.verified and report.count("exact") == 2
    back = read(tmp_path / "folder", "sd1")
    assert back[bias].scale == 0.5
    np.testing.assert_array_equal(dense(back[bias]), dense(adapter[bias]))


def test_dora_magnitudes_change_shape_but_not_value(tmp_path: Path) -> None:
    made = make_fixture("sdxl", "kohya", "dora", rank=2, every=False)
    adapter = read(made.save(tmp_path / "x.safetensors"), "sdxl")
    for target in TARGETS:
        path = place(tmp_path, target, target)
        assert write(adapter, path, target).verified
        back = read(path, "sdxl")
        for module, delta in adapter.items():
            other = back[module]
            assert isinstance(delta, Dora) and isinstance(other, Dora)
            np.testing.assert_array_equal(delta.magnitude, other.magnitude)


@pytest.mark.parametrize("magnitude", [(1, 1), (1, 3)])
def test_a_magnitude_that_is_not_of_the_outputs_is_refused_where_outputs_have_their_own(
    tmp_path: Path, magnitude: tuple[int, ...]
) -> None:
    change = LowRank(np.ones((4, 2), np.float32), np.ones((2, 3), np.float32))
    name = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
    other = name.replace("to_q", "to_k")
    dora = Dora(change, np.ones(magnitude, np.float32))
    adapter = Adapter({Module("denoiser", name): dora, Module("denoiser", other): change})
    for dialect in ("peft", "diffusers"):
        written = write(adapter, tmp_path / f"{dialect}.safetensors", dialect)
        assert [fate.name for fate in written.refused()] == [f"denoiser:{name}"]
        assert "one magnitude per input" in written.refused()[0].reason
