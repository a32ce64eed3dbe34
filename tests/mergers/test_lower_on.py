"""What needs the base's weight: baked into it, or made a LoRA on it, the same either way."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from checkpoints import diffusers, lora, native, save_checkpoint, weights
from lorarium import LorariumError, formats
from lorarium.adapter import Adapter, Dora, LowRank, Module
from lorarium.algebra import dense_delta
from lorarium.algebra.rotations import butterfly_of_columns, rotation_of_columns, rotation_of_rows
from lorarium.cli import cli
from lorarium.formats.checkpoint import open_checkpoint
from lorarium.formats.container import save
from lorarium.mergers import merge

RNG = np.random.default_rng(3)
LINEAR = Module("denoiser", "mid_block.attentions.0.transformer_blocks.0.attn2.to_k")
KERNEL = Module("denoiser", "mid_block.resnets.0.conv1")
TEXT = Module("text_encoder", "text_model.encoder.layers.3.mlp.fc1")


def normal(*shape: int) -> np.ndarray:
    return (0.3 * RNG.standard_normal(shape)).astype(np.float32)


def both_roads(base: Path, adapter: Path, wanted: dict[Module, np.ndarray], made) -> None:
    """Baked, and as a LoRA of full rank from the command line, the change is the one wanted."""
    run("bake", base, adapter, "-o", "baked.safetensors", "--force")
    baked = open_checkpoint("baked.safetensors")
    run("resize", adapter, "lora.safetensors", "--base", base, "--rank", 4096, "--dtype", "fp32",
        "--force")  # fmt: skip
    found = formats.read("lora.safetensors", baked.family)
    assert set(found) == set(wanted) and not found.opaque
    for module, change in wanted.items():
        change = change.reshape(made[module].shape)
        np.testing.assert_allclose(baked.weight(module) - made[module], change, atol=2e-6)
        assert isinstance(found[module], LowRank)
        got = dense_delta(found[module]).reshape(change.shape)
        np.testing.assert_allclose(got, change, atol=1e-5)


def run(*words: object) -> None:
    done = CliRunner().invoke(cli, list(map(str, words)))
    assert done.exit_code == 0, done.exception


def refusal(*words: object) -> str:
    """The one line that a command says why not."""
    error = CliRunner().invoke(cli, list(map(str, words))).exception
    assert isinstance(error, LorariumError) and "\n" not in str(error)
    return str(error)


@pytest.fixture
def sd1(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = weights("sd1")
    for module in (LINEAR, KERNEL, TEXT):
        shape = (32, 24, *made[module].shape[2:])
        made[module] = normal(*shape)
        if (bias := Module(module.part, module.path + ".bias")) in made:
            made[bias] = normal(32)
    return made, save_checkpoint(tmp_path / "base.safetensors", native(made, "sd1"))


def test_lycoris_files(sd1):
    made, base = sd1
    stems = {
        LINEAR: "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k",
        KERNEL: "lora_unet_mid_block_resnets_0_conv1",
        TEXT: "lora_te_text_model_encoder_layers_3_mlp_fc1",
    }
    blocks = {LINEAR: normal(8, 4, 4), KERNEL: normal(4, 8, 4, 4), TEXT: normal(4, 8, 8)}
    scales = {KERNEL: 1 + normal(32, 1, 1, 1), TEXT: 1 + normal(32, 1)}
    alphas = {LINEAR: 0.0, TEXT: 0.01}
    tensors, wanted = {}, {}
    for module, stem in stems.items():
        tensors[f"{stem}.oft_blocks"] = blocks[module]
        if module in scales:
            tensors[f"{stem}.rescale"] = scales[module]
        if module in alphas:
            tensors[f"{stem}.alpha"] = np.float32(alphas[module])
        made_of = (blocks[module], scales.get(module), alphas.get(module, 0.0))
        wanted[module] = rotation_of_rows(*made_of).change(made[module])
    save(Path("oft.safetensors"), tensors, {})
    both_roads(base, Path("oft.safetensors"), wanted, made)


def test_peft_folders(sd1):
    made, base = sd1
    width = made[LINEAR].shape[1]
    upper, blocks = normal(1, 6), normal(2, width // 4, 4, 4)
    root = f"base_model.model.{LINEAR.path}"
    for kind, tensors, fields in (
        ("OFT", {"oft_R.weight": upper}, {"block_share": True, "num_cayley_neumann_terms": 4}),
        ("BOFT", {"boft_R": blocks, "boft_s": 1 + normal(32, 1)}, {}),
    ):
        folder = Path(kind) / "unet"
        folder.mkdir(parents=True)
        named = {f"{root}.{name}": array for name, array in tensors.items()}
        save(folder / "adapter_model.safetensors", named, {})
        config = {"peft_type": kind, "target_modules": ["to_k"], **fields}
        (folder / "adapter_config.json").write_text(json.dumps(config))
        made_of = (
            rotation_of_columns(upper, shared=True, terms=4)
            if kind == "OFT"
            else butterfly_of_columns(*tensors.values())
        )
        both_roads(base, Path(kind), {LINEAR: made_of.change(made[LINEAR])}, made)


@pytest.mark.parametrize("naming", ["native", "diffusers"])
def test_a_fused_matrix_is_turned_whole_and_comes_out_in_parts(naming, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = weights("flux1")
    paths = [f"transformer_blocks.3.attn.to_{x}" for x in "qkv"]
    whole = np.concatenate([made["denoiser", path] for path in paths])
    tensors = native(made, "flux1") if naming == "native" else diffusers(made)
    base = save_checkpoint(tmp_path / "base.safetensors", tensors)
    blocks = normal(len(whole) // 4, 4, 4)
    save(Path("oft.safetensors"), {"lora_unet_double_blocks_3_img_attn_qkv.oft_blocks": blocks}, {})
    change = np.split(rotation_of_rows(blocks).change(whole), 3)
    wanted = {Module("denoiser", p): c for p, c in zip(paths, change, strict=True)}
    both_roads(base, Path("oft.safetensors"), wanted, made)


def test_dora_becomes_lora(sd1):
    made, base = sd1
    inner = lora({LINEAR: made[LINEAR]}, "sd1")[LINEAR]
    magnitude = 1 + np.abs(normal(32, 1))
    formats.write(Adapter({LINEAR: Dora(inner, magnitude)}, "sd1"), "dora.safetensors", "kohya")
    moved = made[LINEAR] + dense_delta(inner)
    moved *= magnitude / np.linalg.norm(moved, axis=1, keepdims=True)
    both_roads(base, Path("dora.safetensors"), {LINEAR: moved - made[LINEAR]}, made)


def test_without_the_base_it_is_one_line(sd1):
    _, base = sd1
    stem = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k"
    save(Path("oft.safetensors"), {f"{stem}.oft_blocks": normal(8, 4, 4)}, {})
    save(Path("odd.safetensors"), {f"{stem}.oft_blocks": normal(8, 4, 5)}, {})
    save(Path("far.safetensors"), {f"{stem[:-1]}x.oft_blocks": normal(8, 4, 4)}, {})
    save(Path("big.safetensors"), {f"{stem}.oft_blocks": normal(9, 4, 4)}, {})
    for words, why in (
        (("oft.safetensors", "o.safetensors", "--rank", 4), "name the checkpoint .* with --base"),
        (("oft.safetensors", "o.safetensors", "--base", base, "--size", "1MB"), "--rank alone"),
        (("odd.safetensors", "o.safetensors", "--base", base, "--rank", 4), "square matrices"),
        (("far.safetensors", "o.safetensors", "--base", base, "--rank", 4), "no module of sd1"),
        (("big.safetensors", "o.safetensors", "--base", base, "--rank", 4), "36 rows does not fit"),
    ):
        error = refusal("resize", *words)
        assert re.search(why, error), error
    with pytest.raises(LorariumError, match="cannot be weighted or added"):
        merge([formats.read("oft.safetensors")], [0.5])
    error = refusal("bake", base, "big.safetensors", "-o", "b.safetensors")
    assert "turns 36 rows, the checkpoint has 32x" in error
