"""FLUX.1: our (diffusers) paths, and the original names, some of which fuse several of ours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

WIDTH, MLP, DOUBLE, SINGLE = 3072, 12288, 19, 38


class Native(NamedTuple):
    """An original weight: the modules stacked in its rows, and the relative height of each.

    `swapped`: its two halves of rows (shift, scale) stand in the other order in ours.
    """

    name: str
    paths: tuple[str, ...]
    heights: tuple[int, ...] = (1,)
    swapped: bool = False


def shapes() -> Iterator[tuple[str, tuple[int, int]]]:
    """Path and weight shape of every module; each of them has a bias."""
    yield "x_embedder", (WIDTH, 64)
    yield "context_embedder", (WIDTH, 4096)
    for name, into in (
        ("timestep_embedder", 256),
        ("guidance_embedder", 256),
        ("text_embedder", 768),
    ):
        yield f"time_text_embed.{name}.linear_1", (WIDTH, into)
        yield f"time_text_embed.{name}.linear_2", (WIDTH, WIDTH)
    for i in range(DOUBLE):
        block = f"transformer_blocks.{i}"
        for name in ("norm1", "norm1_context"):
            yield f"{block}.{name}.linear", (6 * WIDTH, WIDTH)
        for name in _IMAGE_QKV + _TEXT_QKV + ("to_out.0", "to_add_out"):
            yield f"{block}.attn.{name}", (WIDTH, WIDTH)
        for name in ("ff", "ff_context"):
            yield f"{block}.{name}.net.0.proj", (MLP, WIDTH)
            yield f"{block}.{name}.net.2", (WIDTH, MLP)
    for i in range(SINGLE):
        block = f"single_transformer_blocks.{i}"
        yield f"{block}.norm.linear", (3 * WIDTH, WIDTH)
        yield f"{block}.proj_mlp", (MLP, WIDTH)
        yield f"{block}.proj_out", (WIDTH, WIDTH + MLP)
        for name in _IMAGE_QKV:
            yield f"{block}.attn.{name}", (WIDTH, WIDTH)
    yield "norm_out.linear", (2 * WIDTH, WIDTH)
    yield "proj_out", (64, WIDTH)


_IMAGE_QKV = ("to_q", "to_k", "to_v")
_TEXT_QKV = ("add_q_proj", "add_k_proj", "add_v_proj")


def natives() -> Iterator[Native]:
    yield Native("img_in", ("x_embedder",))
    yield Native("txt_in", ("context_embedder",))
    for native, ours in (("time", "timestep"), ("guidance", "guidance"), ("vector", "text")):
        embedder = f"time_text_embed.{ours}_embedder"
        yield Native(f"{native}_in.in_layer", (f"{embedder}.linear_1",))
        yield Native(f"{native}_in.out_layer", (f"{embedder}.linear_2",))
    for i in range(DOUBLE):
        native, ours = f"double_blocks.{i}", f"transformer_blocks.{i}"
        for stream, norm, qkv, out, ff in (
            ("img", "norm1", _IMAGE_QKV, "to_out.0", "ff"),
            ("txt", "norm1_context", _TEXT_QKV, "to_add_out", "ff_context"),
        ):
            yield Native(f"{native}.{stream}_mod.lin", (f"{ours}.{norm}.linear",))
            yield Native(
                f"{native}.{stream}_attn.qkv", tuple(f"{ours}.attn.{x}" for x in qkv), (1, 1, 1)
            )
            yield Native(f"{native}.{stream}_attn.proj", (f"{ours}.attn.{out}",))
            yield Native(f"{native}.{stream}_mlp.0", (f"{ours}.{ff}.net.0.proj",))
            yield Native(f"{native}.{stream}_mlp.2", (f"{ours}.{ff}.net.2",))
    for i in range(SINGLE):
        native, ours = f"single_blocks.{i}", f"single_transformer_blocks.{i}"
        yield Native(f"{native}.modulation.lin", (f"{ours}.norm.linear",))
        yield Native(
            f"{native}.linear1",
            (*(f"{ours}.attn.{x}" for x in _IMAGE_QKV), f"{ours}.proj_mlp"),
            (1, 1, 1, 4),
        )
        yield Native(f"{native}.linear2", (f"{ours}.proj_out",))
    yield Native("final_layer.adaLN_modulation.1", ("norm_out.linear",), swapped=True)
    yield Native("final_layer.linear", ("proj_out",))
