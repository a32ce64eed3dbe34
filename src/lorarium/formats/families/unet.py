"""The UNets of Stable Diffusion, from compact block descriptions: every module that has a weight.

Each module has two spellings, the diffusers one (our path) and the LDM one of the original
checkpoints; both are generated in one walk so that they cannot drift apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple


class Weight(NamedTuple):
    """One weight of a network: our path, its native name, its shape, whether a bias exists."""

    path: str
    native: str
    shape: tuple[int, ...]
    bias: bool


@dataclass(frozen=True)
class UNet:
    """Depths are transformer layers per attention, level by level; `mid` None has no mid block,
    0 has one resnet and no attention."""

    channels: tuple[int, ...]
    down: tuple[tuple[int, ...], ...]
    up: tuple[tuple[int, ...], ...]
    mid: int | None
    context: int
    linear_proj: bool
    added: int | None = None
    latent: int = 4  # channels


def weights(net: UNet) -> Iterator[Weight]:
    first = net.channels[0]
    time = 4 * first
    yield Weight("conv_in", "input_blocks.0.0", (first, net.latent, 3, 3), True)
    yield Weight("time_embedding.linear_1", "time_embed.0", (time, first), True)
    yield Weight("time_embedding.linear_2", "time_embed.2", (time, time), True)
    if net.added is not None:
        yield Weight("add_embedding.linear_1", "label_emb.0.0", (time, net.added), True)
        yield Weight("add_embedding.linear_2", "label_emb.0.2", (time, time), True)

    index, width, skips = 1, first, [first]
    for level, (out, depths) in enumerate(zip(net.channels, net.down, strict=True)):
        for layer, depth in enumerate(depths):
            ours, native = f"down_blocks.{level}", f"input_blocks.{index}"
            yield from _resnet(f"{ours}.resnets.{layer}", f"{native}.0", width, out, time)
            if depth:
                yield from _attention(f"{ours}.attentions.{layer}", f"{native}.1", out, depth, net)
            width, index = out, index + 1
            skips.append(width)
        if level < len(net.channels) - 1:
            yield Weight(
                f"down_blocks.{level}.downsamplers.0.conv",
                f"input_blocks.{index}.0.op",
                (out, out, 3, 3),
                True,
            )
            skips.append(width)
            index += 1

    if net.mid is not None:
        yield from _resnet("mid_block.resnets.0", "middle_block.0", width, width, time)
        if net.mid:
            yield from _attention("mid_block.attentions.0", "middle_block.1", width, net.mid, net)
            yield from _resnet("mid_block.resnets.1", "middle_block.2", width, width, time)

    index = 0
    for level, (out, depths) in enumerate(zip(reversed(net.channels), net.up, strict=True)):
        for layer, depth in enumerate(depths):
            ours, native = f"up_blocks.{level}", f"output_blocks.{index}"
            into = width + skips.pop()
            yield from _resnet(f"{ours}.resnets.{layer}", f"{native}.0", into, out, time)
            if depth:
                yield from _attention(f"{ours}.attentions.{layer}", f"{native}.1", out, depth, net)
            width = out
            if layer == len(depths) - 1 and level < len(net.channels) - 1:
                place = 2 if depth else 1
                yield Weight(
                    f"{ours}.upsamplers.0.conv", f"{native}.{place}.conv", (out, out, 3, 3), True
                )
            index += 1
    yield Weight("conv_out", "out.2", (net.latent, first, 3, 3), True)


def _resnet(ours: str, native: str, into: int, out: int, time: int) -> Iterator[Weight]:
    yield Weight(f"{ours}.conv1", f"{native}.in_layers.2", (out, into, 3, 3), True)
    yield Weight(f"{ours}.time_emb_proj", f"{native}.emb_layers.1", (out, time), True)
    yield Weight(f"{ours}.conv2", f"{native}.out_layers.3", (out, out, 3, 3), True)
    if into != out:
        yield Weight(f"{ours}.conv_shortcut", f"{native}.skip_connection", (out, into, 1, 1), True)


def _attention(ours: str, native: str, width: int, depth: int, net: UNet) -> Iterator[Weight]:
    project = (width, width) if net.linear_proj else (width, width, 1, 1)
    yield Weight(f"{ours}.proj_in", f"{native}.proj_in", project, True)
    for layer in range(depth):
        block = f".transformer_blocks.{layer}"
        for attn, context in (("attn1", width), ("attn2", net.context)):
            for name, into in (("to_q", width), ("to_k", context), ("to_v", context)):
                tail = f"{block}.{attn}.{name}"
                yield Weight(ours + tail, native + tail, (width, into), False)
            tail = f"{block}.{attn}.to_out.0"
            yield Weight(ours + tail, native + tail, (width, width), True)
        tail = f"{block}.ff.net.0.proj"
        yield Weight(ours + tail, native + tail, (8 * width, width), True)
        tail = f"{block}.ff.net.2"
        yield Weight(ours + tail, native + tail, (width, 4 * width), True)
    yield Weight(f"{ours}.proj_out", f"{native}.proj_out", project, True)


_FOUR_DOWN = ((1, 1), (1, 1), (1, 1), (0, 0))
_FOUR_UP = ((0, 0, 0), (1, 1, 1), (1, 1, 1), (1, 1, 1))
_SD_CHANNELS = (320, 640, 1280, 1280)
_XL_CHANNELS = (320, 640, 1280)

SD1 = UNet(_SD_CHANNELS, _FOUR_DOWN, _FOUR_UP, 1, 768, linear_proj=False)
SD2 = UNet(_SD_CHANNELS, _FOUR_DOWN, _FOUR_UP, 1, 1024, linear_proj=True)
SDXL = UNet(
    _XL_CHANNELS,
    ((0, 0), (2, 2), (10, 10)),
    ((10, 10, 10), (2, 2, 2), (0, 0, 0)),
    10,
    2048,
    linear_proj=True,
    added=2816,
)
SDXL_REFINER = UNet(
    (384, 768, 1536, 1536),
    ((0, 0), (4, 4), (4, 4), (0, 0)),
    ((0, 0, 0), (4, 4, 4), (4, 4, 4), (0, 0, 0)),
    4,
    1280,
    linear_proj=True,
    added=2560,
)
SSD_1B = UNet(
    _XL_CHANNELS,
    ((0, 0), (2, 2), (4, 4)),
    ((4, 4, 10), (2, 1, 1), (0, 0, 0)),
    0,
    2048,
    linear_proj=True,
    added=2816,
)
VEGA = UNet(
    _XL_CHANNELS,
    ((0, 0), (1, 1), (2, 2)),
    ((2, 2, 2), (1, 1, 1), (0, 0, 0)),
    0,
    2048,
    linear_proj=True,
    added=2816,
)
KOALA_1B = UNet(
    _XL_CHANNELS,
    ((0,), (2,), (6,)),
    ((6, 6), (2, 2), (0, 0)),
    6,
    2048,
    linear_proj=True,
    added=2816,
)
KOALA_700M = UNet(
    _XL_CHANNELS,
    ((0,), (2,), (5,)),
    ((5, 5), (2, 2), (0, 0)),
    None,
    2048,
    linear_proj=True,
    added=2816,
)
