"""Does the generator give back what it learned from? Every test adapter of the zoos beside one
generated from the same pictures: the audit of docs/synth.md.

    python benchmarks/synth_audit.py runs/zoo runs/merge/zoo
"""

from __future__ import annotations

import argparse
import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from machine import machine, save

from lorarium.adapter import Adapter
from lorarium.bases.base import Base, open_base
from lorarium.bases.rounded import rounded
from lorarium.bases.sampling import sample
from lorarium.descriptors.sketch import sketch
from lorarium.evaluation.describe.zoo import Zoo, read_zoo
from lorarium.evaluation.judges import load_judge
from lorarium.evaluation.synth.audit import among_weights, memorised
from lorarium.evaluation.synth.targets import JUDGED_BY, Target, pool
from lorarium.formats import read
from lorarium.synthesis.make import synthesize
from lorarium.synthesis.store import Synth, load_synth
from lorarium.synthesis.wishes import learned_last
from lorarium.training.manifest import UNSEEN, Entry
from lorarium.training.mint import path_of
from lorarium.world.scene import PHOTO
from lorarium.world.splits import SEEN_CLASSES

SHORT = 3  # pictures of the shortest adapters, left out
CELLS, STEPS = 14, 12
TRAINED, GENERATED = "trained", "generated"


@dataclass(frozen=True)
class Asked:
    zoo: Zoo
    entry: Entry

    def target(self, size: int) -> Target:
        e, made = self.entry, np.empty(0)
        pictures, prompts = pool(e.kind, e.of, e.split, e.pictures, size)
        numbers = range(UNSEEN, UNSEEN + JUDGED_BY[e.kind])
        references, _ = pool(e.kind, e.of, e.split, numbers, size)
        return Target(e.kind, e.of, False, pictures, prompts, references, (), (), made)

    def prompts(self, word: int) -> list[str]:
        """The same subjects for every style, and one individual as a photograph."""
        kinds = np.random.default_rng(0).permutation(SEEN_CLASSES)[:CELLS]
        if self.entry.kind == "subject":
            return [f"a sub{word} {self.entry.of[0]} in {PHOTO}"] * CELLS
        return [f"a {kind} in sty{word}" for kind in kinds]


def entries(zoos: list[Zoo], kind: str, recipes: set[str]) -> list[Asked]:
    """One test adapter of each artist or individual, from the most pictures."""
    first: dict[tuple[str, int], Asked] = {}
    for zoo in zoos:
        for e in zoo.part(kind, "test"):
            if e.recipe in recipes and len(e.pictures) > SHORT:
                first.setdefault(e.of, Asked(zoo, e))
    return list(first.values())


def drawn(base: Base, adapter: Adapter, prompts: list[str], file: Path) -> np.ndarray:
    if not file.exists():
        seeds = list(range(CELLS))
        with rounded(base):
            pictures = sample(base, prompts, adapters=[(adapter, 1.0)], steps=STEPS, seed=seeds)
        np.savez_compressed(file.with_suffix(".new.npz"), pictures=pictures)
        file.with_suffix(".new.npz").rename(file)
    with np.load(file) as held:
        return np.asarray(held["pictures"])


def audit(
    base: Base, synth: Synth, kind: str, asked: list[Asked], folder: Path
) -> dict[str, object]:
    targets, cells, outputs = [], {}, {}
    for n, a in enumerate(asked):
        target = a.target(base.size)
        made = synthesize(synth, base, target.pictures, kind=kind).adapter
        words = {TRAINED: a.entry.word, GENERATED: 1}
        for row, adapter in ((TRAINED, read(path_of(a.zoo.folder, a.entry))), (GENERATED, made)):
            about = f"{base.hash} {synth.hash if row == GENERATED else ''} {a.entry.id}"
            file = folder / f"{hashlib.sha256(about.encode()).hexdigest()[:16]}.npz"
            pictures = drawn(base, adapter, a.prompts(words[row]), file)
            cells.setdefault(row, {})[target.name] = pictures
            outputs.setdefault(row, {})[target.name] = sketch(adapter).output
        targets.append(target)
        print(f"{n + 1}/{len(asked)} {target.name}", flush=True)
    learned = learned_last(synth.card)
    return {
        "targets": len(targets),
        "pictures": memorised(load_judge("b"), kind, targets, cells, base.size, learned),
        "weights": among_weights(kind, targets, outputs, asked[0].zoo, "test"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("zoos", type=Path, nargs="+")
    parser.add_argument("--cache", type=Path, default=Path("runs/synth/audit"))
    asked = parser.parse_args()
    base = open_base()
    synth, zoos = load_synth(base=base), [read_zoo(path) for path in asked.zoos]
    asked.cache.mkdir(parents=True, exist_ok=True)
    recipes = {"style": {"R0", "style"}, "subject": {"S0", "S2", "subject", "second-subject"}}
    document: dict[str, object] = {"machine": machine(), "generator": synth.hash}
    for kind, those in recipes.items():
        document[kind] = audit(base, synth, kind, entries(zoos, kind, those), asked.cache)
        print(kind, document[kind])
    print("written to", save("synth_audit", document))


if __name__ == "__main__":
    main()
