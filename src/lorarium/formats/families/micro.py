"""The embedded bases: small transformers on pixels. micro-1 has a word encoder of its own."""

from __future__ import annotations

from collections.abc import Iterator

from .unet import Weight

TEXT, TEXT_LAYERS, PATCH = 128, 2, 10
MICRO_1, MICRO_2 = (168, 6), (192, 8, 48)  # width, blocks, channels of details
CELL = 4  # pixels that details are made of at once


def weights(width: int, layers: int, details: int = 0) -> Iterator[Weight]:
    yield _same("proj_in", (width, 3, PATCH, PATCH))
    yield _same("time_embed.0", (width, 64))
    yield _same("time_embed.1", (width, width))
    yield _same("adaln_single", (6 * width, width))
    for i in range(layers):
        block = f"transformer_blocks.{i}"
        yield from _attention(f"{block}.attn1", width, width)
        yield from _attention(f"{block}.attn2", width, TEXT)
        yield from _feed_forward(f"{block}.ff", width, 4 * width)
    yield _same("proj_out", (3 * PATCH * PATCH, width))
    if details:
        yield _same("detailer.place", (details, width))
        yield _same("detailer.first", (details, 6 * CELL, 3, 3))
        for i in range(4):
            yield _same(f"detailer.deep.{i}", (details, details, 3, 3))
        yield _same("detailer.last", (3 * CELL, details, 3, 3))


def text_weights() -> Iterator[Weight]:
    for i in range(TEXT_LAYERS):
        yield from _attention(f"layers.{i}.attn1", TEXT, TEXT)
        yield from _feed_forward(f"layers.{i}.ff", TEXT, 2 * TEXT)


def _attention(path: str, width: int, context: int) -> Iterator[Weight]:
    yield _same(f"{path}.to_q", (width, width), False)
    yield _same(f"{path}.to_k", (width, context), False)
    yield _same(f"{path}.to_v", (width, context), False)
    yield _same(f"{path}.to_out.0", (width, width))


def _feed_forward(path: str, width: int, hidden: int) -> Iterator[Weight]:
    yield _same(f"{path}.net.0.proj", (hidden, width))
    yield _same(f"{path}.net.2", (width, hidden))


def _same(path: str, shape: tuple[int, ...], bias: bool = True) -> Weight:
    return Weight(path, path, shape, bias)
