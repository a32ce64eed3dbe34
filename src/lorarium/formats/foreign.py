"""What a file that is no diffusion LoRA seems to be, and diffusion files that no table covers."""

from __future__ import annotations

import re
from collections.abc import Sequence

# names that other kinds of networks have -> what the file seems to be
_FOREIGN = (
    (r"w_[ab]_\d+$", "a Segment Anything (SAM) adapter"),
    (r"image_encoder\.blocks\.\d+\.|mask_decoder\.", "a Segment Anything (SAM) adapter"),
    (r"model\.layers\.\d+\.(self_attn|mlp)\.", "a language-model adapter (Llama-like)"),
    (r"(transformer\.)?h\.\d+\.(attn|mlp)\.", "a language-model adapter (GPT-like)"),
    (r"gpt_neox\.layers\.\d+\.", "a language-model adapter (GPT-NeoX)"),
    (r"encoder\.layer\.\d+\.attention\.", "a BERT-like or ViT adapter"),
    (r"decoder\.block\.\d+\.layer\.", "a sequence-to-sequence language-model adapter"),
    (r"vision_model\.|visual\.blocks\.", "a vision-model adapter"),
    (r"model\.(encoder|decoder)\.layers\.\d+\.", "a speech or translation adapter"),
)
# names of networks beside a base model's -> what they are; their files have no table here
_UNTABLED = (
    (r"motion_modules[._]\d", "an AnimateDiff motion module"),
    (r"controlnet_(cond_embedding|blocks|down_blocks|x_embedder|single_blocks)", "a ControlNet"),
    (r"control_(layers|noise_refiner|model|all_x_embedder)", "a ControlNet"),
    (r"(^|\.)ip_adapter|image_proj\.|to_[kv]_ip\b", "an IP-Adapter"),
    (r"(encoder|decoder)\.(mid_block|down_blocks|up_blocks|conv_in)\b", "an image autoencoder"),
)


def seems(keys: Sequence[str]) -> str:
    """One line when most keys are those of a network that draws no pictures."""
    for pattern, what in _FOREIGN:
        regex = re.compile(rf"(^|\.){pattern}")
        count = sum(regex.search(key) is not None for key in keys)
        if count * 2 > len(keys):
            return f"{count} of {len(keys)} keys are of {what}"
    return ""


def beside(keys: Sequence[str]) -> str:
    """What a diffusion file is of when its names say more than a base model; "" when nothing."""
    for pattern, what in _UNTABLED:
        regex = re.compile(pattern)
        if any(regex.search(key) for key in keys):
            return what
    return ""
