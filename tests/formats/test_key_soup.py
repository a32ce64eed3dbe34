"""Any mixture of keys and shapes: each key accounted for, what was read can be written back."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lorarium.errors import LorariumError
from lorarium.formats import container, read_report, write

STEMS = [
    "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q",
    "lora_unet_middle_block_1_transformer_blocks_0_attn1_to_q",
    "lora_unet_double_blocks_0_img_attn_qkv",
    "lora_unet_single_blocks_0_linear1",
    "lora_unet_final_layer_adaLN_modulation_1",
    "lora_te_text_model_encoder_layers_0_mlp_fc1",
    "unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q",
    "unet.unet.mid_block.attentions.0.transformer_blocks.0.attn1.processor.to_q_lora",
    "mid_block.attentions.0.transformer_blocks.0.attn1.processor.to_out_lora",
    "diffusion_model.double_blocks.0.img_attn.qkv",
    "transformer.transformer_blocks.0.attn.to_q",
    "text_encoders.t5xxl.transformer.encoder.block.0.layer.0.SelfAttention.q",
    "base_model.model.text_model.encoder.layers.0.self_attn.q_proj",
    "base_model.model.base_model.model.unet.transformer.x",
    "base_model.model.model.layers.0.self_attn.q_proj",
    "text_encoders.",
    "lora_unet_",
    "unet.",
    "x",
    "",
]
TAILS = [
    *("lora_down.weight", "lora_up.weight", "lora_mid.weight", "alpha", "dora_scale", "diff"),
    *("lora_A.weight", "lora_B.weight", "lora_A.default_0.weight", "lora_B.default_0.weight"),
    *("lora_B.bias", "lora_magnitude_vector", "down.weight", "up.weight", "lora.down.weight"),
    *("lora.up.weight", "lora_linear_layer.up.weight", "diff_b", "hada_w1_a", "hada_w1_b"),
    *("hada_w2_a", "hada_w2_b", "hada_t1", "hada_t2", "lokr_w1", "lokr_w2", "lokr_w2_a"),
    *("lokr_w2_b", "lokr_t2", "oft_blocks", "w_norm", "weight", ""),
]
POSITIONS = ["unet:0:up", "unet:0:down", "unet:99999:up", "text_encoder:0:up", "unet:x:up", "<s>"]
KEYS = st.one_of(
    st.builds(lambda stem, tail: f"{stem}.{tail}", st.sampled_from(STEMS), st.sampled_from(TAILS)),
    st.sampled_from(POSITIONS),
    st.text(max_size=12).filter(lambda text: text != "__metadata__"),
)
DIMS = st.lists(st.sampled_from([0, 1, 2, 4, 6, 14, 28]), max_size=4).map(tuple)
NOTES = st.dictionaries(
    st.sampled_from(["unet", "text_encoder", "lora_adapter_metadata", "ss_base_model_version"]),
    st.sampled_from(["", "[]", '["GEGLU"]', "{", '{"unet.r": 0, "unet.lora_alpha": 4}', "sdxl"]),
)


@given(st.dictionaries(KEYS, DIMS, max_size=12), NOTES)
def test_soup(shapes: dict[str, tuple[int, ...]], metadata: dict[str, str]) -> None:
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.safetensors")
        container.save(path, {k: rng.standard_normal(s) for k, s in shapes.items()}, metadata)
        try:
            adapter, report = read_report(path)
        except LorariumError as error:
            assert "\n" not in str(error)
            return
        assert {key.key for key in report.keys} == set(shapes)
        assert all(key.module is not None for key in report.keys if key.fate == "mapped")
        assert all(key.reason for key in report.keys if key.fate != "mapped")
        assert set(adapter.opaque) == {key.key for key in report.carried()}
        for target in (None, "kohya", "diffusers", "peft", "comfy"):
            try:
                written = write(adapter, Path(folder, f"y-{target}.safetensors"), target)
            except LorariumError as error:
                assert "\n" not in str(error)
                continue
            names = {str(module) for module in adapter} | set(adapter.opaque)
            assert {fate.name for fate in written.modules} == names
