"""micro-2, a Stable-Diffusion-type pipeline small enough to come along.

A folder as diffusers has it: a transformer in the place of the UNet, CLIP's text encoder, pixels
for latents. Here it runs without diffusers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from lorarium.bases.base import Text
from lorarium.bases.clip_text import TextConfig, TextModel
from lorarium.bases.levels import STEPS, alphas_bar
from lorarium.bases.micro_base import weights_hash
from lorarium.bases.transformer import Transformer, TransformerConfig
from lorarium.errors import LorariumError
from lorarium.world.words import VOCABULARY, tokens

FAMILY = "micro-2"
START, END = len(VOCABULARY), len(VOCABULARY) + 1
PLACES = 16  # tokens of a prompt
TOKENS = 1024  # rows of the token table: words, then the parts a byte-pair tokenizer passes through
TIME_MEAN, TIME_SPREAD = 0.5, 1.1  # of the logit of the times it was trained on
LEAST_NOISE = 0.25  # the error of a picture counts by 1 / sigma^2, down to this sigma


def framed(words: Tensor) -> Tensor:
    """Word numbers (n, k), 0 where there is none, as tokens (n, 16): start, words, end, nothing."""
    n, k = words.shape
    rows = torch.zeros(n, PLACES, dtype=torch.long, device=words.device)
    rows[:, 0] = START
    rows[:, 1 : k + 1] = words
    rows[torch.arange(n, device=words.device), 1 + (words != 0).sum(1)] = END
    return rows


class _TextEncoder(nn.Module):
    """`text_model` inside, as transformers' adapters name it."""

    def __init__(self, text_model: TextModel) -> None:
        super().__init__()
        self.text_model = text_model

    def forward(self, tokens: Tensor) -> Tensor:
        return self.text_model(tokens)


class Micro2Base:
    """micro-2 behind the interface of bases."""

    family = FAMILY
    guidance = 2.0
    distilled = False

    def __init__(self, unet: Transformer, text: TextModel, device: str = "cpu") -> None:
        self.unet = unet.to(device).eval().requires_grad_(False)
        self.text_encoder = _TextEncoder(text).to(device).eval().requires_grad_(False)
        self.bars = alphas_bar().to(device)
        self.size = unet.config.size
        self.hash = weights_hash(
            {f"{k}.{n}": w for k, net in self.networks.items() for n, w in net.state_dict().items()}
        )

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        return {"denoiser": self.unet, "text_encoder": self.text_encoder}

    @property
    def device(self) -> torch.device:
        return self.bars.device

    def encode(self, prompts: Sequence[str]) -> Text:
        words = torch.tensor([tokens(p) for p in prompts])
        return {"hidden": self.text_encoder(framed(words).to(self.device))}

    def predict(self, x: Tensor, t: Tensor, text: Text) -> Tensor:
        return self.unet(x, self._step(t), text["hidden"])

    def _step(self, t: Tensor) -> Tensor:
        return (t * STEPS).round().long().clamp(1, STEPS) - 1

    def alpha_sigma(self, t: Tensor) -> tuple[Tensor, Tensor]:
        bar = torch.where(t * STEPS < 0.5, torch.ones_like(t), self.bars[self._step(t)])
        return bar.sqrt(), (1 - bar).sqrt()

    def loss_weight(self, t: Tensor) -> Tensor:
        return self.alpha_sigma(t)[1].clamp(min=LEAST_NOISE) ** -2

    def sample_time(self, share: Tensor) -> Tensor:
        return torch.sigmoid(TIME_MEAN + TIME_SPREAD * torch.special.ndtri(share))

    def times(self, steps: int) -> list[float]:
        return [round(STEPS * (1 - i / steps)) / STEPS for i in range(steps + 1)]

    def noise_shape(self, size: int) -> tuple[int, int, int]:
        if size != self.size:
            raise LorariumError(f"{FAMILY} makes pictures of {self.size} pixels, not {size}")
        return (3, size, size)

    def to_latent(self, pictures: Tensor) -> Tensor:
        return pictures

    def to_pictures(self, latents: Tensor) -> Tensor:
        return latents.clamp(-1, 1)


def base_of(state: Mapping[str, Any], device: str = "cpu") -> Micro2Base:
    """The base of a training's checkpoint: its averaged weights."""
    averaged: Mapping[str, Tensor] = state["averaged"]
    unet = Transformer(TransformerConfig(**state["unet"]))
    text = TextModel(TextConfig(**state["text"]))
    unet.load_state_dict(_under(averaged, "unet."))
    text.load_state_dict(_under(averaged, "text."))
    return Micro2Base(unet, text, device)


def _under(weights: Mapping[str, Tensor], head: str) -> dict[str, Tensor]:
    return {k.removeprefix(head): v for k, v in weights.items() if k.startswith(head)}
