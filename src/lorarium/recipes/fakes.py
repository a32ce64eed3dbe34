"""Pictures as models draw them, for judges to learn from: `make_bank(half, folder, minutes)`.

Negatives: what the shipped generator draws of an artist or individual, what LoRAs of few steps
draw, what the base draws when the genre and the class are said in words, and merges of two
generated adapters. Positives that look drawn by a model: true pictures that lost a little to noise
and were cleaned by the base. None of it is of validation or test people.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from lorarium.adapter import Adapter
from lorarium.bases.base import Base, mixed, open_base
from lorarium.bases.sampling import sample
from lorarium.bases.stack import each
from lorarium.evaluation.synth.targets import pool
from lorarium.mergers import merge
from lorarium.synthesis.make import synthesize
from lorarium.synthesis.store import Synth, load_synth
from lorarium.training.fit import fit
from lorarium.training.recipe import Job, Recipe
from lorarium.world.scene import PHOTO, Style, Subject, View, render
from lorarium.world.splits import SEEN_CLASSES, SEEN_GENRES, TRAIN_NUMBERS, numbers
from lorarium.world.words import prompt

# who may be met: trainers and reporters share nobody
REMAINDER = {"a": 0, "b": 2}
ARTISTS, INDIVIDUALS = 8, 2  # of each genre and class
TOUCHED = (0.1, 0.3)  # noise shares after which a cleaned picture still is what it was
AT_ONCE = 8


@dataclass(frozen=True)
class Plan:
    steps: int = 8  # of sampling
    generated: int = 6  # pictures of each generated adapter
    brief: int = 30  # steps of the short trainings
    brief_pictures: int = 4
    worded: int = 24  # pictures of each genre in words
    touched: int = 4
    seed: int = 5


def people(half: str) -> tuple[list[Style], list[Subject]]:
    """The artists and individuals whose fakes a half of the judges meets."""
    first = TRAIN_NUMBERS[0] + 500_000
    first += (REMAINDER[half] - first) % 3
    artists = [Style(g, first + 3 * i) for g in SEEN_GENRES for i in range(ARTISTS)]
    persons = [Subject(c, first + 3 * i) for c in SEEN_CLASSES for i in range(INDIVIDUALS)]
    return artists, persons


class FakeBank:
    """Rows of pictures and what they are, kept on disk shard by shard."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def has(self, name: str) -> bool:
        return (self.folder / f"{name}.npz").exists()

    def put(self, name: str, pictures: np.ndarray, artist: Sequence[int], person: Sequence[int],
            kind: str) -> None:  # fmt: skip
        fresh = self.folder / f".{name}.npz"
        np.savez(fresh, pictures=pictures, artist=np.array(artist), person=np.array(person),
                 kind=np.array([kind] * len(pictures)))  # fmt: skip
        fresh.rename(self.folder / f"{name}.npz")


def make_bank(half: str, folder: Path, minutes: float, plan: Plan | None = None) -> bool:
    """Draw what is missing; True when all is there. A fake counts against `artist`, `person` (their
    number in `people`), or both; -1 is nobody."""
    plan = plan or Plan()
    end = time.time() + 60 * minutes
    base, bank = open_base(), FakeBank(folder)
    synth = load_synth(base=base)
    artists, persons = people(half)
    jobs: list[tuple[str, int, Sequence[Style | Subject]]] = []
    for start in range(0, len(artists), AT_ONCE):
        jobs.append(("artist", start, artists[start : start + AT_ONCE]))
    for start in range(0, len(persons), AT_ONCE):
        jobs.append(("person", start, persons[start : start + AT_ONCE]))
    jobs.sort(key=lambda job: job[1])
    for kind, start, group in jobs:
        name = f"{kind}-{start:04}"
        if bank.has(name):
            continue
        if time.time() > end:
            return False
        random = np.random.default_rng([plan.seed, ord(half), ord(kind[0]), start])
        draw_group(bank, base, synth, kind, start, group, random, plan)
        print(name, round(end - time.time()), "s left", flush=True)
    return True


def draw_group(
    bank: FakeBank, base: Base, synth: Synth, kind: str, start: int,
    group: Sequence[Style | Subject], random: np.random.Generator, plan: Plan,
) -> None:  # fmt: skip
    """All fakes of a few artists, or of a few individuals, the first of whom is number `start`."""
    name = f"{kind}-{start:04}"
    style = kind == "artist"
    seen = [_pool(g, 12, base.size) for g in group]
    seed = int(random.integers(2**40))

    def drawn(adapters: Sequence[Adapter], count: int) -> np.ndarray:
        nonlocal seed
        seed += 1000
        prompts = [p for g in group[: len(adapters)] for p in _prompts(g, count, random)]
        return sample(base, prompts, branches=each(base, adapters), steps=plan.steps, seed=seed)

    def keep(what: str, pictures: np.ndarray, count: int, of: int = len(group)) -> None:
        rows = [start + i for i in range(of) for _ in range(count)]
        nobody = [-1] * len(rows)
        bank.put(f"{what}-{name}", pictures, rows if style else nobody,
                 nobody if style else rows, what)  # fmt: skip

    made = []
    for pictures, _ in seen:
        count = int(random.choice([1, 4, 12]))
        made.append(
            synthesize(synth, base, pictures[:count], kind="style" if style else "subject").adapter
        )
    keep("generated", drawn(made, plan.generated), plan.generated)
    if start % (2 * AT_ONCE) == 0:  # half of them: training is dear
        recipe = Recipe(steps=plan.brief, warmup=8, lr=1e-2 if style else 5e-3)
        jobs = [Job(p, words, recipe, i, mirror=style) for i, (p, words) in enumerate(seen)]
        keep("brief", drawn(fit(base, jobs), plan.brief_pictures), plan.brief_pictures)
    count = 3 if style else 2
    worded = [_worded(g, random) for g in group for _ in range(count)]
    keep("worded", sample(base, worded, steps=plan.steps, seed=seed + 1), count)
    touched = [_touched(base, g, plan.touched, random) for g in group]
    keep("touched", np.concatenate(touched), plan.touched)
    bank.put(name, np.zeros((0, base.size, base.size, 3), np.uint8), [], [], "done")
    if style and start % (2 * AT_ONCE) == 0:
        artists = [g for g in group if isinstance(g, Style)]
        _merged(bank, base, synth, name, start, artists, made, random, plan)


def _worded(of: Style | Subject, random: np.random.Generator) -> str:
    """A prompt that says the genre or the class, and nobody's name."""
    if isinstance(of, Style):
        return f"a {random.choice(SEEN_CLASSES)} in {of.genre}"
    return f"a {of.kind} in {_any_genre(random)}"


def _merged(
    bank: FakeBank, base: Base, synth: Synth, name: str, start: int, group: Sequence[Style],
    styles: Sequence[Adapter], random: np.random.Generator, plan: Plan,
) -> None:  # fmt: skip
    """Generated individuals in generated styles, by `roles` and by the sum."""
    _, persons = people("a" if group[0].number % 3 == REMAINDER["a"] else "b")
    which = [int(i) for i in random.integers(len(persons), size=len(group))]
    for method in ("roles", "sum"):
        pictures = []
        for place, style in zip(which, styles, strict=True):
            references, _ = _pool(persons[place], 12, base.size)
            subject = synthesize(synth, base, references, kind="subject").adapter
            merged = merge([subject, style], method=method)
            words = f"a sub1 {persons[place].kind} in sty1"
            pictures.append(sample(base, [words] * 2, adapters=[(merged, 1.0)], steps=plan.steps,
                                   seed=int(random.integers(2**40))))  # fmt: skip
        bank.put(f"{method}-{name}", np.concatenate(pictures),
                 [start + i for i in range(len(group)) for _ in range(2)],
                 [w for w in which for _ in range(2)], method)  # fmt: skip


def _pool(of: Style | Subject, count: int, size: int) -> tuple[np.ndarray, tuple[str, ...]]:
    if isinstance(of, Style):
        return pool("style", (of.genre, of.number), "train", range(count), size)
    return pool("subject", (of.kind, of.number), "train", range(count), size)


def _prompts(of: Style | Subject, count: int, random: np.random.Generator) -> list[str]:
    if isinstance(of, Style):
        return [f"a {random.choice(SEEN_CLASSES)} in sty1" for _ in range(count)]
    return [f"a sub1 {of.kind} in {_any_genre(random)}" for _ in range(count)]


def _any_genre(random: np.random.Generator) -> str:
    return PHOTO if random.random() < 0.6 else str(random.choice(SEEN_GENRES))


@torch.no_grad()
def _touched(
    base: Base, of: Style | Subject, count: int, random: np.random.Generator
) -> np.ndarray:  # fmt: skip
    """True pictures, noised a little and cleaned in one step with the right words."""
    other = numbers("train", count, random)
    if isinstance(of, Style):
        subjects = [Subject(str(random.choice(SEEN_CLASSES)), n) for n in other]
        styles = [of] * count
    else:
        subjects, styles = [of] * count, [Style(_any_genre(random), n) for n in other]
    views = [View(n) for n in numbers("train", count, random)]
    true = torch.from_numpy(render(subjects, styles, views, base.size)).permute(0, 3, 1, 2)
    x = base.to_latent(true.float() / 127.5 - 1)
    low, high = TOUCHED
    t = torch.from_numpy(random.uniform(low, high, count)).float()
    noise = torch.from_numpy(random.standard_normal(tuple(x.shape))).float()
    text = base.encode([prompt(s, a) for s, a in zip(subjects, styles, strict=True)])
    clean = base.to_pictures(base.predict(mixed(base, x, noise, t), t, text)).clamp(-1, 1)
    return ((clean.permute(0, 2, 3, 1) + 1) * 127.5).round().to(torch.uint8).numpy()
