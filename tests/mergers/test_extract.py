"""Extraction: what was baked in comes out again."""

import json
import tracemalloc

import numpy as np
import pytest
from click.testing import CliRunner

from checkpoints import diffusers, lora, native, save_checkpoint, weights
from deltas import difference, matrix
from lorarium import LorariumError, formats
from lorarium.adapter import Bias, Module
from lorarium.cli import cli
from lorarium.mergers.bake import bake
from lorarium.mergers.extract import extract


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("family", ["sd1", "sdxl", "flux1"])
@pytest.mark.parametrize("naming", ["native", "diffusers", "both"])
def test_what_was_baked_comes_out(family, naming, folder):
    made = weights(family, scale=0.02)
    part = "" if naming == "native" else "denoiser"
    tensors = diffusers(made) if naming == "diffusers" else native(made, family)
    base = save_checkpoint(folder / "base.safetensors", tensors)
    given = lora(made, family, part=part)
    bake(base, [given], out="tuned.safetensors")
    other = base
    if naming == "both":
        other = save_checkpoint(folder / "other.safetensors", diffusers(made))
    found, report = extract(other, "tuned.safetensors", rank=2)
    assert found.family == family and set(found) == set(given)
    for module, delta in given.items():
        assert difference(matrix(found[module]), matrix(delta)) < 1e-5, module
        assert isinstance(delta, Bias) or found[module].rank <= 2
    assert report.report.relative < 1e-5 and report.exact == len(report.report.layers)
    assert report.other_shape == report.beyond == report.only_base == ()
    written = formats.write(found, "back.safetensors")
    assert written.verified
    again = formats.read("back.safetensors", family)
    for module in set(given) - {Module(*fate.name.split(":")) for fate in written.refused()}:
        assert difference(matrix(again[module]), matrix(given[module])) < 1e-5, module


def test_what_differs_beyond_is_told_by_name(folder):
    made = weights("sd1")
    tensors = diffusers(made) | {"some.norm.weight": np.ones(4, np.float32)}
    base = save_checkpoint(folder / "base.safetensors", tensors)
    tuned = dict(tensors)
    tuned["some.norm.weight"] = np.zeros(4, np.float32)
    tuned["conv_in.weight"] = np.zeros((8, 9, 3, 3), np.float32)
    tuned["conv_out.weight"] = tensors["conv_out.weight"] + 1
    del tuned["mid_block.resnets.0.conv1.weight"]
    save_checkpoint(folder / "tuned.safetensors", tuned)
    found, report = extract(base, "tuned.safetensors", rank=4)
    assert [str(module) for module in found] == ["denoiser:conv_out"]
    assert found["denoiser", "conv_out"].rank == 1
    assert report.only_base == ("denoiser:mid_block.resnets.0.conv1",)
    assert report.other_shape == ("denoiser:conv_in",)
    assert report.beyond == ("some.norm.weight",)
    with pytest.raises(LorariumError, match="no weight differs; does --only match"):
        extract(base, "tuned.safetensors", rank=4, only="attn1")
    with pytest.raises(LorariumError, match="no weight differs; the two files hold the same"):
        extract(base, base, rank=4)
    with pytest.raises(LorariumError, match="not a regular expression"):
        extract(base, base, rank=4, only="(")


def test_energy_and_number_types(folder):
    made = weights("sd1")
    base = save_checkpoint(folder / "base.safetensors", diffusers(made), np.float16)
    rng = np.random.default_rng(1)
    tuned = {k: a + 0.1 * rng.standard_normal(a.shape) for k, a in diffusers(made).items()}
    save_checkpoint(folder / "tuned.safetensors", tuned, np.float16)
    found, report = extract(base, "tuned.safetensors", rank=6, energy=0.5, only=r"attn1\.to_q$")
    assert {delta.up.dtype for delta in found.deltas.values()} == {np.dtype(np.float16)}
    assert {layer.rank for layer in report.report.layers} <= set(range(1, 7))
    for layer in report.report.layers:
        assert layer.relative**2 <= 0.51 or layer.rank == 6
    wide, _ = extract(base, "tuned.safetensors", rank=2, only="conv_in", dtype=np.float32)
    assert wide["denoiser", "conv_in"].down.dtype == np.float32


def test_families_that_differ_are_refused(folder):
    save_checkpoint(folder / "a.safetensors", diffusers(weights("sd1")))
    save_checkpoint(folder / "b.safetensors", diffusers(weights("flux1")))
    with pytest.raises(LorariumError, match="is flux1, the base is sd1"):
        extract("a.safetensors", "b.safetensors", rank=2)
    for wrong in ({"rank": 0}, {"rank": 1, "energy": 1.5}):
        with pytest.raises(LorariumError):
            extract("a.safetensors", "b.safetensors", **wrong)


def test_memory_is_a_few_weights_and_large_ones_are_iterated(folder):
    paths = [
        f"down_blocks.2.attentions.{i}.transformer_blocks.0.attn1.{x}"
        for i in (0, 1)
        for x in ("to_q", "to_k", "to_v", "to_out.0")
    ]
    rng = np.random.default_rng(0)
    one = rng.standard_normal((1280, 1280), np.float32)
    moved = one + rng.standard_normal((1280, 4), np.float32) @ rng.standard_normal(
        (4, 1280), np.float32
    )
    save_checkpoint(folder / "a.safetensors", {path + ".weight": one for path in paths})
    save_checkpoint(folder / "b.safetensors", {path + ".weight": moved for path in paths})
    tracemalloc.start()
    found, report = extract("a.safetensors", "b.safetensors", rank=4)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6 * one.nbytes < (folder / "a.safetensors").stat().st_size
    assert len(found) == 8 and report.exact == 0 and report.report.relative < 1e-5


def test_story(folder):
    made = weights("sd1")
    base = save_checkpoint(folder / "base.safetensors", native(made, "sd1"))
    bake(base, [lora(made, "sd1", part="denoiser")], out="tuned.safetensors")
    arguments = ["extract", "base.safetensors", "tuned.safetensors", "-o", "lora.safetensors"]
    done = CliRunner().invoke(cli, [*arguments, "--rank", "2"])
    assert done.exit_code == 0 and "error 0.00%" in done.output, done.output
    again = [*arguments, "--rank", "1", "--to", "diffusers", "--json", "--force"]
    done = CliRunner().invoke(cli, again)
    told = json.loads(done.stdout)
    assert told["dialect"] == "diffusers" and 0 < told["total"]["relative"] < 1
    assert told["only_base"] == [] and len(told["layers"]) == told["exact"]
    metadata = formats.read("lora.safetensors").metadata
    assert metadata["lorarium.method"] == "extract"
    assert json.loads(metadata["lorarium.inputs"]) == ["base.safetensors", "tuned.safetensors"]
