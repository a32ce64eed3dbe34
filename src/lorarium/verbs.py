"""The verbs of `import lorarium as lo` that are not simply one function of a room."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lorarium.adapter import Adapter
from lorarium.errors import LorariumError, need_packages, plain

if TYPE_CHECKING:
    import numpy as np

    from lorarium.adopted import AdoptedBase
    from lorarium.bases.base import Base

PathLike = str | os.PathLike[str]


def resize(
    source: Adapter | PathLike,
    *,
    rank: int | None = None,
    energy: float | None = None,
    size: int | None = None,
    per_layer: bool | None = None,
    dtype: Any = None,
) -> Adapter:
    """An adapter, or a file of one, recompressed with the least possible error: to a rank, a share
    of its energy, or a size in bytes. `algebra.recompress` also reports what was lost.

    >>> lo.resize("ink.safetensors", energy=0.95)
    Adapter(sd1, 264 modules, lora, rank 1 to 16, norm 3.52)
    """
    from lorarium.algebra import recompress
    from lorarium.formats import read
    from lorarium.mergers.provenance import stamp

    adapter = source if isinstance(source, Adapter) else read(source)
    options = {"rank": rank, "energy": energy, "size": size, "per_layer": per_layer}
    small, _ = recompress(adapter, **options, dtype=dtype)  # type: ignore[arg-type]
    return stamp(small, [adapter], "resize", options)


def adopt(
    base: PathLike,
    out: PathLike | None = None,
    *,
    only: Sequence[str] = (),
    minutes: float | None = None,
    share: float | None = None,
    pictures: PathLike | None = None,
    size: int | None = None,
    device: str = "cpu",
    dtype: str = "float32",
    offload: bool = False,
) -> AdoptedBase:
    """Learn for a base what ships for the embedded one, for hours; call it again to go on. Every
    other verb then finds what was made by the base. `pictures` is a folder of your own: styles/NAME
    and subjects/NAME. `size`, in pixels, is of all pictures meanwhile, if not the base's own.

    >>> lo.adopt("models/my-sdxl", minutes=480, device="cuda").folder
    """
    need_packages("lorarium.adopt", ("torch", "PIL"), "torch")
    from lorarium.bases.holding import BaseToOpen, Holding
    from lorarium.recipes.adoption.adopt import adopt, begin

    todo = BaseToOpen(base, Holding(device, dtype, offload))
    adoption = begin(todo, Path(out) if out is not None else None, size=size)
    own = Path(pictures) if pictures is not None else None
    return adopt(adoption, only=tuple(only), minutes=minutes, share=share, pictures=own)


@dataclass(frozen=True, eq=False)
class Pictures:
    """Rendered pictures: `pixels` (n, h, w, 3) uint8, and the prompt of each."""

    pixels: np.ndarray
    prompts: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index: int) -> np.ndarray:
        return self.pixels[index]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self.pixels if dtype is None else self.pixels.astype(dtype)

    def __repr__(self) -> str:
        count, height, width, _ = self.pixels.shape
        return f"Pictures({count} of {width}x{height}; save() writes them)"

    def sheet(self) -> np.ndarray:
        """All of them side by side, a row for each prompt."""
        from lorarium.pictures import grid

        return grid(self.pixels, max(1, len(self) // len(dict.fromkeys(self.prompts))))

    def save(self, path: PathLike, *, force: bool = False) -> Path:
        """Write the sheet as a PNG."""
        from lorarium.pictures import write_png

        write_png(Path(path), self.sheet(), force=force)
        return Path(path)

    def _repr_png_(self) -> bytes:
        from PIL import Image

        data = BytesIO()
        Image.fromarray(self.sheet()).save(data, "PNG")
        return data.getvalue()


def render(
    prompts: str | Sequence[str],
    *,
    loras: Sequence[tuple[Adapter | PathLike, float] | Adapter | PathLike] = (),
    base: Base | PathLike | None = None,
    count: int = 1,
    **options: Any,
) -> Pictures:
    """Pictures of prompts, `count` of each, with adapters or files of them at their weights.

    `options` are those of `bases.render.render`: steps, guidance, seed, size, schedule, device.

    >>> lo.render(["a cat in sty1"], loras=[("ink.safetensors", 0.8)], count=4)
    Pictures(4 of 48x48; save() writes them)
    """
    need_packages("lorarium.render", ("torch", "PIL"), "torch")
    from lorarium.bases.render import render as draw

    words = [prompts] if isinstance(prompts, str) else list(prompts)
    weighted = [lora if isinstance(lora, tuple) else (lora, 1.0) for lora in loras]
    pixels = draw(words, loras=weighted, base=base, count=count, **options)  # type: ignore[arg-type]
    return Pictures(pixels, tuple(word for word in words for _ in range(count)))


@dataclass(frozen=True)
class FileReport:
    """What `evaluate` found: `document` is what `lorarium evaluate files --json` prints."""

    document: dict[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self.document[name]

    def __repr__(self) -> str:
        from lorarium.evaluation.files.page import summary

        return plain(summary(self.document))


def evaluate(
    files: Sequence[PathLike | tuple[PathLike, float]],
    prompts: Sequence[str],
    *,
    subject: Sequence[PathLike] = (),
    style: Sequence[PathLike] = (),
    judges: Sequence[str] = ("b",),
    base: Base | PathLike | None = None,
    count: int = 4,
    steps: int = 20,
    guidance: float | None = None,
    size: int | None = None,
    seed: int = 0,
    folder: PathLike = "evaluate-files",
    device: str = "cpu",
) -> FileReport:
    """Which of some files is best at what they learned, and whether that can be told.

    All draw the same prompts from the same noise into `folder`, where a later call goes on; judges
    compare every picture with pictures of the `subject`, of the `style`, or of both.

    >>> lo.evaluate(["ink-300.safetensors", "ink-400.safetensors"], prompts, style=["drawings/"])
    """
    need_packages("lorarium.evaluate", ("torch", "PIL"), "torch")
    need_packages("lorarium.evaluate", ("scipy",), "library")
    from lorarium.bases.base import at_hand
    from lorarium.evaluation.files.drawing import DrawSettings, contenders
    from lorarium.evaluation.files.protocol import References, evaluate_files
    from lorarium.evaluation.judging.open_judge import CHAT, open_judges
    from lorarium.pictures import picture_files, read_pictures

    if any(name.startswith(CHAT) for name in judges):
        hint = "use `lorarium evaluate files`, which has budgets"
        raise LorariumError("chat judges cost money", hint=hint)
    model = at_hand(base, device)
    given = {"subject": subject, "style": style}
    names = {k: picture_files([Path(p) for p in paths]) for k, paths in given.items() if paths}
    references = References(
        {k: read_pictures(paths, size or model.size) for k, paths in names.items()},  # type: ignore[misc]
        {k: tuple(p.name for p in paths) for k, paths in names.items()},  # type: ignore[misc]
    )
    weighted = [f if isinstance(f, tuple) else (f, 1.0) for f in files]
    rows = contenders([(os.fspath(file), weight) for file, weight in weighted])
    settings = DrawSettings(tuple(prompts), count, steps, guidance, size, seed)
    with open_judges(judges, Path(folder), device=device) as loaded:
        drawn = Path(folder) / "drawn"
        return FileReport(evaluate_files(model, rows, references, loaded, settings, drawn))
