"""Baking: W + ΔW by the dense oracle, everything else byte for byte, in bounded memory."""

import json
import subprocess
import sys
import tracemalloc

import ml_dtypes
import numpy as np
import pytest
from click.testing import CliRunner

from checkpoints import diffusers, lora, native, save_checkpoint, weights
from lorarium import LorariumError, formats
from lorarium.adapter import Adapter, Bias, Dora, Kronecker, LowRank, Module
from lorarium.algebra import dense_delta
from lorarium.cli import cli
from lorarium.formats.checkpoint import open_checkpoint
from lorarium.formats.container import load
from lorarium.mergers.bake import bake

FAMILIES = ("sd1", "sdxl", "flux1")
QKV = [f"transformer_blocks.3.attn.to_{x}" for x in "qkv"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("naming", ["native", "diffusers"])
def test_it_adds_what_the_dense_oracle_says(family, naming, folder):
    made = weights(family)
    tensors = native(made, family) if naming == "native" else diffusers(made)
    tensors["extra.norm"] = np.arange(3, dtype=np.int64)
    base = save_checkpoint(folder / "base.safetensors", tensors)
    part = "" if naming == "native" else "denoiser"
    first, second = lora(made, family, part=part), lora(made, family, 3, seed=6, part=part)
    done = bake(base, [first, second], [0.5, -2], out="out.safetensors")
    assert done.family == family and not done.left_out and done.changed == len(tensors) - 1
    found = open_checkpoint("out.safetensors")
    for module, delta in first.items():
        change = 0.5 * dense_delta(delta) - 2 * dense_delta(second[module])
        want = made[module] + change.reshape(made[module].shape)
        assert np.allclose(found.weight(module), want, atol=1e-5), module
    assert np.array_equal(found.tensor("extra.norm"), np.arange(3))


def test_other_tensors_and_number_types_stay(folder):
    made = weights("sd1")
    for dtype in (np.float16, ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn):
        base = save_checkpoint(folder / "base.safetensors", native(made, "sd1"), dtype)
        module = Module("denoiser", "mid_block.attentions.0.proj_in")
        adapter = lora({module: made[module]}, "sd1")
        bake(base, [adapter], out="out.safetensors", force=True)
        old, new = load(base), load("out.safetensors")
        assert [*old.tensors] == [*new.tensors]
        key = "model.diffusion_model.middle_block.1.proj_in.weight"
        for name, array in old.tensors.items():
            assert new.tensors[name].dtype == dtype
            assert (new.tensors[name].tobytes() == array.tobytes()) == (name != key)
        want = old.tensors[key].astype(np.float32) + dense_delta(adapter[module])
        assert np.array_equal(new.tensors[key].astype(np.float32), want.astype(dtype).astype("f4"))


def test_dora_is_taken_at_the_base(folder):
    made = weights("sd1")
    base = save_checkpoint(folder / "base.safetensors", diffusers(made))
    linear = Module("denoiser", "mid_block.attentions.0.transformer_blocks.0.attn2.to_k")
    kernel = Module("denoiser", "mid_block.resnets.0.conv1")
    inner = lora({m: made[m] for m in (linear, kernel)}, "sd1")
    rng = np.random.default_rng(0)
    by_out = rng.random((len(made[linear]), 1), np.float32) + 1
    by_in = rng.random((1, made[kernel].shape[1], 1, 1), np.float32) + 1
    deltas = {linear: Dora(inner[linear], by_out), kernel: Dora(inner[kernel], by_in)}
    bake(base, [Adapter(deltas, "sd1")], out="out.safetensors")
    found = open_checkpoint("out.safetensors")
    for module, axes, size in ((linear, (1,), by_out), (kernel, (0, 2, 3), by_in)):
        moved = found.weight(module)
        norms = np.sqrt((moved.astype(float) ** 2).sum(axis=axes, keepdims=True))
        assert np.allclose(norms, size, rtol=1e-5)
        plain = made[module] + dense_delta(inner[module])
        assert np.allclose(moved / norms, plain / np.sqrt((plain**2).sum(axes, keepdims=True)))


def test_a_change_of_the_fused_weight_reaches_separate_ones(folder):
    made = weights("flux1")
    tall = sum(len(made["denoiser", path]) for path in QKV)
    rng = np.random.default_rng(0)
    w2 = rng.standard_normal((tall // 2, 4)).astype(np.float32)
    delta = Kronecker(w1=rng.standard_normal((2, 2)), w2=w2)
    adapter = Adapter({("denoiser", "double_blocks.3.img_attn.qkv"): delta}, "flux1")
    for tensors in (native(made, "flux1"), diffusers(made)):
        base = save_checkpoint(folder / "b.safetensors", tensors)
        bake(base, [adapter], out="out.safetensors", force=True)
        found = open_checkpoint("out.safetensors")
        want = np.concatenate([made["denoiser", path] for path in QKV]) + dense_delta(delta)
        got = np.concatenate([found.weight(Module("denoiser", path)) for path in QKV])
        assert np.allclose(got, want, atol=1e-5)


def test_a_folder_of_files_becomes_one(folder):
    made = weights("flux1")
    tensors = diffusers(made)
    (folder / "transformer").mkdir()
    keys = sorted(tensors)
    for i in range(2):
        name = f"diffusion_pytorch_model-0000{i + 1}-of-00002.safetensors"
        save_checkpoint(folder / "transformer" / name, {key: tensors[key] for key in keys[i::2]})
    bake(
        folder,
        [lora({Module("denoiser", QKV[0]): made["denoiser", QKV[0]]}, "flux1")],
        out="o.safetensors",
    )
    back = load("o.safetensors").tensors
    assert set(back) == set(tensors)
    changed = [key for key in keys if not np.array_equal(back[key], tensors[key])]
    assert changed == [QKV[0] + ".weight"]


def test_what_has_no_place_is_refused_by_name(folder):
    made = weights("sd1")
    base = save_checkpoint(folder / "base.safetensors", diffusers(made))
    whole = lora(made, "sd1")
    with pytest.raises(LorariumError, match=r"text_encoder:text_model.*--partial"):
        bake(base, [whole], out="out.safetensors")
    assert not (folder / "out.safetensors").exists()
    done = bake(base, [whole], out="out.safetensors", partial=True)
    assert {name.split(":")[0] for name, _ in done.left_out} == {"text_encoder"}
    wrong = Adapter({("denoiser", "conv_in.bias"): Bias(np.ones(9, np.float32))}, "sd1")
    with pytest.raises(LorariumError, match="weight of 9, the checkpoint has 8"):
        bake(base, [wrong], out="x.safetensors")
    odd = lora({Module("denoiser", "conv_in"): made["denoiser", "conv_in"]}, "sd1")
    odd = odd.with_(opaque={"lora_unet_x.oft_blocks": np.ones(2)})
    with pytest.raises(LorariumError, match=r"oft_blocks' .*no module of sd1 has"):
        bake(base, [odd], out="x.safetensors")
    with pytest.raises(LorariumError, match="is for flux1, the checkpoint is sd1"):
        bake(base, [whole.with_(family="flux1")], out="x.safetensors")
    with pytest.raises(LorariumError, match="one of the inputs"):
        bake(base, [whole], out=base, partial=True)
    with pytest.raises(LorariumError, match="1 weights for 2"):
        bake(base, [whole, whole], [1], out="x.safetensors")
    with pytest.raises(LorariumError, match="all weights are 0"):
        bake(base, [whole], [0], out="x.safetensors")


def test_overflow_is_refused_and_leaves_nothing_behind(folder):
    made = weights("sd1")
    base = save_checkpoint(folder / "base.safetensors", diffusers(made), np.float16)
    module = Module("denoiser", "conv_in")
    with pytest.raises(LorariumError, match="infinite values as F16"):
        bake(base, [lora({module: made[module]}, "sd1")], [1e6], out="out.safetensors")
    assert [path.name for path in folder.iterdir()] == ["base.safetensors"]


def test_memory_is_a_few_tensors(folder):
    # 100 MB in 24 tensors of 4 MB
    paths = [
        f"{block}.attentions.{i}.transformer_blocks.0.{attn}.{x}"
        for block in ("down_blocks.2", "up_blocks.1")
        for i in (0, 1)
        for attn in ("attn1", "attn2")
        for x in ("to_q", "to_k", "to_v")
    ]
    base = folder / "base.safetensors"
    rng = np.random.default_rng(0)
    one = rng.standard_normal((1024, 1024), np.float32)
    save_checkpoint(base, {path + ".weight": one for path in paths})
    adapter = Adapter(
        {
            ("denoiser", path): LowRank(
                rng.standard_normal((1024, 2), np.float32),
                rng.standard_normal((2, 1024), np.float32),
            )
            for path in paths
        }
    )
    tracemalloc.start()
    bake(base, [adapter], out="out.safetensors")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (folder / "out.safetensors").stat().st_size > 100e6
    assert peak < 8 * one.nbytes


def test_an_error_is_the_only_line(folder):
    for command in (["bake", "no", "lora"], ["extract", "no", "tuned", "--rank", "2"]):
        program = [sys.executable, "-m", "lorarium", *command, "-o", "x.safetensors"]
        done = subprocess.run(program, capture_output=True, text=True)
        assert done.returncode == 2 and done.stdout == ""
        assert len(done.stderr.splitlines()) == 1 and "no such file" in done.stderr


def test_story(folder):
    made = weights("sd1")
    save_checkpoint(folder / "base.safetensors", native(made, "sd1"))
    formats.write(lora(made, "sd1", part="denoiser"), "style.safetensors")
    arguments = ["bake", "base.safetensors", "style.safetensors:0.5", "-o", "new.safetensors"]
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 0 and "tensors changed" in done.output
    told = json.loads(CliRunner().invoke(cli, [*arguments, "--json", "--force"]).stdout)
    assert told["schema"] == "lorarium/1" and told["left_out"] == []
    assert told["changed"] == told["modules"] == len(diffusers(made))
    metadata = load("new.safetensors").metadata
    assert metadata["made"] == "up" and metadata["lorarium.method"] == "bake"
    assert json.loads(metadata["lorarium.options"])["weights"] == [0.5]
    assert metadata["lorarium.base"] == "base.safetensors"
