"""Lineage in planted folders: is what it says of each file right, and is it honest otherwise?

    python benchmarks/lineage.py                        # the seeds that are reported
    python benchmarks/lineage.py --tuning               # those that limits were chosen on
    python benchmarks/lineage.py --tuning --show 3 5    # some of them, with what was not right

Two questions for each file, "what was it made of" and "what did it go into". An answer is *right*
when every parent that is called sure or likely is a true ancestor (or a file equal to one), the
weights of originals add up to the true ones, and nothing is missing; *honest* when it says that it
cannot be told; else *missed* (nothing said of a merge), or *wrong*. Results go to
benchmarks/results/lineage.json.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from machine import machine, save
from planted import plant
from truth import CLASSES, Planted, Truth

from lorarium.library import Library, Lineage

TUNING = tuple((seed, "micro-1") for seed in (1, 3, 5, 101, 102, 103, 201, 207, 211, 214))
REPORTED = tuple((seed, "micro-1") for seed in range(215, 220))
COPIES = ("identical", "same weights", "scaled", "negated")
NEAR_WEIGHT = 0.02  # of the true one, or of the largest
SMALL = 0.06  # of the largest weight: what went into something with less need not be found
GOOD = ("right", "honest")


class Judge:
    """Knows what is true in one folder."""

    def __init__(self, truth: Truth, folder: Path) -> None:
        self.truth, self.folder = truth, folder

    def name(self, path: str) -> str:
        return Path(path).name

    def copies(self, path: str) -> set[str]:
        """Files that hold the same numbers but for rounding and one factor."""
        core = self.truth.files[path].core
        same = [f.path for f in self.truth.files.values() if f.core == core]
        return {p for p in same if self.truth.relation(p, path) in COPIES}

    def ancestors(self, path: str) -> set[str]:
        paths = self.truth.ancestors(path)
        return paths | {copy for one in paths for copy in self.copies(one)}

    def made_of(self, file: Planted, answer: Lineage) -> tuple[str, list[str]]:
        """A verdict, and parents that were wrongly called sure."""
        true = self.ancestors(file.path)
        parents = answer.merge.parents if answer.merge else ()
        stated = [p for p in parents if p.verdict != "cannot be told"]
        off = [p for p in stated if not {self.name(x) for x in (p.path, *p.also)} & true]
        wrong_sure = [self.name(p.path) for p in off if p.verdict == "sure"]
        wrong_copies = [c for c in answer.copies if not self._copy_is_right(file, c)]
        if off or wrong_copies:
            return "wrong", wrong_sure
        merged = self.truth.files[file.core].merged
        if answer.merge and answer.merge.verdict == "cannot be told":
            return "honest", []
        if not merged:
            return ("wrong" if stated else "right"), []
        if not stated:
            here = [
                c for c in answer.copies if self.truth.files[self.name(c.path)].core == file.core
            ]
            return ("right" if here and file.core != file.path else "missed"), []
        return ("right" if self._weighs(file, answer) else "wrong weights"), []

    def _copy_is_right(self, file: Planted, copy: Any) -> bool:
        true = self.truth.relation(self.name(copy.path), file.path)
        if true in CLASSES:
            return True
        # what was merged with next to nothing is near, whatever it is called
        return copy.relation == "near" and true in ("descent", "merges", "run")

    def _weighs(self, file: Planted, answer: Lineage) -> bool:
        """Whether the originals come out at their true weights, as far as all are said to be."""
        assert answer.merge is not None
        true = self.truth.originals(file.path)
        if true is None or not answer.merge.complete or answer.merge.by_module:
            return True
        total: dict[str, float] = {}
        for parent in answer.merge.parents:
            parts = self.truth.originals(self.name(parent.path))
            if parts is None or parent.weight is None:
                return True
            for name, part in parts.items():
                total[name] = total.get(name, 0.0) + parent.weight * part
        limit = NEAR_WEIGHT * max(map(abs, true.values()))
        return all(abs(total.get(n, 0) - true.get(n, 0)) <= limit for n in total.keys() | true)

    def went_into(self, file: Planted, answer: Lineage) -> tuple[str, list[str]]:
        mine = self.copies(file.path)
        off = []
        for child in answer.children:
            if not mine & self.ancestors(self.name(child.path)):
                off.append(child)
        off = [c for c in off if c.verdict != "cannot be told"]
        if off:
            return "wrong", [self.name(c.path) for c in off if c.verdict == "sure"]
        there = {self.name(c.path) for c in answer.children}
        missing = [
            f.path
            for f in self.truth.present()
            if f.merged and f.path not in there and self._counts(f, mine)
        ]
        if missing:
            return "missed", []
        certain = {self.name(c.path) for c in answer.children if c.verdict != "cannot be told"}
        known = [f.path for f in self.truth.present() if f.merged and self._counts(f, mine)]
        return ("right" if certain >= set(known) else "honest"), []

    def _counts(self, merge: Planted, mine: set[str]) -> bool:
        """Whether one of these is in a merge with more than next to nothing."""
        weights = merge.weights or (1.0,) * len(merge.sources)
        floor = SMALL * max(map(abs, weights))
        return any(abs(w) > floor for s, w in zip(merge.sources, weights, strict=True) if s in mine)


def folder_results(seed: int, family: str, place: Path, show: bool) -> list[dict[str, Any]]:
    folder = place / f"{family}-{seed}"
    truth = plant(folder, seed, family)
    library = Library(place / f"library-{family}-{seed}")
    library.index([folder], workers=0)
    judge = Judge(truth, folder)
    rows = []
    for file in truth.present():
        began = time.process_time()
        answer = library.lineage(folder / file.path)
        seconds = time.process_time() - began
        absent = sum(not truth.files[s].present for s in truth.ancestors(file.path))
        base = {"folder": f"{family}-{seed}", "file": file.path, "how": file.operation}
        base |= {"absent": absent, "stripped": file.stripped, "seconds": round(seconds, 3)}
        for question in ("made of", "went into"):
            ask = judge.made_of if question == "made of" else judge.went_into
            verdict, wrong = ask(file, answer)
            stated = answer.merge.parents if answer.merge else ()
            sure = sum(p.verdict == "sure" for p in stated)
            sure = (
                sure if question == "made of" else sum(c.verdict == "sure" for c in answer.children)
            )
            row = {"question": question, "verdict": verdict, "wrong sure": wrong, "sure": sure}
            rows.append({**base, **row})
            if show and verdict not in ("right",):
                print(verdict.upper(), question, file.path, file.operation, file.steps,
                      file.sources, file.weights,
                      [truth.files[s].present for s in file.sources])  # fmt: skip
                if question == "made of":
                    print("   ", answer.merge and answer.merge.to_json())
                    print("   ", [(c.path[-30:], c.note, c.relation) for c in answer.copies])
                    print("   ", answer.said_by_file)
                else:
                    print("   ", [(c.path[-25:], c.verdict, c.weight) for c in answer.children])
    return rows


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    counts = Counter(row["verdict"] for row in rows)
    good = sum(counts[name] for name in GOOD)
    wrong = sum(bool(row["wrong sure"]) for row in rows)
    return {
        "questions": len(rows),
        "verdicts": dict(counts.most_common()),
        "right or honest": round(good / len(rows), 4),
        "right": round(counts["right"] / len(rows), 4),
        "with a wrong parent as sure": round(wrong / len(rows), 4),
        "parents called sure": sum(row["sure"] for row in rows),
        "wrong ones among them": sum(len(row["wrong sure"]) for row in rows),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("seeds", type=int, nargs="*", help="some of the seeds, nothing is saved")
    parser.add_argument("--tuning", action="store_true", help="those that limits were chosen on")
    parser.add_argument("--show", action="store_true", help="what was not right")
    options = parser.parse_args()
    numbers = options.seeds
    seeds = TUNING if options.tuning else REPORTED
    seeds = tuple(pair for pair in seeds if not numbers or pair[0] in numbers)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as temporary:
        for seed, family in seeds:
            rows += folder_results(seed, family, Path(temporary), options.show)
            print(f"{family} {seed}: {summary(rows)}", flush=True)
    document = report(rows, seeds)
    if not options.tuning and not numbers:
        save("lineage", document)


def report(rows: list[dict[str, Any]], seeds: Sequence[tuple[int, str]]) -> dict[str, Any]:
    document: dict[str, Any] = {
        "machine": machine(),
        "seeds": [f"{family} {seed}" for seed, family in seeds],
        "tuning seeds": [f"{family} {seed}" for seed, family in TUNING],
        "seconds a file": round(sum(r["seconds"] for r in rows) / len(rows), 3),
    }
    for question in ("made of", "went into"):
        some = [row for row in rows if row["question"] == question]
        document[question] = summary(some)
        operations = dict.fromkeys(row["how"] for row in some)
        document[f"{question}, by how"] = {
            operation: dict(Counter(r["verdict"] for r in some if r["how"] == operation))
            for operation in operations
        }
        print(question, document[question])
    document["all"] = summary(rows)
    document["not right"] = [row for row in rows if row["verdict"] != "right"]
    print("all", document["all"], document["seconds a file"], "s a file")
    return document


if __name__ == "__main__":
    main()
