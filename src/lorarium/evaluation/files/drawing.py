"""Every file draws the same prompts from the same noise; what is drawn is kept, so nothing is drawn
twice."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lorarium.adapter import Adapter
from lorarium.bases.base import Base
from lorarium.bases.sampling import sample
from lorarium.errors import LorariumError
from lorarium.formats import read
from lorarium.formats.container import write_atomically

Array = np.ndarray
Progress = Callable[[int, int, str], None]
MOST_PROMPTS, LONGEST_PROMPT = 1_000, 2_000
BASE_NAME = "base alone"


@dataclass(frozen=True)
class FileContender:
    """A file to be judged, or the base alone (no path)."""

    name: str
    path: Path | None
    weight: float
    hash: str  # SHA-256 of the file


@dataclass(frozen=True)
class DrawSettings:
    prompts: tuple[str, ...]
    each: int  # pictures of each prompt; every one has its own noise, the same for all files
    steps: int
    guidance: float | None
    size: int | None
    seed: int

    @property
    def count(self) -> int:
        return len(self.prompts) * self.each


def contenders(files: Sequence[tuple[str, float]]) -> list[FileContender]:
    """Names that differ, as short as they can be."""
    paths = [Path(name) for name, _ in files]
    for path in paths:
        if not path.exists():
            raise LorariumError("no such file", where=str(path))
    marks = ["" if weight == 1 else f":{weight:g}" for _, weight in files]
    names: list[str] = []
    for length in range(1, max(len(path.parts) for path in paths) + 1):
        tails = ["/".join(path.with_suffix("").parts[-length:]) for path in paths]
        names = [tail + mark for tail, mark in zip(tails, marks, strict=True)]
        if len(set(names)) == len(names):
            break
    if len(set(names)) < len(names) or BASE_NAME in names:
        raise LorariumError("a file is named twice", where=max(names, key=names.count))
    return [
        FileContender(name, path, weight, content_hash(path))
        for name, path, (_, weight) in zip(names, paths, files, strict=True)
    ]


def content_hash(path: Path) -> str:
    """SHA-256 of a file, or of all files of a PEFT folder."""
    digest = hashlib.sha256()
    try:
        for file in [path] if path.is_file() else sorted(p for p in path.iterdir() if p.is_file()):
            with open(file, "rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
    except OSError as error:
        raise LorariumError(f"cannot be read ({error.strerror})", where=str(path)) from None
    return digest.hexdigest()


def read_prompts(path: Path) -> tuple[str, ...]:
    """A prompt on each line; empty lines and those that begin with # are left out."""
    try:
        if path.stat().st_size > MOST_PROMPTS * LONGEST_PROMPT:
            raise LorariumError("the file is too large for prompts", where=str(path))
        lines = path.read_text("utf-8").splitlines()
    except UnicodeDecodeError:
        raise LorariumError("this is no UTF-8 text", where=str(path)) from None
    except OSError as error:
        raise LorariumError(f"cannot be read ({error.strerror})", where=str(path)) from None
    prompts = [" ".join(line.split()) for line in lines]
    prompts = list(dict.fromkeys(p for p in prompts if p and not p.startswith("#")))
    if not 1 <= len(prompts) <= MOST_PROMPTS:
        raise LorariumError(f"{len(prompts)} prompts", where=str(path), hint="one on each line")
    if longest := next((p for p in prompts if len(p) > LONGEST_PROMPT), None):
        raise LorariumError("a prompt is too long", where=str(path), hint=longest[:60])
    return tuple(prompts)


class DrawnPictures:
    """Pictures (prompts x each, s, s, 3) of each contender, prompt by prompt."""

    def __init__(self, base: Base, folder: Path, settings: DrawSettings) -> None:
        self.base, self.folder, self.settings = base, folder, settings

    def draw(self, rows: Sequence[FileContender], progress: Progress = lambda *_: None) -> None:
        """Draw what is not there yet."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            reason = f"cannot be made ({error.strerror})"
            raise LorariumError(reason, where=str(self.folder)) from None
        s = self.settings
        total, steps = len(rows) * s.count * s.steps, 0
        for done, row in enumerate(rows):
            progress(done * s.count * s.steps, total, row.name)
            if self.load(row) is not None:
                continue
            steps = done * s.count * s.steps

            def advance(_: int, row: FileContender = row) -> None:
                nonlocal steps
                steps += min(16, s.count)
                progress(min(steps, total), total, row.name)

            adapters: list[tuple[Adapter, float]] = []
            if row.path is not None:
                adapters = [(read(row.path), row.weight)]
            pictures = sample(
                self.base,
                [prompt for prompt in s.prompts for _ in range(s.each)],
                adapters=adapters,
                steps=s.steps,
                guidance=s.guidance,
                size=s.size,
                seed=s.seed,
                progress=advance,
            )
            held = io.BytesIO()
            np.savez_compressed(held, pictures=pictures)
            write_atomically(self._place(row), [held.getvalue()], force=True)
        progress(total, total, "")

    def load(self, row: FileContender) -> Array | None:
        """None for what is missing or damaged: it is drawn again."""
        try:
            with np.load(self._place(row), allow_pickle=False) as held:
                pictures = np.asarray(held["pictures"])
        except Exception:  # numpy and zipfile raise many kinds on damaged files
            return None
        good = pictures.dtype == np.uint8 and pictures.ndim == 4
        return pictures if good and len(pictures) == self.settings.count else None

    def __getitem__(self, row: FileContender) -> Array:
        pictures = self.load(row)
        if pictures is None:
            raise LorariumError(f"nothing drawn for {row.name}", where=str(self.folder))
        return pictures

    def _place(self, row: FileContender) -> Path:
        """A name made of everything that decides the pictures."""
        about = repr((self.base.hash, row.hash, row.weight, self.settings))
        return self.folder / f"{hashlib.sha256(about.encode()).hexdigest()[:32]}.npz"
