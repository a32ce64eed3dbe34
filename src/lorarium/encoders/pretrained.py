"""CLIP, SigLIP and DINOv2 as transformers saves them: pictures and words as unit vectors.

Weights are the user's own. Pictures are prepared here, as the models' own settings say:
transformers' processors may need torchvision. transformers loads when a tower does.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lorarium.adapter import Array
from lorarium.errors import LorariumError, one_line, quoted

BATCH = 32
# model_type -> class of transformers, mean and deviation of channels where no file says them
_CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
PICTURES = {
    "clip": ("CLIPVisionModelWithProjection", _CLIP),
    "clip_vision_model": ("CLIPVisionModelWithProjection", _CLIP),
    "dinov2": ("Dinov2Model", _IMAGENET),
    "dinov2_with_registers": ("Dinov2WithRegistersModel", _IMAGENET),
    "siglip": ("SiglipVisionModel", _HALF),
    "siglip_vision_model": ("SiglipVisionModel", _HALF),
}
WORDS = {"clip": "CLIPTextModelWithProjection", "siglip": "SiglipTextModel"}


@dataclass(frozen=True)
class PictureTower:
    net: Any = field(repr=False)  # a module of transformers, with its config
    kind: str
    size: int
    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    @torch.no_grad()
    def embed(self, pictures: Array) -> Array:
        """Pictures (n, h, w, 3) of uint8 as unit vectors (n, d)."""
        device = next(self.net.parameters()).device
        vectors = [
            _pooled(self.net(pixel_values=self.prepared(pictures[i : i + BATCH]).to(device)))
            for i in range(0, len(pictures), BATCH)
        ]
        return F.normalize(torch.cat(vectors).float(), dim=1).cpu().numpy()

    def prepared(self, pictures: Array) -> Tensor:
        """The middle square of each, resized and normalised, (n, 3, s, s)."""
        height, width = pictures.shape[1:3]
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        square = np.ascontiguousarray(pictures[:, top : top + side, left : left + side])
        x = torch.from_numpy(square).permute(0, 3, 1, 2).float() / 255
        if side != self.size:
            x = F.interpolate(
                x, (self.size, self.size), mode="bicubic", antialias=True, align_corners=False
            ).clamp(0, 1)
        mean, deviation = (
            torch.tensor(values)[None, :, None, None] for values in (self.mean, self.deviation)
        )
        return (x - mean) / deviation


@dataclass(frozen=True)
class WordTower:
    net: Any = field(repr=False)  # a module of transformers, with its config
    tokenizer: Any = field(repr=False)
    kind: str

    @torch.no_grad()
    def embed(self, text: str) -> Array:
        """A unit vector (d,); what is longer than the model reads is cut."""
        # SigLIP learned from small letters, always padded to its full length
        siglip = self.kind == "siglip"
        tokens = self.tokenizer(
            [text.lower() if siglip else text], truncation=True,
            padding="max_length" if siglip else False,
            max_length=int(self.net.config.max_position_embeddings), return_tensors="pt",
        )  # fmt: skip
        masks = {} if siglip else {"attention_mask": tokens["attention_mask"]}
        vector = _pooled(self.net(input_ids=tokens["input_ids"], **masks))
        return F.normalize(vector.float(), dim=1)[0].cpu().numpy()


def load_picture_tower(where: str, device: str = "cpu", *, download: bool = False) -> PictureTower:
    """From a folder; with `download` also from a name of the hub."""
    kind, config = _read_config(where, download)
    if kind not in PICTURES:
        raise _other_kind(kind, where, PICTURES)
    class_name, channels = PICTURES[kind]
    net = _load_net(class_name, where, kind, config, download)
    mean, deviation = _channels(Path(where), channels)
    return PictureTower(
        net.eval().to(device), kind.split("_")[0], int(net.config.image_size), mean, deviation
    )


def load_word_tower(folder: str) -> WordTower:
    """The other side of a CLIP or a SigLIP, from a folder that holds its tokenizer too."""
    kind, config = _read_config(folder, download=False)
    if kind not in WORDS:
        raise _other_kind(kind, folder, WORDS)
    net = _load_net(WORDS[kind], folder, kind, config, download=False)
    import transformers

    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
        if not len(tokenizer) <= net.config.vocab_size:
            raise LorariumError("its tokenizer knows more words than its network", where=folder)
    except LorariumError:
        raise
    except Exception as error:
        raise _unloadable(error, folder, "its tokenizer cannot be loaded") from None
    return WordTower(net.eval(), tokenizer, kind)


def _read_config(where: str, download: bool) -> tuple[str, dict[str, Any]]:
    import transformers
    from transformers.utils import logging

    logging.set_verbosity_error()  # that the other tower is left out is no news
    logging.disable_progress_bar()
    try:
        config, _ = transformers.PreTrainedConfig.get_config_dict(
            where, local_files_only=not download
        )
    except Exception as error:
        raise _unloadable(error, where) from None
    return str(config.get("model_type")), config


def _load_net(
    class_name: str, where: str, kind: str, config: dict[str, Any], download: bool
) -> Any:
    import transformers

    # CLIP's outer settings have the last word on the width of its projection
    outer = {k: config[k] for k in ("projection_dim",) if kind == "clip" and k in config}
    try:
        net, about = getattr(transformers, class_name).from_pretrained(
            where, use_safetensors=True, output_loading_info=True,
            local_files_only=not download, **outer,
        )  # fmt: skip
    except Exception as error:
        raise _unloadable(error, where) from None
    if missing := sorted(about["missing_keys"]):
        raise LorariumError(
            f"{len(missing)} weights are missing, such as {quoted(missing[0])}", where=where,
            hint="a network with random weights says nothing",
        )  # fmt: skip
    loaded: nn.Module = net
    return loaded


def _other_kind(kind: str, where: str, known: dict[str, Any]) -> LorariumError:
    what = f"a model of type {quoted(kind)}"
    return LorariumError(what, where=where, hint=f"one of {', '.join(known)}")


def _unloadable(error: Exception, where: str, what: str = "cannot be loaded") -> LorariumError:
    """transformers raises many kinds on what is missing or damaged."""
    reason = one_line(str(error).split("\n")[0], 200)
    return LorariumError(f"{what} ({reason})", where=where)


def _channels(
    folder: Path, usual: tuple[tuple[float, ...], tuple[float, ...]]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    file = folder / "preprocessor_config.json"
    if not file.is_file():
        return usual
    try:
        settings = json.loads(file.read_text("utf-8"))
        mean, deviation = (
            tuple(float(v) for v in settings.get(key, values))
            for key, values in zip(("image_mean", "image_std"), usual, strict=True)
        )
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        raise LorariumError("the settings cannot be read", where=str(file)) from None
    if len(mean) != 3 or len(deviation) != 3 or min(deviation) <= 0:
        raise LorariumError("three means and three deviations are wanted", where=str(file))
    return mean, deviation


def _pooled(output: Any) -> Tensor:
    """CLIP's projection, or what the others pool."""
    for name in ("image_embeds", "text_embeds"):
        if (vector := getattr(output, name, None)) is not None:
            return vector
    return output.pooler_output
