"""Very many files: seconds and memory of index, re-index, search, duplicates and lineage.

    python benchmarks/scale.py FOLDER            # 70,000 small files and 1,000 of real size
    python benchmarks/scale.py FOLDER 5000 50    # fewer, which the result says

Small files are true adapters of two layers of micro-1; every hundredth is a copy of the one before.
Those of real size are SD1's attentions in rank 8. FOLDER keeps files and libraries, so that
what was ended goes on there.
"""

from __future__ import annotations

import resource
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from machine import machine, save

from lorarium.adapter import Adapter
from lorarium.formats import container, write
from lorarium.formats.example import example
from lorarium.formats.synthesise import make_fixture
from lorarium.library import Library

STEP = 5000  # files between two looks at the memory
ASKED = 20
LAYERS = 2


def make_small(folder: Path, count: int) -> None:
    """In folders of a thousand; only those that are not there yet."""
    adapter = example(family="micro-1", seed=0, rank=1)
    modules = dict(list(adapter.items())[:LAYERS])
    probe = folder / "probe.safetensors"
    folder.mkdir(parents=True, exist_ok=True)
    write(Adapter(modules, "micro-1"), probe, "kohya", force=True)
    pattern = container.load(probe).tensors
    shapes = {key: (array.shape, array.dtype) for key, array in pattern.items()}
    probe.unlink()
    for i in range(count):
        path = folder / f"{i // 1000:03}" / f"{i}.safetensors"
        if path.exists():
            continue
        path.parent.mkdir(exist_ok=True)
        rng = np.random.default_rng(i - (i % 100 == 99))
        tensors = {
            key: rng.standard_normal(shape).astype(dtype) if shape else np.ones(shape, dtype)
            for key, (shape, dtype) in shapes.items()
        }
        container.save(path, tensors, {"number": str(i)})


def make_real(folder: Path, count: int) -> None:
    made = make_fixture("sd1", "kohya", rank=8, keep=lambda part, name: "attn" in name)
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        path = folder / f"{i}.safetensors"
        if not path.exists():
            rng = np.random.default_rng(i)
            tensors = {
                key: (rng.standard_normal(a.shape) * 0.02).astype(np.float16) if a.ndim > 1 else a
                for key, a in made.tensors[""].items()
            }
            container.save(path, tensors, {"number": str(i)})


def measured(work: Callable[[], Any]) -> tuple[dict[str, float], Any]:
    wall, busy = time.perf_counter(), time.process_time()
    result = work()
    row = {
        "wall seconds": round(time.perf_counter() - wall, 2),
        "cpu seconds": round(time.process_time() - busy, 2),
        "peak MiB": peak(),
    }
    return row, result


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


def indexed(library: Library, folder: Path) -> dict[str, Any]:
    memory: list[int] = []

    def look(done: int, total: int, words: str) -> None:
        if not words and done % STEP == 0:
            memory.append(resident())

    row, report = measured(lambda: library.index([folder], workers=0, progress=look))
    return {**row, "new": report.new, f"MiB after each {STEP} files": memory}


def resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() >> 20


def questions(home: Path, files: list[Path]) -> Iterator[tuple[str, Any]]:
    """Each by a library that was just opened; the first of many searches opens it."""
    library = Library(home)
    asked = files[:: max(1, len(files) // ASKED)][:ASKED]
    first, _ = measured(lambda: library.search(asked[0], k=10))
    rest, _ = measured(lambda: [library.search(path, k=10) for path in asked])
    listed, _ = measured(lambda: library.search(where="rank >= 1 and text ~ '77'", k=10))
    yield "first search", first
    yield f"{len(asked)} searches", rest
    yield "filter", listed
    copies, groups = measured(Library(home).duplicates)
    yield "duplicates", {**copies, "groups": len(groups)}
    yield "lineage of 1", measured(lambda: Library(home).lineage(asked[0]))[0]


def steps(
    folder: Path, name: str, make: Callable[[Path, int], None], count: int
) -> Iterator[tuple[str, Any]]:
    loras, home = folder / name, folder / f"{name}.library"
    yield "files", count
    yield "made", measured(lambda: make(loras, count))[0]
    library = Library(home)
    yield "index", indexed(library, loras)
    yield "index again", indexed(library, loras)
    yield "bytes of the library", sum(p.stat().st_size for p in home.rglob("*") if p.is_file())
    yield from questions(home, sorted(loras.rglob("*.safetensors")))


def main() -> None:
    folder = Path(sys.argv[1])
    small, real = (int(text) for text in (sys.argv[2:4] or (70_000, 1_000)))
    document: dict[str, Any] = {"machine": machine()}
    for name, make, count in (("small", make_small, small), ("real", make_real, real)):
        figures = document[name] = {}
        for key, value in steps(folder, name, make, count):
            figures[key] = value
            print(f"  {name}: {key}: {value}", flush=True)
            save("scale", document)
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
