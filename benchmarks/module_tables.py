"""Write the module tables of the transformers that diffusers has: one walk each, no weights.

    python benchmarks/module_tables.py src/lorarium/formats/families/tables.json

A network is a class of diffusers and the sizes its publisher gives it (facts from the published
`config.json`; what is not named is the class's own default). `tests/interop/test_tables.py` builds
each of them again from what the file says and compares.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

SD3 = {"num_layers": 24, "num_attention_heads": 24, "caption_projection_dim": 1536}
WAN_SMALL = {"num_attention_heads": 12, "ffn_dim": 8960, "num_layers": 30}
IMAGE = {"image_dim": 1280, "added_kv_proj_dim": 5120, "in_channels": 36}
COG5B = {"num_attention_heads": 48, "num_layers": 42}
COSMOS_14B = {"num_attention_heads": 40, "num_layers": 36}
CROSS_PROJECTION = {"use_crossattn_projection": True, "crossattn_proj_in_channels": 100352}

NETS: dict[str, tuple[str, dict[str, Any]]] = {
    "sd3": ("SD3Transformer2DModel", SD3),
    "sd35-medium": (
        "SD3Transformer2DModel",
        {**SD3, "dual_attention_layers": list(range(13)), "qk_norm": "rms_norm"},
    ),
    "sd35-large": (
        "SD3Transformer2DModel",
        {"num_layers": 38, "num_attention_heads": 38, "caption_projection_dim": 2432},
    ),
    "flux1": ("FluxTransformer2DModel", {"guidance_embeds": True}),
    "flux1-control": ("FluxTransformer2DModel", {"guidance_embeds": True, "in_channels": 128}),
    "flux1-fill": ("FluxTransformer2DModel", {"guidance_embeds": True, "in_channels": 384}),
    "chroma": ("ChromaTransformer2DModel", {}),
    "bria": ("BriaTransformer2DModel", {}),
    "bria-fibo": ("BriaFiboTransformer2DModel", {}),
    "bria-fibo-8": ("BriaFiboTransformer2DModel", {"num_layers": 8}),
    "bria-fibo-2": ("BriaFibo2Transformer2DModel", {}),
    "longcat-image": ("LongCatImageTransformer2DModel", {}),
    "longcat-image-10": (
        "LongCatImageTransformer2DModel",
        {"num_layers": 10, "num_single_layers": 20},
    ),
    "ovis-image": ("OvisImageTransformer2DModel", {}),
    "flux2-dev": ("Flux2Transformer2DModel", {}),
    "flux2-klein-4b": (
        "Flux2Transformer2DModel",
        {
            "num_layers": 5,
            "num_single_layers": 20,
            "num_attention_heads": 24,
            "joint_attention_dim": 7680,
            "guidance_embeds": False,
        },
    ),
    "flux2-klein-9b": (
        "Flux2Transformer2DModel",
        {
            "num_single_layers": 24,
            "num_attention_heads": 32,
            "joint_attention_dim": 12288,
            "guidance_embeds": False,
        },
    ),
    "flux3": ("Flux3Transformer2DModel", {"flow_map": True}),
    "qwen-image": ("QwenImageTransformer2DModel", {}),
    "qwen-image-2.1": ("QwenImage21Transformer2DModel", {}),
    "z-image": ("ZImageTransformer2DModel", {}),
    "wan-14b": ("WanTransformer3DModel", IMAGE),
    "wan-14b-t2v": ("WanTransformer3DModel", {}),
    "wan-14b-a14b-i2v": ("WanTransformer3DModel", {"in_channels": 36}),
    "wan-1.3b": ("WanTransformer3DModel", WAN_SMALL),
    "wan-5b": (
        "WanTransformer3DModel",
        {
            "num_attention_heads": 24,
            "ffn_dim": 14336,
            "num_layers": 30,
            "in_channels": 48,
            "out_channels": 48,
        },
    ),
    "wan-vace-14b": ("WanVACETransformer3DModel", {}),
    "wan-vace-1.3b": (
        "WanVACETransformer3DModel",
        {**WAN_SMALL, "vace_layers": list(range(0, 30, 2))},
    ),
    "wan-animate": ("WanAnimateTransformer3DModel", {"added_kv_proj_dim": 5120}),
    "wan-animate-2": ("WanAnimate2Transformer3DModel", {}),
    "anyflow": ("AnyFlowTransformer3DModel", {}),
    "anyflow-far": ("AnyFlowFARTransformer3DModel", {}),
    "helios": ("HeliosTransformer3DModel", {}),
    "hunyuan-video": ("HunyuanVideoTransformer3DModel", {}),
    "hunyuan-video-framepack": (
        "HunyuanVideoFramepackTransformer3DModel",
        {"has_image_proj": True, "has_clean_x_embedder": True},
    ),
    "hunyuan-video-1.5": ("HunyuanVideo15Transformer3DModel", {}),
    "hunyuan-image": ("HunyuanImageTransformer2DModel", {"text_embed_2_dim": 1472}),
    "motif-video": ("MotifVideoTransformer3DModel", {}),
    "ltx-video": ("LTXVideoTransformer3DModel", {}),
    "ltx-video-13b": (
        "LTXVideoTransformer3DModel",
        {"attention_head_dim": 128, "cross_attention_dim": 4096, "num_layers": 48},
    ),
    "ltx-2": ("LTX2VideoTransformer3DModel", {}),
    "sana": ("SanaTransformer2DModel", {}),
    "sana-4.8b": ("SanaTransformer2DModel", {"num_layers": 60}),
    "sana-0.6b": (
        "SanaTransformer2DModel",
        {
            "num_attention_heads": 36,
            "num_layers": 28,
            "num_cross_attention_heads": 16,
            "cross_attention_head_dim": 72,
            "cross_attention_dim": 1152,
        },
    ),
    "sana-video": ("SanaVideoTransformer3DModel", {}),
    "pixart": ("PixArtTransformer2DModel", {"caption_channels": 4096}),
    "lumina2": ("Lumina2Transformer2DModel", {"cap_feat_dim": 2304}),
    "auraflow": ("AuraFlowTransformer2DModel", {}),
    "hidream": (
        "HiDreamImageTransformer2DModel",
        {"patch_size": 2, "in_channels": 16, "caption_channels": [4096, 4096]},
    ),
    "cogvideox-2b": ("CogVideoXTransformer3DModel", {}),
    "cogvideox-5b": ("CogVideoXTransformer3DModel", COG5B),
    "cogvideox-5b-i2v": ("CogVideoXTransformer3DModel", {**COG5B, "in_channels": 32}),
    "cogvideox-1.5-5b": (
        "CogVideoXTransformer3DModel",
        {**COG5B, "patch_size_t": 2, "ofs_embed_dim": 512},
    ),
    "cogview4": (
        "CogView4Transformer2DModel",
        {"num_layers": 28, "attention_head_dim": 128, "num_attention_heads": 32},
    ),
    "cogview4-64": ("CogView4Transformer2DModel", {}),
    "cogview3": ("CogView3PlusTransformer2DModel", {}),
    "consisid": ("ConsisIDTransformer3DModel", {**COG5B, "is_train_face": True, "is_kps": False}),
    "consisid-2b": ("ConsisIDTransformer3DModel", {}),
    "glm-image": (
        "GlmImageTransformer2DModel",
        {"attention_head_dim": 128, "num_attention_heads": 32},
    ),
    "glm-image-40": ("GlmImageTransformer2DModel", {}),
    "cosmos-7b": ("CosmosTransformer3DModel", {}),
    "cosmos-14b": ("CosmosTransformer3DModel", COSMOS_14B),
    "cosmos-2b": ("CosmosTransformer3DModel", {"num_attention_heads": 16, **CROSS_PROJECTION}),
    "cosmos3": ("Cosmos3OmniTransformer", {}),
    "mochi": ("MochiTransformer3DModel", {}),
    "kandinsky5-lite": (
        "Kandinsky5Transformer3DModel",
        {
            "in_visual_dim": 16,
            "out_visual_dim": 16,
            "model_dim": 1792,
            "ff_dim": 7168,
            "visual_cond": True,
        },
    ),
    "kandinsky5-image": (
        "Kandinsky5Transformer3DModel",
        {
            "in_visual_dim": 16,
            "out_visual_dim": 16,
            "model_dim": 2560,
            "ff_dim": 10240,
            "num_visual_blocks": 50,
        },
    ),
    "kandinsky5-pro": (
        "Kandinsky5Transformer3DModel",
        {
            "in_visual_dim": 16,
            "out_visual_dim": 16,
            "model_dim": 4096,
            "ff_dim": 16384,
            "num_visual_blocks": 60,
            "num_text_blocks": 4,
            "time_dim": 1024,
            "visual_cond": True,
        },
    ),
    "kandinsky6": ("Kandinsky6Transformer3DModel", {}),
    "kandinsky6-sr": ("Kandinsky6SRTransformer3DModel", {}),
    "kandinsky2-prior": ("PriorTransformer", {}),
    "stable-cascade-prior": (
        "StableCascadeUNet",
        {"clip_text_in_channels": 1280, "clip_image_in_channels": 768},
    ),
    "krea2": ("Krea2Transformer2DModel", {}),
    "ernie-image": ("ErnieImageTransformer2DModel", {}),
    "ideogram4": ("Ideogram4Transformer2DModel", {}),
    "minimax-h3": ("MiniMaxH3Transformer3DModel", {}),
    "nucleus-image": ("NucleusMoEImageTransformer2DModel", {}),
    "amused": ("UVit2DModel", {}),
    "ace-step": ("AceStepTransformer1DModel", {}),
    "anima-text": ("AnimaTextConditioner", {}),
}
_NUMBER = re.compile(r"(?<=\.)\d+(?=\.)")


def modules(model: Any) -> dict[str, tuple[tuple[int, ...], bool]]:
    """Every linear and convolution: its weight's shape and whether it has a bias."""
    import torch

    kinds = (torch.nn.Linear, torch.nn.Conv1d, torch.nn.Conv2d, torch.nn.Conv3d)
    return {
        name: (tuple(module.weight.shape), module.bias is not None)
        for name, module in model.named_modules()
        if isinstance(module, kinds)
    }


def build(name: str, config: dict[str, Any]) -> Any:
    """A class of diffusers on the meta device: shapes without memory."""
    import diffusers
    import torch

    with torch.device("meta"):
        return getattr(diffusers, name)(**config)


def rows(shapes: dict[str, tuple[tuple[int, ...], bool]]) -> list[list[Any]]:
    """Modules that differ in their first number only, as one row: path, numbers, shape, bias."""
    groups: dict[tuple[str, tuple[int, ...], bool], list[int]] = {}
    for path, (shape, bias) in shapes.items():
        number = _NUMBER.search(path)
        template = _NUMBER.sub("*", path, count=1)
        groups.setdefault((template, shape, bias), [])
        if number:
            groups[template, shape, bias].append(int(number[0]))
    return [
        [template, _spans(numbers), list(shape), int(bias)]
        for (template, shape, bias), numbers in groups.items()
    ]


def _spans(numbers: list[int]) -> str:
    """0, 1, 2, 5 -> `0-2,5`."""
    spans: list[list[int]] = []
    for number in sorted(numbers):
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in spans)


def main(target: Path) -> None:
    tables = {}
    for name, (kind, config) in NETS.items():
        tables[name] = {
            "class": kind,
            "config": config,
            "rows": rows(modules(build(kind, config))),
        }
    lines = [
        f"{json.dumps(name)}:{json.dumps(table, separators=(',', ':'))}"
        for name, table in tables.items()
    ]
    target.write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")
    count = sum(len(table["rows"]) for table in tables.values())
    print(f"{len(tables)} networks, {count} rows, {target.stat().st_size} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
