"""Planted folders: small realistic adapters, files made from them, and the truth about both.

    python benchmarks/planted.py FOLDER [SEED]      # writes one folder and its truth.json

Originals are what a trainer leaves: a random start A that moves little, B learned from it, subjects
that several of them share, something that all trainings have in common, checkpoints of a run. What
is made from them is made by lorarium itself: copies, conversions, number types, padding, powers of
two, other factors, resizes, fewer modules, scaling, negation, noise; merges of two to five by many
methods, cut or whole; merges of merges; and parents that are not in the folder. Headers are
stripped in part, times of files tell the order in some folders and nothing in others.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from trainers import DIALECTS, DTYPES, TOPICS, Trainer, modules_of, random_of, train
from truth import LINEAR, Planted, Truth

from lorarium import formats
from lorarium.adapter import Adapter, Delta, Hadamard, LowRank
from lorarium.algebra import norm, recompress, scale
from lorarium.algebra.forms import arrays
from lorarium.errors import UnverifiedError
from lorarium.mergers import merge
from lorarium.mergers.provenance import stamp

FIRST = ("amber", "brass", "cedar", "dusk", "ember", "fern", "glass", "hazel", "iron", "jade")
START = 1_600_000_000  # of the clock of the files
STRIPPED = 0.5  # of the files that are made from others
ABSENT = 0.12  # of the originals


def each(change: Callable[[LowRank], Delta]) -> Callable[[Adapter], Adapter]:
    def change_all(a: Adapter) -> Adapter:
        deltas = {m: change(d) if isinstance(d, LowRank) else d for m, d in a.items()}
        return a.with_(deltas=deltas)

    return change_all


def padded(d: LowRank) -> LowRank:
    up = np.zeros((d.up.shape[0], 4, *d.up.shape[2:]), d.up.dtype)
    down = np.ones((4, *d.down.shape[1:]), d.down.dtype)
    return replace(d, up=np.concatenate([d.up, up], 1), down=np.concatenate([d.down, down]))


def rescaled(d: LowRank) -> LowRank:
    """Powers of two moved from one factor and the scale to the other."""
    down = (d.down.astype(np.float64) * 2).astype(d.down.dtype)
    return replace(d, down=down, scale=d.scale / 2)


def rotated(d: LowRank) -> LowRank:
    G = random_of(d.up.shape, d.rank).standard_normal((d.rank, d.rank)) + 3 * np.eye(d.rank)
    up = d.up.astype(np.float64).reshape(len(d.up), -1) @ G
    down = np.linalg.solve(G, d.down.astype(np.float64).reshape(d.rank, -1))
    up, down = up.reshape(d.up.shape), down.reshape(d.down.shape)
    return replace(d, up=up.astype(d.up.dtype), down=down.astype(d.down.dtype))


def noisy(d: LowRank, share: float, rng: np.random.Generator) -> LowRank:
    up, down = (
        (x + share * x.astype(np.float64).std() * rng.standard_normal(x.shape)).astype(x.dtype)
        for x in (d.up.astype(np.float64), d.down.astype(np.float64))
    )
    return replace(d, up=up.astype(d.up.dtype), down=down.astype(d.down.dtype))


class Planter:
    """Fills one folder; everything follows from the seed."""

    def __init__(self, folder: Path, seed: int, family: str) -> None:
        self.folder, self.family, self.seed = folder, family, seed
        self.rng = np.random.default_rng([seed, zlib.crc32(family.encode())])
        self.truth = Truth(family, bool(self.rng.random() < 0.5))
        self.adapters: dict[str, Adapter] = {}
        self.clock = START
        folder.mkdir(parents=True, exist_ok=True)

    def pick(self, *of: str, count: int = 1) -> list[str]:
        """Different files whose `operation` is among `of`, absent ones too."""
        paths = [f.path for f in self.truth.files.values() if f.operation in of]
        return [str(p) for p in self.rng.choice(paths, min(count, len(paths)), replace=False)]

    def for_step(self, step: str, *of: str) -> str:
        """A file that is here and that the step does change."""
        able = []
        for file in self.truth.files.values():
            plain = all(isinstance(d, LowRank) for _, d in self.adapters[file.path].items())
            if (
                file.operation in of
                and file.present
                and (plain or step in ("copy", "dtype", "resize"))
            ):
                able += [file.path] if step != "strip" or not file.stripped else []
        return str(self.rng.choice(able))

    def name(self) -> str:
        while True:
            words = self.rng.choice(FIRST), self.rng.choice(TOPICS), self.rng.integers(100)
            path = "{}_{}_{:02}.safetensors".format(*words)
            if path not in self.truth.files:
                return path

    def add(self, file: Planted, adapter: Adapter, dtype: str | None = None) -> str:
        """Write it, and read it back: what others are made from is what the file holds."""
        hidden = file.stripped or (bool(file.sources) and self.rng.random() < STRIPPED)
        file = replace(file, stripped=hidden, core=file.core or file.path)
        if hidden:
            adapter = adapter.with_(metadata={})
        path = self.folder / file.path
        try:
            formats.write(adapter, path, dtype=None if dtype is None else DTYPES[dtype])
        except UnverifiedError:  # too small for that number type
            formats.write(adapter, path)
        self.truth.files[file.path] = file
        self.adapters[file.path] = formats.read(path)
        self._date(path)
        if not file.present:
            path.unlink()
        return file.path

    def _date(self, path: Path) -> None:
        self.clock += int(self.rng.integers(3600, 10**6))
        days = int(self.rng.integers(0, 10**8))
        when = self.clock if self.truth.ordered else START + days
        os.utime(path, (when, when))

    def originals(self) -> None:
        sets = modules_of(self.family)
        names = list(sets)
        wide = 0.15  # few: they are large
        for i in range(5):
            kind = "loha" if i == 4 and self.rng.random() < 0.4 else "lora"
            chosen = self.rng.choice(names, p=[0.55, 0.45 - wide, wide])
            rank = int(self.rng.choice([2, 4, 4, 8]))
            trainer = Trainer(
                f"trainer{self.seed}-{i}",
                sets[chosen],
                rank,
                float(self.rng.choice([1, rank / 2, rank])),
                str(self.rng.choice(list(DTYPES))),
                str(self.rng.choice(DIALECTS)) if kind == "lora" else "kohya",
                int(self.rng.integers(1000)),
                kind,
            )
            # one start for two subjects, one subject of two starts, and at times a whole run
            self.original(trainer, self._subject(i))
            self.original(trainer, self._subject(i + 1))
            if i < 2:
                other = replace(trainer, seed=trainer.seed + 1)
                self.original(other, self._subject(i))
                self.original(trainer, self._subject(i), steps=2)
                self.original(trainer, self._subject(i), steps=1)

    def _subject(self, number: int) -> int:
        return 100 * self.seed + number

    def original(self, trainer: Trainer, subject: int, steps: int = 3) -> str:
        start = f"{trainer.name}/{trainer.seed}"
        present = bool(self.rng.random() >= ABSENT)
        run = f"{start}/{subject}"
        file = Planted(self.name(), "original", present=present, run=run, start=start)
        made = train(trainer, self.family, subject, steps)
        size = float(np.exp(self.rng.normal(0, 0.4))) * 3 / norm(made)
        if trainer.kind == "lora":  # strengths differ between people
            ratio = 2.0 ** round(np.log2(size))
            made = each(lambda d: replace(d, up=(d.up * d.up.dtype.type(ratio))))(made)
        return self.add(replace(file, stripped=bool(self.rng.random() < 0.25)), made)

    # copies and near copies

    def one(self, step: str, source: str) -> str:
        """A file made from one other."""
        before, adapter = self.truth.files[source], self.adapters[source]
        size = 1.0
        word, dtype = step, None
        if step == "convert":
            adapter = adapter.with_(
                dialect=str(self.rng.choice([d for d in DIALECTS if d != adapter.dialect]))
            )
        elif step == "dtype":
            kinds = {array.dtype for _, d in adapter.items() for array in arrays(d)}
            dtype = str(self.rng.choice([k for k, v in DTYPES.items() if np.dtype(v) not in kinds]))
        elif step == "scale":
            size = float(np.round(self.rng.uniform(0.4, 1.6), 2))
            adapter = scale(adapter, size).with_(metadata=adapter.metadata)  # type: ignore[union-attr]
        elif step == "negate":
            size = -1.0
            adapter = scale(adapter, -1).with_(metadata=adapter.metadata)  # type: ignore[union-attr]
        elif step == "resize":
            max_rank = max(d.rank or 1 for _, d in adapter.items())
            rank = int(self.rng.integers(1, max(2, min(max_rank, 17))))
            word = f"resize:{rank}"
            adapter = stamp(recompress(adapter, rank=rank)[0], [adapter], "resize", {"rank": rank})
        elif step == "fewer":
            modules = [m for m in adapter if "attn2" in m.path or self.rng.random() < 0.3]
            modules = modules if len(modules) < len(adapter) else modules[: len(modules) // 2]
            adapter = adapter.with_(deltas={m: adapter.deltas[m] for m in modules})
        elif step == "noise":
            share = float(self.rng.uniform(0.02, 0.1))
            adapter = each(lambda d: noisy(d, share, self.rng))(adapter)
        elif step in SAME:
            adapter = SAME[step](adapter)
        steps = (*before.steps, word)
        file = Planted(self.name(), step, (source,), (size,), before.core, steps)
        if step == "copy":
            return self._copied(file, source)
        return self.add(file, adapter, dtype)

    def _copied(self, file: Planted, source: str) -> str:
        if self.rng.random() < 0.5:
            file = replace(file, path=f"{Path(source).stem} ({len(self.truth.files)}).safetensors")
        file = replace(file, stripped=self.truth.files[source].stripped)
        shutil.copy(self.folder / source, self.folder / file.path)
        self._date(self.folder / file.path)
        self.truth.files[file.path] = file
        self.adapters[file.path] = self.adapters[source]
        return file.path

    # merges

    def merged(self, method: str, sources: list[str], weights: list[float] | None = None) -> str:
        if weights is None:
            signs = self.rng.choice([1, 1, 1, 1, -1], len(sources))
            weights = [float(w) for w in np.round(self.rng.uniform(0.2, 1.2, len(sources)), 2)]
            if method in LINEAR and method != "average":
                weights = [float(w * s) for w, s in zip(weights, signs, strict=True)]
        adapters = [self.adapters[s] for s in sources]
        ranks = [max(d.rank or 1 for _, d in a.items()) for a in adapters]
        options: dict[str, object] = {}
        if method == "cut sum" or (method not in LINEAR and self.rng.random() < 0.5):
            options["rank"] = max(
                2, int(sum(min(r, 16) for r in ranks) * self.rng.uniform(0.4, 0.8))
            )
        elif method not in LINEAR:
            options["rank"] = min(32, sum(ranks))
        elif any(isinstance(d, Hadamard) for a in adapters for _, d in a.items()):
            options["rank"] = 24  # the exact sum would be a full matrix
        if method.startswith("dare"):
            options["seed"] = int(self.rng.integers(100))
        made = merge(adapters, weights, method="sum" if method == "cut sum" else method, **options)
        if method == "average":
            weights = [w / sum(weights) for w in weights]
        dtype = str(self.rng.choice(["fp16", "bf16"])) if self.rng.random() < 0.4 else None
        stated_weights = tuple(weights) if method in LINEAR else ()
        return self.add(Planted(self.name(), method, tuple(sources), stated_weights), made, dtype)


SAME: Mapping[str, Callable[[Adapter], Adapter]] = {
    "strip": lambda a: a.with_(metadata={}),
    "pad": each(padded),
    "rescale": each(rescaled),
    "rotate": each(rotated),
}


def plant(folder: Path, seed: int, family: str = "micro-1") -> Truth:
    """Write a folder of some forty files, and say what each of them is."""
    planter = Planter(folder, seed, family)
    planter.originals()
    rng = planter.rng
    for step in (
        "copy",
        "convert",
        "dtype",
        "strip",
        "pad",
        "rescale",
        "rotate",
        "resize",
        "resize",
    ):
        planter.one(step, planter.for_step(step, "original"))
    for step in ("fewer", "scale", "negate", "noise"):
        planter.one(step, planter.for_step(step, "original"))
    for count in (2, 3, int(rng.integers(4, 6))):
        planter.merged("sum", planter.pick("original", count=count))
    planter.merged("sum", planter.pick("original", count=4), [1.0, 0.05, 0.03, 0.02])
    for method in ("average", "svd", "cut sum", "cut sum", "ties", "dare-linear", "slerp"):
        count = 2 if method == "slerp" else int(rng.integers(2, 5))
        planter.merged(method, planter.pick("original", count=count))
    made = ("resize", "dtype", "convert", "noise")
    planter.merged("sum", [*planter.pick("original"), *planter.pick(*made)])
    merges = ("sum", "svd", "cut sum", "average", "ties")
    chain = [*planter.pick(*merges), *planter.pick("original")]
    planter.merged(str(rng.choice(["sum", "svd", "cut sum"])), chain)
    for step in ("resize", "resize", "dtype", "copy", str(rng.choice(["noise", "scale"]))):
        planter.one(step, planter.for_step(step, *merges))
    return planter.truth


if __name__ == "__main__":
    place, number = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0
    truth = plant(place, number, "micro-1" if number % 2 else "sd1")
    (place / "truth.json").write_text(json.dumps(truth.to_json(), indent=1) + "\n")
    print(f"{len(truth.present())} files in {place}")
