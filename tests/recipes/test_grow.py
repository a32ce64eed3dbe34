"""micro-2 begins where micro-1 ended: what grows out of it draws nearly the same."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from lorarium.bases.clip_text import TextConfig, TextModel
from lorarium.bases.micro import Denoiser, Micro, text_mask
from lorarium.bases.micro2 import TOKENS
from lorarium.bases.micro_base import load_micro
from lorarium.bases.transformer import TransformerConfig
from lorarium.recipes.grow import fit_text, grown
from lorarium.world.words import tokens


@pytest.fixture(scope="module")
def micro() -> Micro:
    return load_micro().model


@torch.no_grad()
@pytest.mark.parametrize("t", [0.1, 0.5, 0.9])
def test_what_grows_says_nearly_what_micro_1_says(micro: Micro, t: float) -> None:
    torch.manual_seed(0)
    new = grown(micro, TransformerConfig())
    words = torch.tensor([tokens("a red cat in ink"), tokens("a spotted teapot in mosaic")] * 4)
    text, mask = micro.text_encoder(words), text_mask(words)
    times, noise = torch.full((8,), t), torch.randn(8, 3, 48, 48)
    clean = micro.denoiser(noise, torch.ones(8), text, mask)  # as like a picture as one step gets
    noisy = (1 - t) * clean + t * noise
    theirs = micro.denoiser(noisy, times, text, mask)
    ours = Denoiser.forward(new, noisy, times, text, mask)
    assert float((ours - theirs).square().mean() / theirs.var()) < 0.01


def test_blocks_and_layers_agree(micro: Micro) -> None:
    with pytest.raises(ValueError, match="layers"):
        grown(micro, replace(TransformerConfig(), layers=9))


@pytest.mark.slow
def test_another_encoder_learns_to_say_the_same(micro: Micro) -> None:
    torch.manual_seed(0)
    text = TextModel(TextConfig(TOKENS))
    assert fit_text(micro, text, steps=80) < 0.93  # of features with variance 1
