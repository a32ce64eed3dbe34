"""`render`: prompts and LoRA files -> pictures that say how they were made."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from lorarium import __version__
from lorarium.adapter import Adapter
from lorarium.bases.base import Base, at_hand
from lorarium.bases.holding import BaseToOpen
from lorarium.bases.sampling import STEPS, sample
from lorarium.bases.stack import Rule, read_schedule
from lorarium.errors import LorariumError
from lorarium.files import open_regular
from lorarium.formats import read
from lorarium.formats.target import check_target
from lorarium.pictures import enlarged, grid, labelled, write_png

MOST = 10_000  # pictures of one call


def render(
    prompts: Sequence[str],
    *,
    loras: Sequence[tuple[str | Path | Adapter, float]] = (),
    schedule: str | Path | Sequence[Rule] = (),
    base: Base | BaseToOpen | str | Path | None = None,
    count: int = 1,
    steps: int = STEPS,
    guidance: float | None = None,
    seed: int = 0,
    size: int | None = None,
    device: str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """Pictures (prompts * count, s, s, 3): for each prompt `count`, with seeds from `seed` on.

    >>> render(["a cat in ink"], loras=[("mine.safetensors", 0.8)], count=4).shape
    (4, 48, 48, 3)
    """
    if not prompts:
        raise LorariumError("no prompt was given")
    _check_count(count * len(prompts))
    model = at_hand(base, device)
    adapters = [(a if isinstance(a, Adapter) else read(a), weight) for a, weight in loras]
    rules = read_schedule(Path(schedule)) if isinstance(schedule, str | Path) else schedule
    total, done = count * len(prompts) * steps, 0

    def advance(_: int) -> None:
        nonlocal done
        done += min(16, count * len(prompts))
        if progress is not None:
            progress(min(done, total), total)

    return sample(
        model,
        [p for p in prompts for _ in range(count)],
        adapters=adapters,
        schedule=rules,
        steps=steps,
        guidance=guidance,
        seed=[seed + i for _ in prompts for i in range(count)],
        size=size,
        progress=advance,
    )


def _check_count(count: int) -> None:
    if not 1 <= count <= MOST:
        raise LorariumError(f"{count} pictures", hint=f"ask for 1 to {MOST}")


def save_render(
    pictures: np.ndarray,
    out: Path,
    prompts: Sequence[str],
    settings: dict[str, object],
    as_grid: bool = False,
    scale: int = 1,
    *,
    force: bool = False,
) -> list[Path]:
    """Write one PNG, a labelled grid (a row per prompt), or numbered files; the paths of them."""
    paths = render_paths(out, len(pictures), as_grid, force=force)
    pictures = enlarged(pictures, scale)
    text = {"lorarium": json.dumps({"version": __version__, "prompts": list(prompts), **settings})}
    columns = len(pictures) // len(prompts)
    if as_grid:
        sheet = grid(pictures, columns)
        left = prompts if len(prompts) > 1 else ()
        write_png(out, labelled(sheet, (), left, pictures.shape[1]), text, force=force)
        return paths
    if len(pictures) == 1:
        write_png(out, pictures[0], text, force=force)
        return paths
    for i, path in enumerate(paths):
        one = {**settings, "prompts": [prompts[i // columns]], "picture": i % columns}
        text = {"lorarium": json.dumps({"version": __version__, **one})}
        write_png(path, pictures[i], text, force=force)
    return paths


def render_paths(
    out: Path, count: int, as_grid: bool = False, *, force: bool = False
) -> list[Path]:
    """The files that so many pictures go to, when they may be written to."""
    _check_count(count)
    many = count > 1 and not as_grid
    names = [f"{out.stem}-{i + 1}{out.suffix}" for i in range(count)] if many else [out.name]
    return [check_target(out.with_name(name), force=force, suffixes=(".png",)) for name in names]


def file_hash(path: str | Path) -> str:
    """SHA-256 of a file, for provenance."""
    with open_regular(Path(path)) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
