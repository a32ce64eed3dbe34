"""CLIP, DINOv2 and SigLIP as judges, through transformers, from weights that the user has.

One vector a picture serves both aspects; what a threshold means is said by the strangers it is
calibrated on, and without them a judge only grades. Pictures are prepared here, as the models'
own settings say: transformers' processors may need torchvision.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lorarium.errors import LorariumError, one_line, quoted
from lorarium.evaluation.judging.comparison import Array, Aspect, Comparison
from lorarium.evaluation.statistics import threshold_at

if TYPE_CHECKING:
    from lorarium.evaluation.judging.open_judge import JudgeContext

FALSE_ACCEPTS = 0.05
BATCH = 32
# model_type -> class of transformers, mean and deviation of channels where no file says them
_CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
MODELS = {
    "clip": ("CLIPVisionModelWithProjection", _CLIP),
    "clip_vision_model": ("CLIPVisionModelWithProjection", _CLIP),
    "dinov2": ("Dinov2Model", _IMAGENET),
    "dinov2_with_registers": ("Dinov2WithRegistersModel", _IMAGENET),
    "siglip": ("SiglipVisionModel", _HALF),
    "siglip_vision_model": ("SiglipVisionModel", _HALF),
}


@dataclass(frozen=True)
class EmbeddingJudge:
    """A picture's grade is its mean cosine with the references, less the threshold if there is
    one; the verdict on a pair is its own cosine against the threshold."""

    net: nn.Module = field(repr=False)
    name: str
    size: int
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    thresholds: Mapping[Aspect, float] = field(default_factory=dict)

    @property
    def card(self) -> dict[str, Any]:
        kind = type(self.net).__name__
        return {"kind": "embedding", "model": kind, "thresholds": dict(self.thresholds)}

    def compare(self, aspect: Aspect, pictures: Array, references: Array) -> Comparison:
        cosines = self.embed(pictures) @ self.embed(references).T
        threshold = self.thresholds.get(aspect)
        if threshold is None:
            return Comparison(cosines.mean(1))
        return Comparison(cosines.mean(1) - threshold, cosines >= threshold)

    def calibrated(self, aspect: Aspect, strangers: Array, references: Array) -> EmbeddingJudge:
        """The judge whose threshold lets 5% of pairs of a stranger and a reference pass."""
        cosines = self.embed(strangers) @ self.embed(references).T
        threshold = threshold_at(cosines.ravel(), FALSE_ACCEPTS)
        return replace(self, thresholds={**self.thresholds, aspect: threshold})

    @torch.no_grad()
    def embed(self, pictures: Array) -> Array:
        """Unit vectors (n, d)."""
        device = next(self.net.parameters()).device
        vectors = [
            _pooled(self.net(pixel_values=self._prepared(pictures[i : i + BATCH]).to(device)))
            for i in range(0, len(pictures), BATCH)
        ]
        return F.normalize(torch.cat(vectors).float(), dim=1).cpu().numpy()

    def _prepared(self, pictures: Array) -> Tensor:
        """The middle square of each, resized and normalised, (n, 3, s, s)."""
        height, width = pictures.shape[1:3]
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        square = np.ascontiguousarray(pictures[:, top : top + side, left : left + side])
        x = torch.from_numpy(square).permute(0, 3, 1, 2).float() / 255
        x = F.interpolate(
            x, (self.size, self.size), mode="bicubic", antialias=True, align_corners=False
        ).clamp(0, 1)
        mean, deviation = (
            torch.tensor(values)[None, :, None, None] for values in (self.mean, self.deviation)
        )
        return (x - mean) / deviation


def open_named(where: str, context: JudgeContext) -> EmbeddingJudge:
    return load_embedding_judge(where, context.device, download=context.download)


def load_embedding_judge(
    where: str, device: str = "cpu", *, download: bool = False
) -> EmbeddingJudge:
    """A folder as transformers saves it; with `download` also a name of the hub."""
    if not download and not Path(where).is_dir():
        raise LorariumError(
            "no such folder", where=where,
            hint="name a folder of weights, or allow fetching them with --download",
        )  # fmt: skip
    import transformers
    from transformers.utils import logging

    logging.set_verbosity_error()  # that a text encoder is left out is no news
    logging.disable_progress_bar()
    local: dict[str, Any] = {"local_files_only": not download}
    try:
        config, _ = transformers.PreTrainedConfig.get_config_dict(where, **local)
        kind = str(config.get("model_type"))
        if kind not in MODELS:
            raise LorariumError(
                f"a model of type {quoted(kind)}", where=where, hint=f"one of {', '.join(MODELS)}"
            )
        class_name, channels = MODELS[kind]
        # CLIP's outer settings have the last word on the width of its projection
        local |= {k: config[k] for k in ("projection_dim",) if kind == "clip" and k in config}
        net, about = getattr(transformers, class_name).from_pretrained(
            where, use_safetensors=True, output_loading_info=True, **local
        )
    except LorariumError:
        raise
    except Exception as error:  # transformers raises many kinds on what is missing or damaged
        reason = one_line(str(error).split("\n")[0], 200)
        raise LorariumError(f"cannot be loaded ({reason})", where=where) from None
    if missing := sorted(about["missing_keys"]):
        raise LorariumError(
            f"{len(missing)} weights are missing, such as {quoted(missing[0])}", where=where,
            hint="a judge with random weights says nothing",
        )  # fmt: skip
    mean, deviation = _channels(Path(where), channels)
    size = int(net.config.image_size)
    name = f"{kind.split('_')[0]}:{Path(where).name}"
    return EmbeddingJudge(net.eval().to(device), name, size, mean, deviation)


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
    """The vector of a picture: CLIP's projection, or what the others pool."""
    vector = getattr(output, "image_embeds", None)
    return vector if vector is not None else output.pooler_output
