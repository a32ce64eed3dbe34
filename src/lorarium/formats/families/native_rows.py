"""Rows of data: how the original checkpoints name and stack the weights of each transformer.

`native: ours` with `*` for the number of a block and `$` for that of the last one; several of ours
stand in the rows of one weight, top to bottom; `~` in front says that the two halves of the rows
(shift and scale, or value and gate) stand in the other order in ours. A row counts only where a
network has all of its modules, so one set serves its relatives. Checked against the converters of
the installed diffusers by `tests/interop/test_natives.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

_QKV = "{0}.to_q {0}.to_k {0}.to_v"
_ADDED = "{0}.add_q_proj {0}.add_k_proj {0}.add_v_proj"


def _qkv(path: str) -> str:
    return _QKV.format(path)


def _added(path: str) -> str:
    return _ADDED.format(path)


def _embedder(native: str, ours: str, first: str, second: str) -> dict[str, str]:
    return {f"{native}.{first}": f"{ours}.linear_1", f"{native}.{second}": f"{ours}.linear_2"}


def _streams(first: str, second: str, attention: str) -> dict[str, str]:
    """Double blocks of FLUX's kind: `first` and `second` are the two layers of a feed-forward."""
    rows = {}
    for stream, qkv, out, ff in (
        ("img", _qkv, "to_out.0", "ff"),
        ("txt", _added, "to_add_out", "ff_context"),
    ):
        native, ours = f"double_blocks.*.{stream}", "transformer_blocks.*"
        rows[f"{native}_attn.qkv"] = qkv(f"{ours}.{attention}")
        rows[f"{native}_attn.proj"] = f"{ours}.{attention}.{out}"
        rows[f"{native}_mlp.0"] = f"{ours}.{ff}.{first}"
        rows[f"{native}_mlp.2"] = f"{ours}.{ff}.{second}"
    return rows


_FLUX1 = {
    "img_in": "x_embedder",
    "txt_in": "context_embedder",
    **_embedder("time_in", "time_text_embed.timestep_embedder", "in_layer", "out_layer"),
    **_embedder("guidance_in", "time_text_embed.guidance_embedder", "in_layer", "out_layer"),
    **_embedder("vector_in", "time_text_embed.text_embedder", "in_layer", "out_layer"),
    **_embedder(
        "distilled_guidance_layer.layers.*",
        "distilled_guidance_layer.layers.*",
        "in_layer",
        "out_layer",
    ),
    "double_blocks.*.img_mod.lin": "transformer_blocks.*.norm1.linear",
    "double_blocks.*.txt_mod.lin": "transformer_blocks.*.norm1_context.linear",
    **_streams("net.0.proj", "net.2", "attn"),
    "single_blocks.*.modulation.lin": "single_transformer_blocks.*.norm.linear",
    "single_blocks.*.linear1": _qkv("single_transformer_blocks.*.attn")
    + " single_transformer_blocks.*.proj_mlp",
    "single_blocks.*.linear2": "single_transformer_blocks.*.proj_out",
    "~final_layer.adaLN_modulation.1": "norm_out.linear",
    "final_layer.linear": "proj_out",
}

_FLUX2 = {
    "img_in": "x_embedder",
    "txt_in": "context_embedder",
    **_embedder("time_in", "time_guidance_embed.timestep_embedder", "in_layer", "out_layer"),
    **_embedder("guidance_in", "time_guidance_embed.guidance_embedder", "in_layer", "out_layer"),
    "double_stream_modulation_img.lin": "double_stream_modulation_img.linear",
    "double_stream_modulation_txt.lin": "double_stream_modulation_txt.linear",
    "single_stream_modulation.lin": "single_stream_modulation.linear",
    **_streams("linear_in", "linear_out", "attn"),
    "single_blocks.*.linear1": "single_transformer_blocks.*.attn.to_qkv_mlp_proj",
    "single_blocks.*.linear2": "single_transformer_blocks.*.attn.to_out",
    "~final_layer.adaLN_modulation.1": "norm_out.linear",
    "final_layer.linear": "proj_out",
}

_SD3 = {
    "x_embedder.proj": "pos_embed.proj",
    **_embedder("t_embedder.mlp", "time_text_embed.timestep_embedder", "0", "2"),
    **_embedder("y_embedder.mlp", "time_text_embed.text_embedder", "0", "2"),
    "joint_blocks.*.x_block.attn.qkv": _qkv("transformer_blocks.*.attn"),
    "joint_blocks.*.x_block.attn.proj": "transformer_blocks.*.attn.to_out.0",
    "joint_blocks.*.x_block.attn2.qkv": _qkv("transformer_blocks.*.attn2"),
    "joint_blocks.*.x_block.attn2.proj": "transformer_blocks.*.attn2.to_out.0",
    "joint_blocks.*.x_block.mlp.fc1": "transformer_blocks.*.ff.net.0.proj",
    "joint_blocks.*.x_block.mlp.fc2": "transformer_blocks.*.ff.net.2",
    "joint_blocks.*.x_block.adaLN_modulation.1": "transformer_blocks.*.norm1.linear",
    "joint_blocks.*.context_block.attn.qkv": _added("transformer_blocks.*.attn"),
    "joint_blocks.*.context_block.attn.proj": "transformer_blocks.*.attn.to_add_out",
    "joint_blocks.*.context_block.mlp.fc1": "transformer_blocks.*.ff_context.net.0.proj",
    "joint_blocks.*.context_block.mlp.fc2": "transformer_blocks.*.ff_context.net.2",
    "joint_blocks.*.context_block.adaLN_modulation.1": "transformer_blocks.*.norm1_context.linear",
    "~joint_blocks.$.context_block.adaLN_modulation.1": "transformer_blocks.$.norm1_context.linear",
    "~final_layer.adaLN_modulation.1": "norm_out.linear",
    "final_layer.linear": "proj_out",
}

_WAN = {
    "patch_embedding": "patch_embedding",
    **_embedder("time_embedding", "condition_embedder.time_embedder", "0", "2"),
    **_embedder("text_embedding", "condition_embedder.text_embedder", "0", "2"),
    "time_projection.1": "condition_embedder.time_proj",
    "img_emb.proj.1": "condition_embedder.image_embedder.ff.net.0.proj",
    "img_emb.proj.3": "condition_embedder.image_embedder.ff.net.2",
    **{
        f"{block}.*.{native}.{letter}": f"{block}.*.{ours}.{path}"
        for block in ("blocks", "vace_blocks")
        for native, ours in (("self_attn", "attn1"), ("cross_attn", "attn2"))
        for letter, path in (
            ("q", "to_q"),
            ("k", "to_k"),
            ("v", "to_v"),
            ("o", "to_out.0"),
            ("k_img", "add_k_proj"),
            ("v_img", "add_v_proj"),
        )
    },
    **{
        f"{block}.*.ffn.{layer}": f"{block}.*.ffn.net.{path}"
        for block in ("blocks", "vace_blocks")
        for layer, path in (("0", "0.proj"), ("2", "2"))
    },
    "vace_blocks.*.before_proj": "vace_blocks.*.proj_in",
    "vace_blocks.*.after_proj": "vace_blocks.*.proj_out",
    "head.head": "proj_out",
}

_REFINER = "context_embedder.token_refiner.refiner_blocks.*"
_TOKENS = "txt_in.individual_token_refiner.blocks.*"
_HUNYUAN_VIDEO = {
    "img_in.proj": "x_embedder.proj",
    "txt_in.input_embedder": "context_embedder.proj_in",
    **_embedder(
        "txt_in.t_embedder.mlp", "context_embedder.time_text_embed.timestep_embedder", "0", "2"
    ),
    "txt_in.c_embedder.linear_1": "context_embedder.time_text_embed.text_embedder.linear_1",
    "txt_in.c_embedder.linear_2": "context_embedder.time_text_embed.text_embedder.linear_2",
    f"{_TOKENS}.self_attn_qkv": _qkv(f"{_REFINER}.attn"),
    f"{_TOKENS}.self_attn_proj": f"{_REFINER}.attn.to_out.0",
    f"{_TOKENS}.mlp.fc1": f"{_REFINER}.ff.net.0.proj",
    f"{_TOKENS}.mlp.fc2": f"{_REFINER}.ff.net.2",
    f"{_TOKENS}.adaLN_modulation.1": f"{_REFINER}.norm_out.linear",
    **_embedder("time_in.mlp", "time_text_embed.timestep_embedder", "0", "2"),
    **_embedder("guidance_in.mlp", "time_text_embed.guidance_embedder", "0", "2"),
    **_embedder("vector_in", "time_text_embed.text_embedder", "in_layer", "out_layer"),
    "double_blocks.*.img_mod.linear": "transformer_blocks.*.norm1.linear",
    "double_blocks.*.txt_mod.linear": "transformer_blocks.*.norm1_context.linear",
    "double_blocks.*.img_attn_qkv": _qkv("transformer_blocks.*.attn"),
    "double_blocks.*.txt_attn_qkv": _added("transformer_blocks.*.attn"),
    "double_blocks.*.img_attn_proj": "transformer_blocks.*.attn.to_out.0",
    "double_blocks.*.txt_attn_proj": "transformer_blocks.*.attn.to_add_out",
    "double_blocks.*.img_mlp.fc1": "transformer_blocks.*.ff.net.0.proj",
    "double_blocks.*.img_mlp.fc2": "transformer_blocks.*.ff.net.2",
    "double_blocks.*.txt_mlp.fc1": "transformer_blocks.*.ff_context.net.0.proj",
    "double_blocks.*.txt_mlp.fc2": "transformer_blocks.*.ff_context.net.2",
    "single_blocks.*.modulation.linear": "single_transformer_blocks.*.norm.linear",
    "single_blocks.*.linear1": _qkv("single_transformer_blocks.*.attn")
    + " single_transformer_blocks.*.proj_mlp",
    "single_blocks.*.linear2": "single_transformer_blocks.*.proj_out",
    "~final_layer.adaLN_modulation.1": "norm_out.linear",
    "final_layer.linear": "proj_out",
}

_Z_IMAGE = {
    "x_embedder": "all_x_embedder.2-1",
    "final_layer.linear": "all_final_layer.2-1.linear",
    "final_layer.adaLN_modulation.1": "all_final_layer.2-1.adaLN_modulation.1",
    **{
        f"{stack}.*.attention.{native}": ours
        for stack in ("layers", "noise_refiner", "context_refiner")
        for native, ours in (
            ("qkv", _qkv(f"{stack}.*.attention")),
            ("out", f"{stack}.*.attention.to_out.0"),
        )
    },
}

_LUMINA2 = {
    "cap_embedder.1": "time_caption_embed.caption_embedder.1",
    **_embedder("t_embedder.mlp", "time_caption_embed.timestep_embedder", "0", "2"),
    **{
        f"{stack}.*.{native}": ours
        for stack in ("layers", "noise_refiner", "context_refiner")
        for native, ours in (
            ("attention.qkv", _qkv(f"{stack}.*.attn")),
            ("attention.out", f"{stack}.*.attn.to_out.0"),
            ("feed_forward.w1", f"{stack}.*.feed_forward.linear_1"),
            ("feed_forward.w2", f"{stack}.*.feed_forward.linear_2"),
            ("feed_forward.w3", f"{stack}.*.feed_forward.linear_3"),
            ("adaLN_modulation.1", f"{stack}.*.norm1.linear"),
        )
    },
    "final_layer.adaLN_modulation.1": "norm_out.linear_1",
    "final_layer.linear": "norm_out.linear_2",
}

_LTX = {
    "patchify_proj": "proj_in",
    "audio_patchify_proj": "audio_proj_in",
    **{
        f"{prefix}adaln_single.{tail}": f"{prefix}time_embed.{tail}"
        for prefix in ("", "audio_")
        for tail in (
            "linear",
            "emb.timestep_embedder.linear_1",
            "emb.timestep_embedder.linear_2",
        )
    },
    **{
        f"{native}.{tail}": f"{ours}.{tail}"
        for native, ours in (
            ("av_ca_video_scale_shift_adaln_single", "av_cross_attn_video_scale_shift"),
            ("av_ca_a2v_gate_adaln_single", "av_cross_attn_video_a2v_gate"),
            ("av_ca_audio_scale_shift_adaln_single", "av_cross_attn_audio_scale_shift"),
            ("av_ca_v2a_gate_adaln_single", "av_cross_attn_audio_v2a_gate"),
        )
        for tail in (
            "linear",
            "emb.timestep_embedder.linear_1",
            "emb.timestep_embedder.linear_2",
        )
    },
}

_BLOCKS = {
    "blocks.*.attn.qkv": _qkv("transformer_blocks.*.attn1"),
    "blocks.*.attn.proj": "transformer_blocks.*.attn1.to_out.0",
    "blocks.*.cross_attn.q_linear": "transformer_blocks.*.attn2.to_q",
    "blocks.*.cross_attn.kv_linear": "transformer_blocks.*.attn2.to_k "
    "transformer_blocks.*.attn2.to_v",
    "blocks.*.cross_attn.proj": "transformer_blocks.*.attn2.to_out.0",
}

_PIXART = {
    "x_embedder.proj": "pos_embed.proj",
    **_embedder("t_embedder.mlp", "adaln_single.emb.timestep_embedder", "0", "2"),
    "t_block.1": "adaln_single.linear",
    "y_embedder.y_proj.fc1": "caption_projection.linear_1",
    "y_embedder.y_proj.fc2": "caption_projection.linear_2",
    **_BLOCKS,
    "blocks.*.mlp.fc1": "transformer_blocks.*.ff.net.0.proj",
    "blocks.*.mlp.fc2": "transformer_blocks.*.ff.net.2",
    "final_layer.linear": "proj_out",
}

_SANA = {
    "x_embedder.proj": "patch_embed.proj",
    **_embedder("t_embedder.mlp", "time_embed.emb.timestep_embedder", "0", "2"),
    "t_block.1": "time_embed.linear",
    "y_embedder.y_proj.fc1": "caption_projection.linear_1",
    "y_embedder.y_proj.fc2": "caption_projection.linear_2",
    **_BLOCKS,
    "blocks.*.mlp.inverted_conv.conv": "transformer_blocks.*.ff.conv_inverted",
    "blocks.*.mlp.depth_conv.conv": "transformer_blocks.*.ff.conv_depth",
    "blocks.*.mlp.point_conv.conv": "transformer_blocks.*.ff.conv_point",
    "final_layer.linear": "proj_out",
}

_AURAFLOW = {
    **_embedder("t_embedder.mlp", "time_step_proj", "0", "2"),
    "cond_seq_linear": "context_embedder",
    "init_x_linear": "pos_embed.proj",
    **{
        f"double_layers.*.{native}.{layer}": f"joint_transformer_blocks.*.{ours}.{path}"
        for native, ours in (("mlpX", "ff"), ("mlpC", "ff_context"))
        for layer, path in (
            ("c_fc1", "linear_1"),
            ("c_fc2", "linear_2"),
            ("c_proj", "out_projection"),
        )
    },
    "double_layers.*.modX.1": "joint_transformer_blocks.*.norm1.linear",
    "double_layers.*.modC.1": "joint_transformer_blocks.*.norm1_context.linear",
    **{
        f"double_layers.*.attn.{native}": f"joint_transformer_blocks.*.attn.{ours}"
        for native, ours in (
            ("w2q", "to_q"),
            ("w2k", "to_k"),
            ("w2v", "to_v"),
            ("w2o", "to_out.0"),
            ("w1q", "add_q_proj"),
            ("w1k", "add_k_proj"),
            ("w1v", "add_v_proj"),
            ("w1o", "to_add_out"),
        )
    },
    **{
        f"single_layers.*.{native}": f"single_transformer_blocks.*.{ours}"
        for native, ours in (
            ("mlp.c_fc1", "ff.linear_1"),
            ("mlp.c_fc2", "ff.linear_2"),
            ("mlp.c_proj", "ff.out_projection"),
            ("modCX.1", "norm1.linear"),
            ("attn.w1q", "attn.to_q"),
            ("attn.w1k", "attn.to_k"),
            ("attn.w1v", "attn.to_v"),
            ("attn.w1o", "attn.to_out.0"),
        )
    },
    "final_linear": "proj_out",
    "~modF.1": "norm_out.linear",
}

_MOCHI = {
    "x_embedder.proj": "patch_embed.proj",
    **_embedder("t_embedder.mlp", "time_embed.timestep_embedder", "0", "2"),
    "t5_y_embedder.to_kv": "time_embed.pooler.to_kv",
    "t5_y_embedder.to_q": "time_embed.pooler.to_q",
    "t5_y_embedder.to_out": "time_embed.pooler.to_out",
    "t5_yproj": "time_embed.caption_proj",
    "blocks.*.mod_x": "transformer_blocks.*.norm1.linear",
    "blocks.*.mod_y": "transformer_blocks.*.norm1_context.linear",
    "blocks.$.mod_y": "transformer_blocks.$.norm1_context.linear_1",
    "blocks.*.attn.qkv_x": _qkv("transformer_blocks.*.attn1"),
    "blocks.*.attn.qkv_y": _added("transformer_blocks.*.attn1"),
    "blocks.*.attn.proj_x": "transformer_blocks.*.attn1.to_out.0",
    "blocks.*.attn.proj_y": "transformer_blocks.*.attn1.to_add_out",
    "~blocks.*.mlp_x.w1": "transformer_blocks.*.ff.net.0.proj",
    "blocks.*.mlp_x.w2": "transformer_blocks.*.ff.net.2",
    "~blocks.*.mlp_y.w1": "transformer_blocks.*.ff_context.net.0.proj",
    "blocks.*.mlp_y.w2": "transformer_blocks.*.ff_context.net.2",
    "~final_layer.mod": "norm_out.linear",
    "final_layer.linear": "proj_out",
}

_COSMOS = {
    "x_embedder.proj.1": "patch_embed.proj",
    "t_embedder.1.linear_1": "time_embed.t_embedder.linear_1",
    "t_embedder.1.linear_2": "time_embed.t_embedder.linear_2",
    **{
        f"blocks.*.adaln_modulation_{native}.{i}": f"transformer_blocks.*.norm{n}.linear_{i}"
        for n, native in ((1, "self_attn"), (2, "cross_attn"), (3, "mlp"))
        for i in (1, 2)
    },
    **{
        f"blocks.*.{native}.{letter}": f"transformer_blocks.*.attn{n}.{ours}"
        for n, native in ((1, "self_attn"), (2, "cross_attn"))
        for letter, ours in (
            ("q_proj", "to_q"),
            ("k_proj", "to_k"),
            ("v_proj", "to_v"),
            ("output_proj", "to_out.0"),
        )
    },
    "blocks.*.mlp.layer1": "transformer_blocks.*.ff.net.0.proj",
    "blocks.*.mlp.layer2": "transformer_blocks.*.ff.net.2",
    "final_layer.adaln_modulation.1": "norm_out.linear_1",
    "final_layer.adaln_modulation.2": "norm_out.linear_2",
    "final_layer.linear": "proj_out",
}

_KREA2 = {
    "first": "img_in",
    **_embedder("tmlp", "time_embed", "0", "2"),
    "tproj.1": "time_mod_proj",
    **_embedder("txtmlp", "txt_in", "1", "3"),
    "txtfusion.projector": "text_fusion.projector",
    "last.linear": "final_layer.linear",
    **{
        f"{native}.*.{part}": f"{ours}.*.{path}"
        for native, ours in (
            ("blocks", "transformer_blocks"),
            ("txtfusion.layerwise_blocks", "text_fusion.layerwise_blocks"),
            ("txtfusion.refiner_blocks", "text_fusion.refiner_blocks"),
        )
        for part, path in (
            ("attn.wq", "attn.to_q"),
            ("attn.wk", "attn.to_k"),
            ("attn.wv", "attn.to_v"),
            ("attn.wo", "attn.to_out.0"),
            ("attn.gate", "attn.to_gate"),
            ("mlp.gate", "ff.gate"),
            ("mlp.up", "ff.up"),
            ("mlp.down", "ff.down"),
        )
    },
}

_FLUX3 = {
    "txt_in": "context_embedder",
    **_embedder("time_in", "timestep_embedder", "in_layer", "out_layer"),
    **_embedder("ref_time_in", "target_timestep_embedder", "in_layer", "out_layer"),
    **{f"emb_in.{mode}": f"x_embedders.{mode}" for mode in ("image", "image_cond")},
    **{
        f"{stream}_stream_modulations.{mode}.lin": f"{stream}_stream_modulations.{mode}.linear"
        for stream in ("early", "single")
        for mode in ("image", "image_cond", "txt")
    },
    **{
        f"{native}.*.{name}": f"{ours}.*.{path}"
        for native, ours in (
            ("content_mode_blocks.image", "mode_blocks.image"),
            ("content_mode_blocks.image_cond", "mode_blocks.image_cond"),
            ("txt_mode_blocks", "txt_mode_blocks"),
            ("single_blocks", "single_transformer_blocks"),
        )
        for name, path in (
            ("q_proj", "attn.to_q"),
            ("k_proj", "attn.to_k"),
            ("v_proj", "attn.to_v"),
            ("attn_out", "attn.to_out.0"),
            ("mlp_in", "ff.linear_in"),
            ("mlp_out", "ff.linear_out"),
        )
    },
    "final_layer.image.linear": "proj_out",
    "~final_layer.image.adaLN_modulation.1": "norm_out.linear",
}

_QWEN21 = {
    "transformer_blocks.*.img_mlp.gate_up": "transformer_blocks.*.img_mlp.gate_layer "
    "transformer_blocks.*.img_mlp.proj",
}

# network -> its rows
ROWS: Mapping[str, Mapping[str, str]] = {
    "auraflow": _AURAFLOW,
    "chroma": _FLUX1,
    "cosmos-14b": _COSMOS,
    "cosmos-2b": _COSMOS,
    **dict.fromkeys(("flux1", "flux1-control", "flux1-fill"), _FLUX1),
    **dict.fromkeys(("flux2-dev", "flux2-klein-4b", "flux2-klein-9b"), _FLUX2),
    "flux3": _FLUX3,
    "hunyuan-video": _HUNYUAN_VIDEO,
    "krea2": _KREA2,
    **dict.fromkeys(("ltx-video", "ltx-video-13b", "ltx-2"), _LTX),
    "lumina2": _LUMINA2,
    "mochi": _MOCHI,
    "pixart": _PIXART,
    "qwen-image-2.1": _QWEN21,
    **dict.fromkeys(("sana", "sana-4.8b", "sana-0.6b"), _SANA),
    **dict.fromkeys(("sd3", "sd35-medium", "sd35-large"), _SD3),
    **dict.fromkeys(("wan-14b", "wan-14b-t2v", "wan-14b-a14b-i2v"), _WAN),
    **dict.fromkeys(("wan-1.3b", "wan-5b", "wan-vace-14b", "wan-vace-1.3b"), _WAN),
    "z-image": _Z_IMAGE,
}
