"""What the files of a pipeline hold, seen without loading it: sizes by part, and a hash.

Of a diffusers folder the files that diffusers reads when no variant is asked for; of one checkpoint
its keys. Files of torch's own are not looked into.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from itertools import groupby
from math import prod
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from lorarium.formats.header import load_header

DENOISER = "denoiser"
FILES = re.compile(r"(diffusion_pytorch_model|model)(-\d+-of-\d+)?\.safetensors")
# the part of a key in one checkpoint; what begins with none of these is the denoiser's
_PREFIXES = {
    "first_stage_model.": "vae",
    "vae.": "vae",
    "cond_stage_model.": "text_encoder",
    "conditioner.embedders.0.": "text_encoder",
    "conditioner.embedders.1.": "text_encoder_2",
    "text_encoders.clip_l.": "text_encoder",
    "text_encoders.clip_g.": "text_encoder_2",
    "text_encoders.t5xxl.": "text_encoder_3",
}
VALUES = 16  # of each weight go into the hash


class Weight(NamedTuple):
    """A tensor in a file."""

    file: Path
    key: str
    numbers: int


Weights = Mapping[str, list[Weight]]  # by part


def in_folder(folder: Path, parts: Iterable[str]) -> Weights:
    """The weights of a diffusers folder; a part without safetensors files has none."""
    weights_of = {}
    for part in parts:
        files = [f for f in sorted((folder / part).glob("*")) if FILES.fullmatch(f.name)]
        name = DENOISER if part in ("unet", "transformer") else part
        weights_of[name] = [weight for file in files for weight in _weights(file)]
    return weights_of


def in_checkpoint(file: Path) -> Weights:
    """The weights of one checkpoint."""
    weights_of: dict[str, list[Weight]] = {}
    for weight in _weights(file):
        prefix = next((p for p in _PREFIXES if weight.key.startswith(p)), "")
        weights_of.setdefault(_PREFIXES.get(prefix, DENOISER), []).append(weight)
    return weights_of


def _weights(file: Path) -> list[Weight]:
    tensors = load_header(file).tensors.items()
    return [Weight(file, key, prod(info.shape)) for key, info in tensors]


def hash_of(weights: Iterable[Weight]) -> str:
    """The hash of a denoiser in files, whatever it is loaded as."""
    from safetensors import safe_open

    digests = []
    for file, some in groupby(weights, key=lambda weight: weight.file):
        with safe_open(file, "pt") as tensors:
            digests += [_digest(tensors.get_tensor(weight.key)) for weight in some]
    return _joined(digests)


def sampled_hash(weights: Iterable[Tensor]) -> str:
    """SHA-256 of sizes and the first values of each weight: gigabytes stay unread. Names are left
    out, as they differ between a folder and one checkpoint."""
    return _joined([_digest(weight) for weight in weights])


def _digest(weight: Tensor) -> bytes:
    few = weight.detach().flatten()[:VALUES].float().cpu()
    return hashlib.sha256(f"{weight.numel()} ".encode() + few.numpy().tobytes()).digest()


def _joined(digests: list[bytes]) -> str:
    return hashlib.sha256(b"".join(sorted(digests))).hexdigest()
