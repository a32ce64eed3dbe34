import pytest

from lorarium import LorariumError
from lorarium.adapter import Adapter, Module
from lorarium.descriptors.select import SELECTIONS, SORTS, blocks, choose, depth, select, sort_of
from lorarium.formats.families import FAMILIES
from tests.descriptors.planted import planted


def every(family: str) -> list[Module]:
    return [
        Module(part, path)
        for part, table in FAMILIES[family].parts.items()
        for path in table.shapes
    ]


@pytest.mark.parametrize("family", FAMILIES)
def test_sorts_divide_every_network(family):
    modules = every(family)
    counts = {name: len(choose(modules, name, family)) for name in SELECTIONS}
    assert counts["attention"] == sum(counts[x] for x in ("q", "k", "v", "out"))
    assert counts["denoiser"] + counts["text"] == counts["all"] == len(modules)
    inner = [m for m in choose(modules, "denoiser", family) if place(m, family) is not None]
    assert counts["early"] + counts["middle"] + counts["late"] == len(inner)


UNETS = [id for id, family in FAMILIES.items() if family.denoiser == "unet"]
WELL_KNOWN = ("flux1", "micro-1", "sd3", "sd35-large", "wan-1.3b", "pixart", "kandinsky5-pro")


@pytest.mark.parametrize("family", [*UNETS, *WELL_KNOWN])
def test_sorts_are_those_of_attention_and_the_rest(family):
    modules = every(family)
    counts = {name: len(choose(modules, name, family)) for name in SELECTIONS}
    assert counts["q"] == counts["k"] == counts["v"] >= counts["out"] > 0
    assert min(counts["early"], counts["middle"], counts["late"]) > 0
    other = {m.path for m in modules if sort_of(m) == "other"}
    # what is not attention, feed-forward or convolution: projections, times, norms, embeddings
    words = ("proj", "time", "emb", "norm", "adaln", "modulation", "in_layer", "out_layer")
    words += ("detailer.place",)
    assert all(any(word in path for word in words) for path in other)


def place(module: Module, family: str) -> float | None:
    from lorarium.descriptors.select import block_of

    return depth(block_of(module), family)


@pytest.mark.parametrize(
    ("path", "sort"),
    [
        ("transformer_blocks.3.attn.add_k_proj", "k"),
        ("single_transformer_blocks.3.proj_mlp", "feed-forward"),
        ("single_transformer_blocks.3.proj_out", "feed-forward"),
        ("down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_out.0", "out"),
        ("down_blocks.1.attentions.0.transformer_blocks.0.ff.net.0.proj", "feed-forward"),
        ("down_blocks.1.attentions.0.proj_out", "other"),
        ("up_blocks.1.resnets.0.conv2", "conv"),
        ("up_blocks.1.resnets.0.conv2.bias", "conv"),
        ("encoder.block.3.layer.0.SelfAttention.o", "out"),
        ("encoder.block.3.layer.1.DenseReluDense.wi_1", "feed-forward"),
        ("encoder.block.3.layer.1.DenseReluDense.wo", "feed-forward"),
        ("lora_unet_blocks_0_self_attn_q_proj", "q"),
    ],
)
def test_sort_of_a_path(path, sort):
    assert sort_of(Module("denoiser", path)) == sort and sort in SORTS


def test_blocks_are_in_the_order_of_the_network():
    assert blocks("micro-1")[0] == "transformer_blocks.0"
    assert blocks("sd1").index("mid_block") == 11
    assert blocks("sdxl")[-2:] == ("text_encoder", "text_encoder_2")
    assert depth("transformer_blocks.0", "micro-1") < depth("transformer_blocks.5", "micro-1")
    assert depth("other", "sd1") is None and blocks("unknown") == ()


def test_selections_join_and_name_blocks():
    a = planted(0, 0)
    assert {m.path.rsplit(".", 2)[-2] for m in select(a, "cross+k")} == {"attn2"}
    assert len(select(a, "transformer_blocks.2")) == 4
    assert len(select(a, "early")) == 4 and len(select(a, "text")) == 0
    unknown = Adapter(dict(a.deltas), "unknown")
    assert len(select(unknown, "transformer_blocks.2 + v")) == 1
    assert len(select(unknown, "early")) == 0  # nobody knows how deep its blocks lie
    with pytest.raises(LorariumError, match="no selection of modules"):
        select(a, "transformer_blocks.77")
