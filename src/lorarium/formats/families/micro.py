"""micro-1, the embedded base: a small transformer on pixels with a word encoder of its own."""

from __future__ import annotations

from collections.abc import Iterator

from .unet import Weight

WIDTH, LAYERS, TEXT, TEXT_LAYERS, PATCH = 168, 6, 128, 2, 10


def weights() -> Iterator[Weight]:
    yield _same("proj_in", (WIDTH, 3, PATCH, PATCH))
    yield _same("time_embed.0", (WIDTH, 64))
    yield _same("time_embed.1", (WIDTH, WIDTH))
    yield _same("adaln_single", (6 * WIDTH, WIDTH))
    for i in range(LAYERS):
        block = f"transformer_blocks.{i}"
        yield from _attention(f"{block}.attn1", WIDTH, WIDTH)
        yield from _attention(f"{block}.attn2", WIDTH, TEXT)
        yield from _feed_forward(f"{block}.ff", WIDTH, 4 * WIDTH)
    yield _same("proj_out", (3 * PATCH * PATCH, WIDTH))


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
