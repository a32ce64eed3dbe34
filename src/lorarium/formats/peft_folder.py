"""PEFT folders on the way out: weights, the config that carries rank and alpha, one rename."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from lorarium.errors import LorariumError, quoted

from . import container, peft
from .emit import Draft
from .scale import alpha_for
from .target import AnyPath, write_atomically, write_folder_atomically


def save_folder(
    target: Path,
    metadata: Mapping[str, str],
    draft: Draft,
    check: Callable[[Path], None],
    *,
    force: bool = False,
    inputs: Iterable[AnyPath] = (),
) -> None:
    """One folder for a lone network, else a folder of folders; whole or not at all.

    `check` sees the finished folder before it takes its name.
    """
    _refuse_strangers(target)
    files = {name: tensors for name, tensors in draft.tensors.items() if tensors}
    if files.keys() - draft.scales.keys():  # its config could name no rank
        raise LorariumError("no low-rank change for PEFT to load", where=str(target))

    def fill(beside: Path) -> None:
        for name, tensors in files.items():
            folder = beside / name if len(files) > 1 else beside
            folder.mkdir(exist_ok=True)
            container.save(folder / peft.WEIGHTS[0], tensors, metadata)
            config = json.dumps(_config(name, draft), indent=2) + "\n"
            write_atomically(folder / peft.CONFIG, [config.encode()])
        check(beside)

    write_folder_atomically(target, fill, force=force, inputs=inputs)


def _refuse_strangers(target: Path) -> None:
    """Only an old PEFT folder gives way, even to force."""
    if target.is_dir():
        for item in target.rglob("*"):
            if item.is_file() and item.name not in _OURS:
                what = f"the folder holds other files ({quoted(item.name)})"
                raise LorariumError(what, where=str(target))


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
