"""What a planted folder really is: what each file was made of, and how any two are related."""

from __future__ import annotations

from dataclasses import dataclass, field

# what was done -> to which class of relation a pair belongs that differs by it, the worst counts
CLASSES = ("identical", "same weights", "scaled", "negated", "cut down", "near")
STEPS = {
    **{"copy": "identical", "convert": "same weights", "dtype": "same weights"},
    **{"strip": "same weights", "pad": "same weights", "rescale": "same weights"},
    **{"rotate": "same weights", "scale": "scaled", "negate": "negated"},
    **{"resize": "cut down", "fewer": "cut down", "noise": "near"},
}
LINEAR = ("sum", "average", "svd", "cut sum")  # "cut sum": a sum with a rank


@dataclass(frozen=True)
class Planted:
    """One file: what it was made of. `steps` were done since `core`, an original or a merge."""

    path: str
    operation: str  # "original", a key of STEPS, or a method of merging
    sources: tuple[str, ...] = ()  # paths, in the order given to the merge
    weights: tuple[float, ...] = ()  # empty when the method is not linear
    core: str = ""
    steps: tuple[str, ...] = ()
    present: bool = True
    stripped: bool = False
    run: str = ""  # originals of one training
    start: str = ""  # originals of one random start

    @property
    def merged(self) -> bool:
        return len(self.sources) > 1


@dataclass
class Truth:
    """All files of a folder, absent ones too, by path."""

    family: str
    ordered: bool  # whether the times of the files tell the order in which they were made
    files: dict[str, Planted] = field(default_factory=dict)

    def present(self) -> list[Planted]:
        return [file for file in self.files.values() if file.present]

    def ancestors(self, path: str) -> set[str]:
        paths: set[str] = set()
        for source in self.files[path].sources:
            paths |= {source} | self.ancestors(source)
        return paths

    def originals(self, path: str) -> dict[str, float] | None:
        """Originals with their weights in a file; None when a method was not linear. A file that
        was cut or changed counts like the one it was made from."""
        file = self.files[path]
        if not file.sources:
            return {path: 1.0}
        if not file.weights:
            return None
        total: dict[str, float] = {}
        for source, weight in zip(file.sources, file.weights, strict=True):
            parts = self.originals(source)
            if parts is None:
                return None
            for name, part in parts.items():
                total[name] = total.get(name, 0.0) + weight * part
        return total

    def relation(self, a: str, b: str) -> str:
        """One of CLASSES for files of one core; "descent" (one went into the other), "merges" (a
        parent in common), "run" (one training, or merges of one), "start" or "none"."""
        one, two = self.files[a], self.files[b]
        if one.core == two.core:
            steps = _apart(one.steps, two.steps)
            return max((STEPS[s] for s in steps), key=CLASSES.index, default="identical")
        if one.core in self.ancestors(b) or two.core in self.ancestors(a):
            return "descent"
        if {one.core, *self.ancestors(a)} & {two.core, *self.ancestors(b)}:
            return "merges"
        first, second = self._origins(a), self._origins(b)
        if {file.run for file in first} & {file.run for file in second}:
            return "run"
        return "start" if {f.start for f in first} & {f.start for f in second} else "none"

    def _origins(self, path: str) -> list[Planted]:
        family = [self.files[p] for p in (path, *self.ancestors(path))]
        return [file for file in family if file.operation == "original"]

    def to_json(self) -> dict[str, object]:
        files = {path: vars(file) for path, file in self.files.items()}
        return {"family": self.family, "ordered": self.ordered, "files": files}


def _apart(a: tuple[str, ...], b: tuple[str, ...]) -> tuple[str, ...]:
    """The steps that are not common to both histories."""
    common = 0
    while common < min(len(a), len(b)) and a[common] == b[common]:
        common += 1
    return tuple(step.split(":")[0] for step in (*a[common:], *b[common:]))
