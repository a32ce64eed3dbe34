"""Tiny pipelines with random weights, and adapters that touch each of their modules."""

from __future__ import annotations

from typing import Any

import numpy as np

from lorarium.adapter import Adapter, Delta, Dora, LowRank, Module
from lorarium.formats.families import FAMILIES


def clip(width: int, projection: bool = False) -> Any:
    import transformers

    config = transformers.CLIPTextConfig(
        vocab_size=64,
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=2,
        num_attention_heads=4,
        projection_dim=width,
    )
    kind = transformers.CLIPTextModelWithProjection if projection else transformers.CLIPTextModel
    return kind(config)


def pipeline(family: str) -> tuple[Any, dict[str, Any]]:
    """A pipeline and its networks by part."""
    import diffusers
    import torch

    torch.manual_seed(0)
    scheduler = diffusers.DDIMScheduler()
    if family == "flux1":
        transformer = diffusers.FluxTransformer2DModel(
            in_channels=4,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=32,
            pooled_projection_dim=32,
            guidance_embeds=True,
            axes_dims_rope=(4, 4, 8),
        )
        encoder = clip(32)
        pipe = diffusers.FluxPipeline(
            scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
            vae=None,
            text_encoder=encoder,
            tokenizer=None,
            text_encoder_2=None,
            tokenizer_2=None,
            transformer=transformer,
        )
        return pipe, {"denoiser": transformer, "text_encoder": encoder}
    common = {"sample_size": 8, "norm_num_groups": 8, "attention_head_dim": 8}
    if family == "sd1":
        unet = diffusers.UNet2DConditionModel(
            block_out_channels=(16, 32, 48, 48), cross_attention_dim=24, **common
        )
        encoder = clip(24)
        pipe = diffusers.StableDiffusionPipeline(
            vae=None,
            text_encoder=encoder,
            tokenizer=None,
            unet=unet,
            scheduler=scheduler,
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
        return pipe, {"denoiser": unet, "text_encoder": encoder}
    unet = diffusers.UNet2DConditionModel(
        block_out_channels=(16, 32, 48),
        cross_attention_dim=56,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        transformer_layers_per_block=(1, 1, 2),
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=80,
        **common,
    )
    encoders = {"text_encoder": clip(24), "text_encoder_2": clip(32, projection=True)}
    pipe = diffusers.StableDiffusionXLPipeline(
        vae=None, tokenizer=None, tokenizer_2=None, unet=unet, scheduler=scheduler, **encoders
    )
    return pipe, {"denoiser": unet, **encoders}


def weights(networks: dict[str, Any], family: str) -> dict[Module, Any]:
    """Every linear and convolution by our name for it."""
    import torch

    found = {}
    for part, network in networks.items():
        known = FAMILIES[family].parts[part].shapes
        for name, layer in network.named_modules():
            name = name.replace(".base_layer", "")
            if not isinstance(layer, torch.nn.Linear | torch.nn.Conv2d) or "lora_" in name:
                continue
            path = name if name in known else f"text_model.{name}"
            assert path in known, path
            found[Module(part, path)] = layer
    return found


def adapter(
    layers: dict[Module, Any],
    family: str,
    *,
    scales: tuple[float, ...],
    dora: bool = False,
    mixed: bool = True,
) -> Adapter:
    """Random low-rank changes of mixed ranks, one per layer."""
    rng = np.random.default_rng(1)
    deltas: dict[Module, Delta] = {}
    for number, (module, layer) in enumerate(layers.items()):
        out, into, *kernel = layer.weight.shape
        rank = 2 + number % 2 * mixed
        up = 0.1 * rng.standard_normal((out, rank, *(1 for _ in kernel)))
        down = 0.1 * rng.standard_normal((rank, into, *kernel))
        delta: Delta = LowRank(
            up.astype(np.float32), down.astype(np.float32), scale=scales[number % len(scales)]
        )
        if dora and isinstance(delta, LowRank):
            magnitude = 1 + 0.1 * rng.standard_normal((out, 1, *(1 for _ in kernel)))
            delta = Dora(delta, magnitude.astype(np.float32))
        deltas[module] = delta
    return Adapter(deltas, family)


def applied(delta: Delta, base: np.ndarray) -> np.ndarray:
    """The weight a delta makes of a base weight, by definition."""
    from tests.formats.oracle import dense

    change = dense(delta).reshape(base.shape)
    if not isinstance(delta, Dora):
        return base + change
    whole = (base + change).reshape(len(base), -1)
    norm = np.linalg.norm(whole, axis=1, keepdims=True)
    return (delta.magnitude.reshape(-1, 1) * whole / norm).reshape(base.shape)
