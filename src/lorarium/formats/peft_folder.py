"""PEFT folders on the way out: weights, the config that carries rank and alpha, one rename."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from lorarium.errors import LorariumError

from . import container, peft
from .emit import Draft
from .scale import alpha_for


def save_folder(target: Path, metadata: Mapping[str, str], draft: Draft) -> None:
    """One folder for a lone network, else a folder of folders; whole or not at all."""
    files = {name: tensors for name, tensors in draft.tensors.items() if tensors}
    beside = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        for name, tensors in files.items():
            folder = beside / name if len(files) > 1 else beside
            folder.mkdir(parents=True)
            container.save(folder / peft.WEIGHTS[0], tensors, metadata)
            config = _config(name, draft)
            (folder / peft.CONFIG).write_text(json.dumps(config, indent=2) + "\n", "utf-8")
        _move(beside, target)
    except OSError as error:
        raise LorariumError(f"cannot be written: {error.strerror}", where=str(target)) from None
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _move(beside: Path, target: Path) -> None:
    """The finished folder takes its place; only an old PEFT folder gives way to it."""
    if target.is_dir():
        strangers = [
            item for item in target.rglob("*") if item.is_file() and item.name not in _OURS
        ]
        if strangers:
            raise LorariumError(
                f"the folder holds other files ({strangers[0].name})", where=str(target)
            )
        old = beside.with_suffix(".old")
        os.replace(target, old)
        os.replace(beside, target)
        shutil.rmtree(old, ignore_errors=True)
        return
    os.replace(beside, target)


_OURS = (peft.CONFIG, *peft.WEIGHTS)


def _config(file: str, draft: Draft) -> dict[str, object]:
    """PEFT's JSON: the commonest rank and alpha, the others as anchored patterns."""
    scales = draft.scales[file]
    anchor = "" if file.startswith("text_encoder") else "^"
    alphas = {name: alpha_for(scale, rank) for name, (rank, scale) in scales.items()}
    ranks = {name: rank for name, (rank, _) in scales.items()}
    rank, alpha = _commonest(ranks.values()), _commonest(alphas.values())
    targets: list[str] | str = sorted(scales)
    if _suffixes(scales):
        # PEFT takes a listed name as the end of any name; a pattern is exact.
        targets = "|".join(f"({name})" for name in sorted(scales)).replace(".", r"\.")
    part = "denoiser" if file in ("unet", "transformer") else file
    return {
        "peft_type": "LORA",
        "auto_mapping": None,
        "base_model_name_or_path": None,
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "init_lora_weights": True,
        "r": int(rank),
        "lora_alpha": int(alpha) if alpha == int(alpha) else alpha,
        "lora_dropout": 0.0,
        "rank_pattern": {anchor + n: r for n, r in sorted(ranks.items()) if r != rank},
        "alpha_pattern": {anchor + n: a for n, a in sorted(alphas.items()) if a != alpha},
        "target_modules": targets,
        "modules_to_save": None,
        "task_type": None,
        "use_dora": file in draft.doras,
        "use_rslora": False,
        "lora_bias": part in draft.biases,
    }


def _suffixes(names: Iterable[str]) -> bool:
    known = set(names)
    return any(
        ".".join(pieces[start:]) in known
        for pieces in (name.split(".") for name in known)
        for start in range(1, len(pieces))
    )


def _commonest(values: Iterable[float]) -> float:
    counts: dict[float, int] = {}
    for value in values:
        counts[value] = counts.get(value, 0) + 1
    return max(counts, key=lambda value: (counts[value], -value))
