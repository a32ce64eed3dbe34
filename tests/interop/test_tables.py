"""Our module tables against the installed libraries' own models, built without memory."""

from __future__ import annotations

from typing import Any

import pytest

from lorarium.formats.families import table, tables
from tests.interop.meta import build

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")
transformers = pytest.importorskip("transformers")
pytestmark = pytest.mark.interop

FOUR = {
    "block_out_channels": (320, 640, 1280, 1280),
    "layers_per_block": 2,
    "sample_size": 64,
}
THREE: dict[str, Any] = {
    "block_out_channels": (320, 640, 1280),
    "layers_per_block": 2,
    "sample_size": 128,
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "cross_attention_dim": 2048,
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
    "attention_head_dim": (5, 10, 20),
}
UNETS: dict[str, dict[str, Any]] = {
    "unet-sd1": {**FOUR, "cross_attention_dim": 768, "attention_head_dim": 8},
    "unet-sd2": {
        **FOUR,
        "cross_attention_dim": 1024,
        "use_linear_projection": True,
        "attention_head_dim": (5, 10, 20, 20),
    },
    "unet-sdxl": {**THREE, "transformer_layers_per_block": (1, 2, 10)},
    "unet-sdxl-refiner": {
        **THREE,
        "block_out_channels": (384, 768, 1536, 1536),
        "down_block_types": ("DownBlock2D", *["CrossAttnDownBlock2D"] * 2, "DownBlock2D"),
        "up_block_types": ("UpBlock2D", *["CrossAttnUpBlock2D"] * 2, "UpBlock2D"),
        "cross_attention_dim": 1280,
        "projection_class_embeddings_input_dim": 2560,
        "transformer_layers_per_block": 4,
        "attention_head_dim": (6, 12, 24, 24),
    },
    "unet-ssd-1b": {
        **THREE,
        "transformer_layers_per_block": [1, [2, 2], [4, 4]],
        "reverse_transformer_layers_per_block": [[4, 4, 10], [2, 1, 1], 1],
        "mid_block_type": "UNetMidBlock2D",
    },
    "unet-vega": {
        **THREE,
        "transformer_layers_per_block": [1, [1, 1], [2, 2]],
        "reverse_transformer_layers_per_block": [[2, 2, 2], [1, 1, 1], 1],
        "mid_block_type": "UNetMidBlock2D",
    },
    "unet-koala": {**THREE, "layers_per_block": 1, "transformer_layers_per_block": (1, 2, 6)},
}


KINDS = (torch.nn.Linear, torch.nn.Conv1d, torch.nn.Conv2d, torch.nn.Conv3d)


def modules(model: Any) -> dict[str, tuple[tuple[int, ...], bool]]:
    """Every linear and convolution: its weight's shape and whether it has a bias."""
    return {
        name: (tuple(module.weight.shape), module.bias is not None)
        for name, module in model.named_modules()
        if isinstance(module, KINDS)
    }


def ours(net: str) -> dict[str, tuple[tuple[int, ...], bool]]:
    known = table(net)
    return {path: (shape, path in known.biased) for path, shape in known.shapes.items()}


@pytest.mark.parametrize("net", UNETS)
def test_unets(net: str) -> None:
    assert ours(net) == modules(build("UNet2DConditionModel", UNETS[net]))


@pytest.mark.parametrize("net", tables.rows())
def test_transformers(net: str) -> None:
    """Classes and sizes stand in the tables, so that a table cannot drift from its class."""
    row = tables.rows()[net]
    assert ours(net) == modules(build(row["class"], row["config"]))


CLIPS = {"clip-l": (12, 768, None), "clip-g": (32, 1280, 1280), "clip-h": (23, 1024, None)}


@pytest.mark.parametrize("net", CLIPS)
def test_clip(net: str) -> None:
    layers, width, projection = CLIPS[net]
    config = transformers.CLIPTextConfig(
        num_hidden_layers=layers,
        hidden_size=width,
        intermediate_size=4 * width,
        projection_dim=projection or 512,
        num_attention_heads=width // 64,
    )
    kind = transformers.CLIPTextModelWithProjection if projection else transformers.CLIPTextModel
    with torch.device("meta"):
        model = kind(config)
    theirs = {
        name if name.startswith("text_") else f"text_model.{name}": value
        for name, value in modules(model).items()
    }
    assert ours(net) == theirs


def test_t5() -> None:
    config = transformers.T5Config(
        num_layers=24,
        d_model=4096,
        d_ff=10240,
        num_heads=64,
        d_kv=64,
        feed_forward_proj="gated-gelu",
    )
    with torch.device("meta"):
        model = transformers.T5EncoderModel(config)
    assert ours("t5-xxl") == modules(model)
