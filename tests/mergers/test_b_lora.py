"""B-LoRA takes one block of each adapter and nothing else."""

import pytest

from deltas import make
from lorarium import LorariumError
from lorarium.adapter import Adapter
from lorarium.mergers import merge

BLOCK = "up_blocks.0.attentions.{}.transformer_blocks.0.attn1.to_q"


def of(seed, family="sdxl"):
    paths = [BLOCK.format(i) for i in range(3)] + ["mid_block.attentions.0.proj_in"]
    deltas = {("denoiser", p): make("lora", seed + i) for i, p in enumerate(paths)}
    return Adapter({**deltas, ("text_encoder", BLOCK.format(0)): make("lora", seed)}, family)


def test_the_content_of_one_and_the_style_of_the_other():
    a, b = of(1), of(20)
    merged = merge([a, b], method="b-lora")
    content, style = (("denoiser", BLOCK.format(i)) for i in (0, 1))
    assert list(merged) == [content, style]
    assert merged[content] is a[content] and merged[style] is b[style]
    assert merge([a, b], [1, 0.5], method="b-lora")[style].scale == 0.5 * b[style].scale


def test_other_models_need_names():
    a, b = of(1, "flux1"), of(20, "flux1")
    with pytest.raises(LorariumError, match="no blocks of flux1"):
        merge([a, b], method="b-lora")
    merged = merge([a, b], method="b-lora", content=r"denoiser:mid", style=r"attentions\.2")
    assert [m.path for m in merged] == ["mid_block.attentions.0.proj_in", BLOCK.format(2)]
