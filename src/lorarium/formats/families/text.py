"""The text encoders: CLIP-L, CLIP-G, OpenCLIP-H (SD 2) and T5-XXL, in transformers' names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .natives import Native
from .unet import Weight


@dataclass(frozen=True)
class Clip:
    layers: int
    width: int
    projection: int | None = None
    hidden: int = 0  # of its feed-forward; four times the width when 0


CLIP_L = Clip(12, 768)
CLIP_G = Clip(32, 1280, projection=1280)
CLIP_H = Clip(23, 1024)
MICRO_2_TEXT = Clip(3, 128, hidden=384)


def clip_weights(net: Clip) -> Iterator[Weight]:
    hidden = net.hidden or 4 * net.width
    for i in range(net.layers):
        layer = f"text_model.encoder.layers.{i}"
        for name in ("k_proj", "v_proj", "q_proj", "out_proj"):
            path = f"{layer}.self_attn.{name}"
            yield Weight(path, path, (net.width, net.width), True)
        yield Weight(f"{layer}.mlp.fc1", f"{layer}.mlp.fc1", (hidden, net.width), True)
        yield Weight(f"{layer}.mlp.fc2", f"{layer}.mlp.fc2", (net.width, hidden), True)
    if net.projection:
        shape = (net.projection, net.width)
        yield Weight("text_projection", "text_projection", shape, False)


def openclip_natives(net: Clip) -> Iterator[Native]:
    """The names of the original OpenCLIP towers, q, k and v in one matrix."""
    for i in range(net.layers):
        native, ours = f"transformer.resblocks.{i}", f"text_model.encoder.layers.{i}"
        qkv = tuple(f"{ours}.self_attn.{x}_proj" for x in "qkv")
        yield Native(f"{native}.attn.in_proj", qkv, (1, 1, 1))
        yield Native(f"{native}.attn.out_proj", (f"{ours}.self_attn.out_proj",))
        yield Native(f"{native}.mlp.c_fc", (f"{ours}.mlp.fc1",))
        yield Native(f"{native}.mlp.c_proj", (f"{ours}.mlp.fc2",))


def t5_weights(layers: int = 24, width: int = 4096, mlp: int = 10240) -> Iterator[Weight]:
    for i in range(layers):
        block = f"encoder.block.{i}.layer"
        for name in "qkvo":
            path = f"{block}.0.SelfAttention.{name}"
            yield Weight(path, path, (width, width), False)
        for name, shape in (
            ("wi_0", (mlp, width)),
            ("wi_1", (mlp, width)),
            ("wo", (width, mlp)),
        ):
            path = f"{block}.1.DenseReluDense.{name}"
            yield Weight(path, path, shape, False)
