"""Duplicates on planted folders: is every pair in its class, and is the keeper the right one?

    python benchmarks/duplicates.py [PAIRS]         # 500 unless said, ten minutes of one core

Folders of originals (subjects and starts in common, runs, merges with a parent at full weight) and
of chains of copies, conversions, number types, padding, other factors, resizes, fewer modules,
scaling, negation and noise on them. The truth of a pair follows from what was done to each since
their last common ancestor; the keeper of a set from the rule, by what was done and the times.
Folders are drawn until there are that many pairs of one origin, all files of a folder beside each
other; pairs of other origins come on top, and none of them may be said to be a copy, a cut or a
multiple. The seeds are none of those that `compare` was written with (below 16,000).
"""

from __future__ import annotations

import math
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from machine import machine, save
from pages import fill_pages
from planted import Planter
from trainers import DTYPES

from lorarium.adapter import LowRank
from lorarium.algebra import add, inner, norm, recompress, spectra
from lorarium.algebra.forms import arrays
from lorarium.library import Library
from lorarium.library.compare import Relation
from lorarium.library.copies import COPIES, Group
from lorarium.library.duplicates import Links, groups_of

FIRST_SEED = 16_000
DERIVED = 26
IDENTICAL, SAME, CUT, SCALED = "identical bytes", "same weights", "cut down", "scaled or negated"
OTHER = {"near", "nothing"}
STEP = {"float16": 2.0**-11, "bfloat16": 2.0**-8, "float32": 2.0**-24}  # what rounding may do
KINDS = ("copy", "convert", "dtype", "dtype", "strip", "pad", "rescale", "rotate")
LOSSES = ("resize", "resize", "fewer", "scale", "negate", "noise")
FAINT = 0.3  # cosine below which a cut may be overlooked


class Truth(NamedTuple):
    classes: set[str]  # any of these is right
    factor: float = 1.0


class Folder:
    """One planted folder with what was done to each file."""

    def __init__(self, place: Path, seed: int) -> None:
        family = "sd1" if seed % 4 == 0 else "micro-1"
        self.planter = planter = Planter(place, seed, family)
        self.rng = planter.rng
        planter.originals()
        here = [f.path for f in planter.truth.present()]
        plain = [p for p in here if self._plain(p)]
        cores = [str(p) for p in self.rng.choice(plain, 4, replace=False)]
        for weights in ([1.0, 0.5], [1.0, 0.05], [1.0, 1.0, 1.0]):
            sources = planter.pick("original", count=len(weights))
            cores.append(planter.merged("sum", sources, weights))
        lines = {core: [core] for core in cores if self._plain(core)}
        for _ in range(DERIVED):
            core = str(self.rng.choice(list(lines)))
            source = str(self.rng.choice(lines[core]))
            lines[core].append(self._derive(source))

    def _plain(self, path: str) -> bool:
        return all(isinstance(d, LowRank) for _, d in self.planter.adapters[path].items())

    def _derive(self, source: str) -> str:
        kinds = KINDS if self.rng.random() < 0.6 else LOSSES
        made = self.planter.one(str(self.rng.choice(kinds)), source)
        if self.planter.truth.files[made].operation == "copy" and self.rng.random() < 0.5:
            before = (self.planter.folder / source).stat()  # as `cp -p` leaves it
            os.utime(self.planter.folder / made, ns=(before.st_atime_ns, before.st_mtime_ns))
        return made

    def chain(self, path: str) -> list[str]:
        """The file and what it was made from, back to its core."""
        file = self.planter.truth.files[path]
        return [path, *(self.chain(file.sources[0]) if len(file.sources) == 1 else [])]

    def truth(self, a: str, b: str) -> Truth:
        """What `b` is to `a`."""
        one, two = self.chain(a), self.chain(b)
        common = next((path for path in one if path in two), None)
        if common is None:
            return Truth(OTHER)
        files, adapters = self.planter.truth.files, self.planter.adapters
        if (self.planter.folder / a).read_bytes() == (self.planter.folder / b).read_bytes():
            return Truth({IDENTICAL})
        sides = [[files[p] for p in side[: side.index(common)]] for side in (one, two)]
        if any(file.operation == "noise" for side in sides for file in side):
            return Truth(OTHER)
        factors = [math.prod(file.weights[0] for file in side) for side in sides]
        full_rank = self._rank(common)
        ranks, modules = [], []
        for side, path in zip(sides, (a, b), strict=True):
            cuts = [int(f.steps[-1].split(":")[1]) for f in side if f.operation == "resize"]
            ranks.append(min([full_rank, *cuts]))
            modules.append(set(adapters[path]))
        factor = factors[1] / factors[0]
        if ranks[0] == ranks[1] and modules[0] == modules[1]:
            classes = {SAME} if factor == 1 else {SCALED}
            # two truncations, one of them of rounded numbers, can turn away from each other, and
            # new factors on both sides no longer show what was rounded before
            new = [[f.operation in ("resize", "rotate") for f in side] for side in sides]
            rounding = ("dtype", "rotate", "convert")
            rounded = any(f.operation in rounding for side in sides for f in side)
            if rounded and all(map(any, new)):
                classes |= {"near"}
            return Truth(classes, factor)
        for i, j in ((0, 1), (1, 0)):
            if ranks[j] <= ranks[i] and modules[j] <= modules[i]:
                hidden = modules[i] == modules[j] and self._hidden(common, ranks[j], (a, b))
                # what is less than the numbers show may be said to be lost or not
                whole_too = {SAME if factor == 1 else SCALED} if hidden else set()
                return Truth({CUT} | whole_too, factors[j] / factors[i])
        return Truth(OTHER)

    def _hidden(self, path: str, rank: int, pair: tuple[str, str]) -> bool:
        """Whether a cut to a rank loses less in each module than the number type may round."""
        step = max(STEP[self._stored(p)[0]] for p in (path, *pair))
        for S in spectra(self.planter.adapters[path]).values():
            if np.linalg.norm(S[rank:]) > step * np.linalg.norm(S):
                return False
        return True

    def _rank(self, path: str) -> int:
        """The highest rank of a module, without padding."""
        ranks = [1]
        for _, delta in self.planter.adapters[path].items():
            assert isinstance(delta, LowRank)
            up, down = (x.reshape(x.shape[0], -1) for x in (delta.up, delta.down))
            ranks.append(int(np.linalg.matrix_rank(up.astype(float), tol=1e-9 * np.abs(up).max())))
            ranks[-1] = min(ranks[-1], int(np.linalg.matrix_rank(down.astype(float))))
        return max(ranks)

    def cosine(self, a: str, b: str) -> float:
        one, two = (self.planter.adapters[p] for p in (a, b))
        return inner(one, two) / (norm(one) * norm(two))

    def truncated(self, a: str, b: str) -> bool:
        """Whether one, truncated to the ranks of the other, is that other up to its number type: a
        merge with so little of something else that truncation takes just that away."""
        one, two = (self.planter.adapters[p] for p in (a, b))
        step = max(STEP[self._stored(p)[0]] for p in (a, b))
        for larger, smaller in ((one, two), (two, one)):
            rank = max(delta.rank or 0 for _, delta in smaller.items())
            cut, _ = recompress(larger, rank=rank, dtype=np.float32)
            if set(cut) != set(smaller):
                continue
            sign = math.copysign(1.0, inner(cut, smaller))
            if norm(add([cut, smaller], [1.0, -sign])) < 2 * step * norm(smaller):
                return True
        return False

    def keeper(self, paths: list[str]) -> str:
        """By the rule, of files that are the same weights: precision, padding, age, name."""

        def key(path: str) -> tuple[Any, ...]:
            adapter = self.planter.adapters[path]
            ranks = sorted(delta.rank or 0 for _, delta in adapter.items())
            width = self._stored(path)[1]
            age = int((self.planter.folder / path).stat().st_mtime)
            padding = len(adapter), ranks[len(ranks) // 2], width
            return -self._bits(path), *padding, age, " (" in path, len(path), path

        return min(paths, key=key)

    def _stored(self, path: str) -> tuple[str, int]:
        held: Counter[str] = Counter()
        for _, delta in self.planter.adapters[path].items():
            for array in arrays(delta):
                held[array.dtype.name] += array.nbytes
        name = held.most_common(1)[0][0]
        return name, np.dtype(DTYPES[SHORT[name]]).itemsize

    def _bits(self, path: str) -> int:
        """The bits of a file's numbers: what was made of a file without loss knows no more."""
        file = self.planter.truth.files[path]
        held: Counter[int] = Counter()
        for _, delta in self.planter.adapters[path].items():
            for array in arrays(delta):
                held[bits_needed(array)] += array.size
        used = next(b for b in sorted(held, reverse=True) if 10 * at_least(held, b) >= held.total())
        if len(file.sources) != 1 or file.operation in ("resize", "fewer", "noise", "scale"):
            return used
        return min(used, self._bits(file.sources[0]))


def at_least(held: Counter[int], bits: int) -> int:
    return sum(count for number, count in held.items() if number >= bits)


def bits_needed(array: np.ndarray) -> int:
    """Of the narrowest mantissa that holds all the numbers."""
    mantissa = np.frexp(array.astype(np.float64))[0]
    for bits in (8, 11):
        scaled = np.ldexp(mantissa, bits)
        if np.array_equal(scaled, np.rint(scaled)):
            return bits
    return 24


SHORT = {np.dtype(dtype).name: name for name, dtype in DTYPES.items()}


def judge(folder: Folder, library: Library, tally: dict[str, Any]) -> None:
    """Add the pairs and sets of one folder to the tally."""
    snapshot = library.snapshot
    links = Links(snapshot)
    groups = groups_of(links)
    names = [Path(path).name for path in snapshot.files["path"].to_pylist()]
    place: dict[str, tuple[Any, Any]] = {name: (name, name) for name in names}  # of those alone
    place |= {Path(r["path"]).name: (c.row["id"], id(p)) for p in links.prints for c in p.contents
              for r in c.rows}  # fmt: skip
    relations = {}
    for link in links.all:
        relations[id(link.one), id(link.other)] = link.relation
        relations[id(link.other), id(link.one)] = link.turned().relation
    stated = by_clusters(links, groups)
    here = sorted(file.path for file in folder.planter.truth.present())
    alike: dict[str, set[str]] = {path: {path} for path in here}
    for a, b in combinations(here, 2):
        truth = folder.truth(a, b)
        kin = folder.chain(a)[-1] == folder.chain(b)[-1]
        both = place[a][1], place[b][1]
        relation = stated(*both) or relations.get(both)
        verdict = relation.name if relation else "nothing"
        if place[a][1] == place[b][1]:
            verdict = IDENTICAL if place[a][0] == place[b][0] else SAME
        right = verdict in truth.classes
        if right and relation and verdict in (CUT, SCALED):
            right = abs(relation.factor / truth.factor - 1) < 0.005
        if not right and verdict == "nothing" and CUT in truth.classes:
            right = abs(folder.cosine(a, b)) < FAINT
            tally["overlooked"] += right
        if not right and not kin and verdict == CUT and folder.truncated(a, b):
            right = True
            tally["merges that are cut back to a parent"] += 1
        if kin and verdict == "nothing" and right and truth.classes == OTHER:
            right = abs(folder.cosine(a, b)) < 0.985
        known = " or ".join(sorted(truth.classes))
        tally["kin" if kin else "others"][known, verdict] += 1
        tally["wrong"] += [] if right else [wrong(folder, a, b, known, verdict, relation)]
        if truth.classes <= {SAME, IDENTICAL}:
            alike[a].add(b)
            alike[b].add(a)
    keepers(folder, groups, alike, tally)


def by_clusters(links: Links, groups: list[Group]) -> Callable[[Any, Any], Relation | None]:
    """What the groups say of copies of two files: a cut of a rounded copy, whose new factors no
    longer show the rounding, is told by way of that copy."""
    homes = {key: cluster.root.row["path"] for key, cluster in links.home.items()}
    class_of = {(g.keeper, c.path): (g.name, c.factor) for g in groups for c in g.copies}

    def stated(one: Any, other: Any) -> Relation | None:
        for pair, side in (
            ((homes.get(one), homes.get(other)), "b"),
            ((homes.get(other), homes.get(one)), "a"),
        ):
            if pair in class_of:
                name, factor = class_of[pair]
                turned = side == "a" and name != CUT
                return Relation(name, 1 / factor if turned else factor, 0.0, side)
        return None

    return stated


def wrong(
    folder: Folder, a: str, b: str, known: str, verdict: str, relation: Any
) -> dict[str, Any]:
    done = ["/".join(folder.planter.truth.files[p].steps) for p in (a, b)]
    case = {
        "seed": folder.planter.seed,
        "files": [a, b],
        "done": done,
        "truth": known,
        "said": verdict,
    }
    print("  WRONG", case, relation)
    return case


def keepers(
    folder: Folder, groups: list[Group], alike: dict[str, set[str]], tally: dict[str, Any]
) -> None:
    """Every set of copies must be led by the file that the rule names, and no file go twice."""
    led: dict[str, str] = {}
    for group in groups:
        for copy in group.copies if group.name in COPIES else ():
            name = Path(copy.path).name
            tally["twice"] += name in led
            led[name] = Path(group.keeper).name
    for members in {frozenset(self_and) for self_and in alike.values() if len(self_and) > 1}:
        if any(alike[m] != members for m in members):
            continue  # roundings of something that are not roundings of each other
        best = folder.keeper(sorted(members))
        ends = {end(led, m) for m in members}
        right = ends == {best} or (
            all(SAME in folder.truth(best, e).classes for e in ends - members)
            and not ends & members
        )
        tally["sets"] += 1
        tally["keepers right"] += right
        if not right:
            print("  KEEPER", folder.planter.seed, best, ends, sorted(members))


def end(led: dict[str, str], name: str) -> str:
    while name in led:
        name = led[name]
    return name


def main(wanted: int) -> None:
    began = time.perf_counter()
    tally: dict[str, Any] = {"kin": Counter(), "others": Counter(), "wrong": [], "overlooked": 0}
    tally |= {"merges that are cut back to a parent": 0}
    tally |= {"sets": 0, "keepers right": 0, "twice": 0}
    seed = FIRST_SEED
    asked = 0.0
    while tally["kin"].total() < wanted:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Folder(Path(temporary) / "loras", seed)
            library = Library(Path(temporary) / "library")
            library.index([Path(temporary) / "loras"], workers=0)
            start = time.perf_counter()
            judge(folder, library, tally)
            asked += time.perf_counter() - start
        seed += 1
        counts = tally["kin"].total(), tally["others"].total(), len(tally["wrong"])
        print("{} pairs of one origin, {} others, {} wrong".format(*counts), flush=True)
    table = {
        name: [{"truth": t, "said": s, "pairs": n} for (t, s), n in sorted(tally[name].items())]
        for name in ("kin", "others")
    }
    result = {
        "machine": machine(),
        "seeds": [FIRST_SEED, seed - 1],
        "pairs of one origin": tally["kin"].total(),
        "pairs of other origins": tally["others"].total(),
        "wrong": tally["wrong"],
        "cuts overlooked below a cosine of 0.3": tally["overlooked"],
        "merges that truncation takes back to a parent, said to be cut to it": tally[
            "merges that are cut back to a parent"
        ],
        "confusion": table,
        "sets of copies": tally["sets"],
        "keepers right": tally["keepers right"],
        "files that would go twice": tally["twice"],
        "seconds": round(time.perf_counter() - began, 1),
        "seconds of that on duplicates": round(asked, 1),
    }
    save("duplicates", result)
    fill_pages()
    for row in table["kin"] + table["others"]:
        print("{truth:40} said {said:20} {pairs:5}".format(**row))
    print(f"keepers: {tally['keepers right']} of {tally['sets']}; twice: {tally['twice']}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 500)
