"""micro-2's first weights out of micro-1's: wider, deeper, read by another text encoder.

    python -m lorarium.recipes.grow runs/micro2/start.pt

What micro-1 draws stays nearly as it was: new channels are read and not yet written, new blocks
write nothing yet, and the new encoder is fitted to say what the old one said, on words alone.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lorarium.bases.clip_text import TextConfig, TextModel
from lorarium.bases.micro import Micro
from lorarium.bases.micro2 import TOKENS, framed
from lorarium.bases.micro_base import load_micro
from lorarium.bases.transformer import Transformer, TransformerConfig
from lorarium.recipes.base import cast
from lorarium.recipes.micro2 import Pair, fresh_pair
from lorarium.world.words import prompt, tokens

TWICE = (1, 3)  # blocks of micro-1 that a silent copy follows
SILENT = ("attn1.to_out.0", "attn2.to_out.0", "ff.net.2")
PROMPTS, STEPS, RATE, TOGETHER = 20_000, 1500, 2e-3, 128  # of fitting the text encoder


def grown(micro: Micro, config: TransformerConfig, twice: tuple[int, ...] = TWICE) -> Transformer:
    """The network of pictures, with what it knows."""
    old, new = micro.denoiser, Transformer(config)
    sources = sorted([*range(len(old.transformer_blocks)), *twice])
    if len(sources) != config.layers:
        raise ValueError("as many blocks as the config has layers")
    narrow = micro.config.width
    # a layer's norm over channels of which some are silent yet comes out larger by 1 / share
    share = (narrow / config.width) ** 0.5
    heads = Heads(config.heads, narrow, config.width)
    weights = new.state_dict()
    for i, source in enumerate(sources):
        copy = i > 0 and sources[i - 1] == source
        for name, weight in old.transformer_blocks[source].state_dict().items():
            target = weights[f"transformer_blocks.{i}.{name}"]
            part, kind = name.rsplit(".", 1) if "." in name else (name, "")
            if part.endswith((".to_q", ".to_k", ".to_v")):
                heads.put_rows(target, weight, part)
            elif part.endswith("to_out.0") and kind == "weight":
                heads.put_columns(target, weight)
            elif name == "scale_shift_table":
                target[:, :narrow] = scaled(weight, share, 1)
            elif part == "norm2":
                target[:narrow] = weight * (share if kind == "weight" else 1)
            else:
                put(target, weight, writes=part == "ff.net.2")
            if copy and part in SILENT:
                target.zero_()
    for name, weight in old.state_dict().items():
        if name.startswith("transformer_blocks"):
            continue
        target = weights[name]
        if name.startswith("adaln_single"):
            of_six = target.unflatten(0, (6, -1))
            of_six.zero_()
            cut = (slice(None), slice(narrow), *[slice(s) for s in weight.shape[1:]])
            of_six[cut] = scaled(weight.unflatten(0, (6, -1)), share, 0)
        elif name.startswith("norm_out"):
            target[:narrow] = weight * (share if name.endswith("weight") else 1)
        else:
            put(target, weight, writes=name.startswith(("proj_in", "pos_embed", "proj_out")))
    new.load_state_dict(weights)
    return new


def scaled(shifts: Tensor, share: float, one: int) -> Tensor:
    """Shift, scale and gate of two norms, in rows: 1 + scale, in the table, grows by `share`."""
    shifts = shifts.clone()
    for row in (1, 4):
        shifts[row] = shifts[row] * share + one * (share - 1)
    return shifts


def put(target: Tensor, weight: Tensor, writes: bool) -> None:
    """A smaller weight in a corner. Around it all is silent if it `writes` to the residual stream
    or the picture; else what reads new channels keeps its random start."""
    if writes:
        target.zero_()
    target[tuple(slice(s) for s in weight.shape)] = weight


class Heads:
    """Channels of wider heads that the old ones become."""

    def __init__(self, heads: int, narrow: int, wide: int) -> None:
        self.before, self.after = narrow // heads, wide // heads
        place = torch.arange(narrow)
        self.rows = place // self.before * self.after + place % self.before
        self.narrow = narrow

    def put_rows(self, target: Tensor, weight: Tensor, part: str) -> None:
        if part.endswith("to_k"):
            target.zero_()  # new channels of queries and keys: one of them starts silent
        # attention divides by the root of a head's width
        factor = (self.after / self.before) ** 0.5 if part.endswith("to_q") else 1.0
        target[self.rows, : weight.shape[1]] = weight * factor

    def put_columns(self, target: Tensor, weight: Tensor) -> None:
        target.zero_()
        target[: self.narrow, self.rows] = weight


def fit_text(micro: Micro, text: TextModel, steps: int = STEPS, seed: int = 3) -> float:
    """Teach the encoder micro-1's words; what stands around them says what silence said. The mean
    squared error of the last steps."""
    random = np.random.default_rng(seed)
    rows = [tokens(prompt(*pair, random)) for pair in zip(*cast(PROMPTS, random), strict=True)]
    prompts = torch.tensor(rows)
    optimizer = torch.optim.AdamW(text.parameters(), lr=RATE, weight_decay=0.0)
    old = micro.text_encoder
    with torch.no_grad():
        silence = old(torch.zeros_like(prompts[:1]))[0, 0]
    errors = []
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1, (step + 1) / 100, (steps - step) / (0.5 * steps))
        words = prompts[random.integers(PROMPTS, size=TOGETHER)]
        words[: TOGETHER // 16] = 0
        framed_words = framed(words)
        target = silence.expand(*framed_words.shape, -1).clone()
        with torch.no_grad():
            target[:, 1 : 1 + words.shape[1]][words != 0] = old(words)[words != 0]
        error = (text(framed_words) - target).square().mean()
        optimizer.zero_grad()
        error.backward()
        optimizer.step()
        errors.append(error.item())
    return float(np.mean(errors[-50:]))


def first_weights(path: Path, config: TransformerConfig | None = None) -> None:
    """A file that a training of micro-2 begins with."""
    torch.manual_seed(4)
    base = load_micro()
    micro, config = base.model, config or TransformerConfig()
    text = TextConfig(TOKENS, hidden_size=config.text_width)
    pair: Pair = fresh_pair(config, text)
    pair.unet.load_state_dict(grown(micro, config).state_dict())
    print(f"the text encoder misses micro-1's by {fit_text(micro, pair.text):.5f}", flush=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({
        "averaged": dict(pair.named_parameters()),
        "pictures": 0, "grown_from": base.hash,
    }, path)  # fmt: skip


if __name__ == "__main__":
    first_weights(Path(sys.argv[1]))
