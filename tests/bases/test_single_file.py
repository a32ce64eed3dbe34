"""A base from one checkpoint under the names of the original code."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from lorarium.bases import single_file
from lorarium.bases.base import open_base
from lorarium.bases.sampling import sample
from lorarium.errors import LorariumError
from lorarium.formats.families import FAMILIES

pytest.importorskip("diffusers")
pytestmark = [pytest.mark.interop, pytest.mark.slow]
SMALL: dict[str, dict[str, Any]] = {
    "unet": {"block_out_channels": [8, 16, 16, 16], "attention_head_dim": 2, "sample_size": 8,
             "cross_attention_dim": 16, "norm_num_groups": 4},
    "vae": {"block_out_channels": [8, 8, 8, 8], "norm_num_groups": 4, "sample_size": 64},
    "text_encoder": {"hidden_size": 16, "intermediate_size": 20, "num_hidden_layers": 2,
                     "num_attention_heads": 2, "vocab_size": 600, "projection_dim": 16},
}  # fmt: skip


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The layout of Stable Diffusion 1, narrow, and a tokenizer on this machine."""
    configs = json.loads(single_file.CONFIGS.read_text())["sd1"]
    for part, changes in SMALL.items():
        configs[part] |= changes
    monkeypatch.setattr(single_file, "_configs", lambda: {"sd1": configs})
    letters = [chr(c) for c in range(97, 123)]
    words = [*letters, *(letter + "</w>" for letter in letters), "ca", "cat</w>"]
    vocabulary = {w: i for i, w in enumerate([*words, "<|startoftext|>", "<|endoftext|>"])}
    folder = tmp_path / "tokenizers" / "clip"
    folder.mkdir(parents=True)
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\nc a\nca t</w>\n")
    monkeypatch.setenv(single_file.TOKENIZERS, str(folder.parent))
    return dict(configs)


def networks(configs: dict[str, Any]) -> dict[str, Any]:
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.manual_seed(0)
    text = {k: v for k, v in configs["text_encoder"].items() if k not in ("architectures",)}
    return {
        "unet": UNet2DConditionModel.from_config(configs["unet"]),
        "vae": AutoencoderKL.from_config(configs["vae"]),
        "text_encoder": CLIPTextModel(CLIPTextConfig(**text)),
    }


# beside what the tables name: norms stand beside the layer that follows them
NORMS = ((".norm1", ".conv1", ".in_layers.2", ".in_layers.0"),
         (".norm2", ".conv2", ".out_layers.3", ".out_layers.0"),
         (".norm", ".proj_in", ".proj_in", ".norm"))  # fmt: skip


def original_unet(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    natives = FAMILIES["sd1"].parts["denoiser"].natives
    names = {path: name for name, native in natives.items() for path in native.paths}
    renamed = {}
    for key, value in state.items():
        path, _, last = key.rpartition(".")
        if path == "conv_norm_out":
            name = "out.0"
        elif path in names:
            name = names[path]
        elif inside := re.fullmatch(
            r"(.*\.attentions\.\d+)(\.transformer_blocks\.0\.norm\d)", path
        ):
            name = names[inside[1] + ".proj_in"].removesuffix(".proj_in") + inside[2]
        else:
            own, beside, theirs, norm = next(n for n in NORMS if path.endswith(n[0]))
            name = names[path.removesuffix(own) + beside].removesuffix(theirs) + norm
        renamed[f"model.diffusion_model.{name}.{last}"] = value
    return renamed


def original_vae(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    changes = (
        (r"down_blocks\.(\d)\.resnets\.(\d)", r"down.\1.block.\2"),
        (r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample"),
        (r"up_blocks\.(\d)\.upsamplers\.0", lambda m: f"up.{3 - int(m[1])}.upsample"),
        (r"up_blocks\.(\d)\.resnets\.(\d)", lambda m: f"up.{3 - int(m[1])}.block.{m[2]}"),
        (r"mid_block\.resnets\.0", "mid.block_1"),
        (r"mid_block\.resnets\.1", "mid.block_2"),
        (r"mid_block\.attentions\.0\.group_norm", "mid.attn_1.norm"),
        (r"mid_block\.attentions\.0\.to_([qkv])", r"mid.attn_1.\1"),
        (r"mid_block\.attentions\.0\.to_out\.0", "mid.attn_1.proj_out"),
        ("conv_shortcut", "nin_shortcut"),
        ("conv_norm_out", "norm_out"),
    )
    renamed = {}
    for key, value in state.items():
        for pattern, name in changes:
            key = re.sub(pattern, name, key)
        matrix = "attn_1" in key and value.ndim == 2  # the original has convolutions of one pixel
        renamed["first_stage_model." + key] = value[..., None, None] if matrix else value
    return renamed


def test_it_draws_as_the_pipeline_of_its_parts(small: dict[str, Any], tmp_path: Path) -> None:
    from diffusers import DDIMScheduler, StableDiffusionPipeline

    from lorarium.bases.diffusers_base import from_pipeline

    parts = networks(small)
    states = {name: part.state_dict() for name, part in parts.items()}
    state = original_unet(states["unet"]) | original_vae(states["vae"])
    for key, value in states["text_encoder"].items():
        state["cond_stage_model.transformer.text_model." + key.removeprefix("text_model.")] = value
    save_file({k: v.contiguous() for k, v in state.items()}, tmp_path / "mine.safetensors")
    base = open_base(tmp_path / "mine.safetensors")
    assert (base.family, base.size) == ("sd1", 64)
    whole = StableDiffusionPipeline(
        **parts, tokenizer=single_file.tokenizer("CLIPTokenizer"), safety_checker=None,
        feature_extractor=None, scheduler=DDIMScheduler.from_config(small["scheduler"]),
    )  # fmt: skip
    words = ["a cat"]
    bases = (base, from_pipeline(whole), open_base(tmp_path / "mine.safetensors", offload=True))
    drawn = [sample(b, words, steps=2, seed=3) for b in bases]
    np.testing.assert_array_equal(*drawn[:2])
    np.testing.assert_array_equal(*drawn[1:])
    assert len({b.hash for b in bases}) == 1  # however a base lies there and is held


def test_what_is_missing_is_said(
    small: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = original_unet(networks(small)["unet"].state_dict())
    file = tmp_path / "bare.safetensors"
    save_file({k: v.contiguous() for k, v in state.items()}, file)
    with pytest.raises(LorariumError, match="diffusers folder"):
        open_base(file)
    monkeypatch.setenv(single_file.TOKENIZERS, str(tmp_path))
    with pytest.raises(LorariumError, match="clip-vit-large"):
        open_base(file)
    monkeypatch.setattr(single_file, "_configs", dict)
    with pytest.raises(LorariumError, match="cannot be opened from one file"):
        open_base(file)


def test_full_configurations_have_the_shapes_of_the_families() -> None:
    """On the meta device: no weight is made."""
    import diffusers

    from lorarium.bases.base import TARGETS

    for name, configs in json.loads(single_file.CONFIGS.read_text()).items():
        config = configs.get("unet") or configs["transformer"]
        with torch.device("meta"):
            network = getattr(diffusers, config["_class_name"]).from_config(config)
        known = FAMILIES[name].parts["denoiser"].shapes
        for path, layer in network.named_modules():
            if TARGETS["linear"](path, layer) and path in known:
                assert tuple(layer.weight.shape) in [tuple(s) for s in _several(known[path])], path
        assert sum(path in known for path, _ in network.named_modules()) > 0.9 * len(known)


def _several(shape: Any) -> list[Any]:
    return list(shape) if isinstance(shape[0], tuple) else [shape]
