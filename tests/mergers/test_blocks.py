import pytest

from lorarium.adapter import Module
from lorarium.mergers.blocks import block_names, block_of, block_weights, presets

UNET = {
    "conv_in": "IN00",
    "down_blocks.0.attentions.0.proj_in": "IN01",
    "down_blocks.0.resnets.1.conv1": "IN02",
    "down_blocks.0.downsamplers.0.conv": "IN03",
    "down_blocks.2.attentions.1.transformer_blocks.0.attn1.to_q": "IN08",
    "mid_block.attentions.0.proj_in": "M00",
    "up_blocks.0.resnets.0.conv1": "OUT00",
    "up_blocks.1.attentions.2.proj_out": "OUT05",
    "up_blocks.1.upsamplers.0.conv": "OUT05",
    "time_embedding.linear_1": "BASE",
}
FLUX = {
    "transformer_blocks.7.attn.to_q": "D07",
    "single_transformer_blocks.37.proj_mlp": "S37",
    "x_embedder": "BASE",
}


@pytest.mark.parametrize("family,paths", [("sd1", UNET), ("sdxl", UNET), ("flux1", FLUX)])
def test_blocks_of_modules(family, paths):
    for path, block in paths.items():
        assert block_of(Module("denoiser", path), family) == block
        assert block in block_names(family)
        assert block_of(Module("text_encoder", path), family) == "BASE"


# the 17 numbers that block-weight users paste, in the order of these names
SEVENTEEN = "BASE IN01 IN02 IN04 IN05 IN07 IN08 M00".split() + [f"OUT{i:02d}" for i in range(3, 12)]
USUAL = {
    "NONE": "00000000000000000",
    "ALL": "11111111111111111",
    "INS": "11110000000000000",
    "IND": "10001110000000000",
    "INALL": "11111110000000000",
    "MIDD": "10001111111100000",
    "OUTD": "10000000111100000",
    "OUTS": "10000000000011111",
    "OUTALL": "10000000111111111",
}


@pytest.mark.parametrize("preset", USUAL)
def test_sd1_presets_are_the_usual_numbers(preset):
    weights = block_weights(preset, "sd1")
    assert "".join(str(int(weights[name])) for name in SEVENTEEN) == USUAL[preset]


@pytest.mark.parametrize("family", ["sd1", "sd2", "sdxl", "flux1"])
def test_every_preset_expands(family):
    for preset in presets(family):
        assert list(block_weights(preset, family)) == block_names(family)


def test_ranges_and_order_of_a_mapping():
    weights = block_weights({"ALL": 0, "D03-D05": 0.5, "d04": 2, "S00": 1}, "flux1")
    assert {k: v for k, v in weights.items() if v} == {"D03": 0.5, "D04": 2, "D05": 0.5, "S00": 1}
