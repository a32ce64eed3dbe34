"""A base from one checkpoint, as people have it: Stable Diffusion 1 to 3.5, XL and FLUX.1.

What the file does not say (widths, noise levels) comes from `pipelines.json`, so nothing is asked
for on a network. Tokenizers are in no checkpoint: they are taken from `LORARIUM_TOKENIZERS`, a
folder with `clip` and `t5`, or from where huggingface_hub keeps what it once fetched.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

from lorarium.bases import stored
from lorarium.bases.base import Base
from lorarium.bases.holding import Holding
from lorarium.errors import LorariumError, missing_extra, quoted
from lorarium.formats.checkpoint import Checkpoint, open_checkpoint
from lorarium.formats.header import load_header
from lorarium.trained import write_json

CONFIGS = Path(__file__).with_name("pipelines.json")
TOKENIZERS = "LORARIUM_TOKENIZERS"
# class of a tokenizer -> its folder, and names under which it was published
PUBLISHED = {
    "CLIPTokenizer": ("clip", ("openai/clip-vit-large-patch14", "openai/clip-vit-base-patch32")),
    "T5TokenizerFast": ("t5", ("google/t5-v1_1-xxl", "google-t5/t5-base", "google-t5/t5-small")),
}
# what only whole checkpoints have among their keys
MARKS = (
    "model.diffusion_model.", "first_stage_model.", "double_blocks.", "joint_blocks.",
)  # fmt: skip


def is_checkpoint(name: str) -> bool:
    """Whether a safetensors file is a checkpoint of a pipeline, not one of our own bases."""
    if not name.endswith(".safetensors") or not Path(name).is_file():
        return False
    return any(key.startswith(MARKS) for key in load_header(Path(name)).tensors)


def open_named(name: str, holding: Holding) -> Base:
    """The base of a checkpoint in one file."""
    checkpoint = open_checkpoint(name)
    configs = _configs().get(checkpoint.family)
    if configs is None:
        what = f"a checkpoint of {checkpoint.family} cannot be opened from one file"
        raise LorariumError(what, where=name, hint="give its diffusers folder")
    try:
        import diffusers
        from diffusers.loaders.single_file_utils import SingleFileComponentError

        from lorarium.bases.pipeline import StoredPipeline, load, networks_of
    except ImportError:
        raise missing_extra(f"the base {quoted(name)} needs diffusers", "diffusers") from None
    configs = fitting(checkpoint, configs)
    index = configs["model_index"]
    loaded = {
        part: None if kind[1] is None else tokenizer(kind[1])
        for part, kind in index.items()
        if part.startswith("tokenizer")
    }

    def assemble(**given: Any) -> Any:
        with tempfile.TemporaryDirectory() as folder:
            _lay_out(configs, Path(folder))
            try:
                return getattr(diffusers, index["_class_name"]).from_single_file(
                    name, config=folder, local_files_only=True, **{**loaded, **given}
                )
            except SingleFileComponentError as error:
                what = str(error).strip().split("\n")[0]
                hint = "checkpoints without their encoders: give the diffusers folder"
                raise LorariumError(what, where=name, hint=hint) from None

    parts = {part: configs[part] for part in networks_of(index)}
    weights = stored.in_checkpoint(Path(name))
    return load(StoredPipeline(name, index, parts, weights, assemble), holding)


@cache
def _configs() -> dict[str, dict[str, Any]]:
    """Family -> file or folder of a pipeline -> its configuration."""
    configs: dict[str, dict[str, Any]] = json.loads(CONFIGS.read_text())
    return configs


def fitting(checkpoint: Checkpoint, configs: Mapping[str, Any]) -> dict[str, Any]:
    """The configurations, with what this file's keys say of its variant."""
    fitted: dict[str, Any] = deepcopy(dict(configs))
    keys = checkpoint.tensors
    if "v_pred" in keys:  # a mark of checkpoints of XL that say velocities
        fitted["scheduler"]["prediction_type"] = "v_prediction"
        fitted["scheduler"]["rescale_betas_zero_snr"] = "ztsnr" in keys
    if checkpoint.family == "flux1" and not any("guidance_in." in key for key in keys):
        fitted["transformer"]["guidance_embeds"] = False
        fitted["scheduler"] |= {"use_dynamic_shifting": False, "shift": 1.0}
    third = "text_encoder_3"
    if third in fitted and not any(key.startswith("text_encoders.t5xxl.") for key in keys):
        del fitted[third]  # Stable Diffusion 3 draws without it
        fitted["model_index"] |= {third: [None, None], "tokenizer_3": [None, None]}
    return fitted


def _lay_out(configs: Mapping[str, Any], folder: Path) -> None:
    """As diffusers has a pipeline, without its weights."""
    files = {"model_index": "model_index.json", "scheduler": "scheduler/scheduler_config.json"}
    for name, config in configs.items():
        write_json(folder / files.get(name, f"{name}/config.json"), config)


def tokenizer(kind: str) -> Any:
    """A tokenizer that lies on this machine."""
    import transformers

    folder, names = PUBLISHED[kind]
    home = os.environ.get(TOKENIZERS)
    for place in [str(Path(home, folder))] if home else names:
        try:
            return getattr(transformers, kind).from_pretrained(
                place, local_files_only=True, model_max_length=77 if folder == "clip" else 512
            )
        except Exception:  # of the Rust below, which has no class of its own
            continue
    raise LorariumError(
        f"the words of this base need {names[0]}, which is not on this machine",
        hint=f"fetch it once (hf download {names[0]}), or name a folder with {folder}/ in "
        f"{TOKENIZERS}",
    )
