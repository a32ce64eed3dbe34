"""Does a base follow its prompts, and do LoRAs on it learn artists and individuals?

Judge B reports. Beside each rate stand the ceiling (true renders of the same cells) and the floor
(the base with the genre or class word and no adapter). All samples of a comparison share noise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from functools import lru_cache
from typing import Any

import numpy as np

from lorarium.adapter import Adapter
from lorarium.bases.base import Base
from lorarium.bases.sampling import sample
from lorarium.evaluation.judges import Judge
from lorarium.evaluation.statistics import two_way_bootstrap
from lorarium.training.fit import fit
from lorarium.training.manifest import Entry, pool_cell
from lorarium.training.mint import groups, job_of
from lorarium.world.scene import PHOTO, Style, Subject, View, render
from lorarium.world.splits import SEEN_CLASSES, SEEN_GENRES, numbers

Array = np.ndarray
Figures = dict[str, Any]
Say = Callable[[str], None]
Verdicts = dict[str, list[Array]]
STEPS = 20


def follows_prompts(base: Base, judge: Judge, *, per_genre: int = 26, seed: int = 5) -> Figures:
    """Agreement of class and genre, of samples and of true renders of the same words."""
    random = np.random.default_rng(seed)
    cells = [
        (str(kind), genre)
        for genre in SEEN_GENRES
        for kind in random.permutation(SEEN_CLASSES)[:per_genre]
    ]
    n = len(cells)
    true = render(
        [Subject(k, i) for (k, _), i in zip(cells, numbers("test", n, random), strict=True)],
        [Style(g, i) for (_, g), i in zip(cells, numbers("test", n, random), strict=True)],
        [View(i) for i in numbers("test", n, random)],
        base.size,
    )
    made = sample(base, [f"a {k} in {g}" for k, g in cells], steps=STEPS, seed=seed, batch=32)
    kinds, genres = (np.array(words) for words in zip(*cells, strict=True))
    figures: Figures = {"pictures": n}
    for name, pictures in (("samples", made), ("true renders", true)):
        class_ok = np.array(judge.class_of(pictures)) == kinds
        genre_ok = np.array(judge.genre_of(pictures)) == genres
        by_genre = {g: round(float(class_ok[genres == g].mean()), 2) for g in SEEN_GENRES}
        figures[name] = {
            "class": _share(class_ok), "genre": _share(genre_ok),
            "both": _share(class_ok & genre_ok), "class by genre": by_genre,
        }  # fmt: skip
    return figures


def style_loras(
    base: Base,
    judge: Judge,
    entries: Sequence[Entry],
    *,
    subjects: int = 14,
    mirror: bool = False,
    seed: int = 6,
    say: Say = print,
) -> Figures:
    """LoRAs of test artists on individuals they never saw, judged by the artists' own pictures;
    `mirror` as `train` learns a style."""
    kinds = [str(k) for k in np.random.default_rng(seed).permutation(SEEN_CLASSES)[:subjects]]
    people = [Subject(k, 500 + i) for i, k in enumerate(kinds)]
    floor = "base with the genre word"
    verdicts: Verdicts = {"LoRA": [], floor: [], "true renders": []}
    for entry, adapter in _trained(base, entries, say, mirror):
        made = _samples(base, [f"a {k} in sty1" for k in kinds], seed, adapter)
        plain = _samples(base, [f"a {k} in {entry.of[0]}" for k in kinds], seed)
        true = render(people, [Style(*entry.of)] * subjects, _views(subjects, seed), base.size)
        references = reference_pictures(entry, base.size)
        for name, pictures in (("LoRA", made), (floor, plain), ("true renders", true)):
            verdicts[name].append(judge.style_pass(pictures, references))
    return _rates(verdicts, floor, seed)


def subject_loras(
    base: Base,
    judge: Judge,
    entries: Sequence[Entry],
    *,
    pictures: int = 8,
    seed: int = 7,
    say: Say = print,
) -> Figures:
    """LoRAs of test individuals in new views, judged by the individuals' own pictures."""
    floor = "base with the class word"
    verdicts: Verdicts = {"LoRA": [], floor: [], "true renders": []}
    styles = [Style(PHOTO, 500 + i) for i in range(pictures)]
    for entry, adapter in _trained(base, entries, say):
        kind = entry.of[0]
        made = _samples(base, [f"a sub1 {kind} in {PHOTO}"] * pictures, seed, adapter)
        plain = _samples(base, [f"a {kind} in {PHOTO}"] * pictures, seed)
        true = render([Subject(*entry.of)] * pictures, styles, _views(pictures, seed), base.size)
        references = reference_pictures(entry, base.size)
        for name, batch in (("LoRA", made), (floor, plain), ("true renders", true)):
            verdicts[name].append(judge.subject_pass(batch, references))
    return _rates(verdicts, floor, seed)


def _trained(
    base: Base, entries: Sequence[Entry], say: Say, mirror: bool = False
) -> Iterator[tuple[Entry, Adapter]]:
    done = 0
    for group in groups(entries, 8):
        jobs = [replace(job_of(entry, base), mirror=mirror) for entry in group]
        yield from zip(group, fit(base, jobs), strict=True)
        done += len(group)
        say(f"{done} of {len(entries)} adapters")


def _samples(base: Base, words: list[str], seed: int, adapter: Adapter | None = None) -> Array:
    adapters = [] if adapter is None else [(adapter, 1.0)]
    return sample(base, words, adapters=adapters, steps=STEPS, seed=seed * 1000)


def _views(count: int, seed: int) -> list[View]:
    return [View(seed * 1000 + i) for i in range(count)]


@lru_cache(maxsize=256)
def reference_pictures(entry: Entry, size: int) -> Array:
    """Pictures that the adapter was not trained on, of the same artist or individual."""
    unseen = [i for i in range(32) if i not in entry.pictures]
    cells = [pool_cell(entry, i) for i in unseen[: 12 if entry.kind == "style" else 5]]
    subjects, styles, views, _ = zip(*cells, strict=True)
    return render(subjects, styles, views, size)


def _rates(verdicts: Verdicts, floor: str, seed: int) -> Figures:
    tables = {name: np.stack(rows).astype(float) for name, rows in verdicts.items()}
    above = two_way_bootstrap(tables["LoRA"] - tables[floor], seed=seed)
    rates = {name: round(float(table.mean()), 3) for name, table in tables.items()}
    each = zip(tables["LoRA"].mean(1), tables["true renders"].mean(1), strict=True)
    return {
        "rates": rates,
        "adapters": len(tables["LoRA"]),
        "each, and its ceiling": [[round(float(a), 2), round(float(b), 2)] for a, b in each],
        "above the floor": {k: round(v, 3) for k, v in asdict(above).items()},
        "of the ceiling": round(rates["LoRA"] / max(rates["true renders"], 1e-9), 3),
    }


def _share(hits: Array) -> float:
    return round(float(hits.mean()), 3)
