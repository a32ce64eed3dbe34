"""Very many files: seconds and memory of index, re-index, search, duplicates and lineage.

    python benchmarks/scale.py FOLDER                    # 1,000, 7,000 and 70,000 small, 1,000 real
    python benchmarks/scale.py FOLDER --small 500 --real 20 -o figures.json

Small files are true adapters of two layers of micro-1; every hundredth is a copy of the one before.
Those of real size are SD1's attentions in rank 8. Every step is a process of its own, so that its
memory is its own; FOLDER keeps files, libraries and figures, and what was ended goes on there.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from machine import machine, save
from safetensors.numpy import save_file

from lorarium.adapter import Adapter
from lorarium.formats import container, write
from lorarium.formats.example import example
from lorarium.formats.synthesise import make_fixture
from lorarium.library import Library

SIZES, REAL = (1000, 7000, 70_000), 1000
TOGETHER = 1000  # files in one folder
ASKED = 20
LAYERS = 2
LOOKS = 0.02  # seconds between two looks at the memory
KEPT = "figures.json"  # of all steps that are done, in FOLDER


def make_small(folder: Path, count: int) -> None:
    """Only those that are not there yet."""
    adapter = example(family="micro-1", seed=0, rank=1)
    modules = dict(list(adapter.items())[:LAYERS])
    probe = folder / "probe.safetensors"
    write(Adapter(modules, "micro-1"), probe, "kohya", force=True)
    pattern = container.load(probe).tensors
    shapes = {key: (array.shape, array.dtype) for key, array in pattern.items()}
    probe.unlink()
    for i in range(count):
        rng = np.random.default_rng(i - (i % 100 == 99))
        tensors = {
            key: rng.standard_normal(shape).astype(dtype) if shape else np.ones(shape, dtype)
            for key, (shape, dtype) in shapes.items()
        }
        _put(folder, i, tensors)


def make_real(folder: Path, count: int) -> None:
    made = make_fixture("sd1", "kohya", rank=8, keep=lambda part, name: "attn" in name)
    for i in range(count):
        rng = np.random.default_rng(i)
        tensors = {
            key: (rng.standard_normal(a.shape, np.float32) * 0.02).astype(np.float16)
            if a.ndim > 1
            else a
            for key, a in made.tensors[""].items()
        }
        _put(folder, i, tensors)


def _put(folder: Path, i: int, tensors: dict[str, Any]) -> None:
    path = place(folder, i)
    path.parent.mkdir(exist_ok=True)
    if not path.exists():  # a write of ours would wait for the disk each time
        beside = path.with_suffix(".part")
        save_file(tensors, str(beside), {"number": str(i)})
        beside.replace(path)


def place(folder: Path, i: int) -> Path:
    return folder / f"{i // TOGETHER:03}" / f"{i}.safetensors"


MAKE: dict[str, Callable[[Path, int], None]] = {"small": make_small, "real": make_real}


# one step, in a process of its own


class Memory:
    """The most that was held at once: in all, and without what is mapped from files."""

    held = 0

    @contextmanager
    def watched(self) -> Iterator[None]:
        done = threading.Event()

        def look() -> None:
            while not done.wait(LOOKS):
                self.held = max(self.held, anonymous())

        watcher = threading.Thread(target=look, daemon=True)
        watcher.start()
        yield
        done.set()
        watcher.join()


def anonymous() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) >> 10


def measured(work: Callable[[], Any]) -> tuple[dict[str, Any], Any]:
    wall, busy, memory = time.perf_counter(), time.process_time(), Memory()
    with memory.watched():
        result = work()
    row = {
        "wall seconds": round(time.perf_counter() - wall, 2),
        "cpu seconds": round(time.process_time() - busy, 2),
        "peak MiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10,
        "peak MiB, not mapped": max(memory.held, anonymous()),
    }
    return row, result


def step(name: str, loras: Path, home: Path, count: int) -> dict[str, Any]:
    library = Library(home)
    if name in ("index", "index again"):
        folders = sorted({place(loras, i).parent for i in range(count)})
        row, report = measured(lambda: library.index(folders, workers=0))
        row["new"] = report.new
        if report.new:
            row["cpu ms a file"] = round(1000 * row["cpu seconds"] / report.new, 2)
        return row
    asked = [place(loras, i) for i in range(0, count, max(1, count // ASKED))][:ASKED]
    if name == "first search":
        return measured(lambda: library.search(asked[0], k=10))[0]
    if name == "searches":
        library.search(asked[0], k=10)
        row, _ = measured(lambda: [library.search(path, k=10) for path in asked])
        return {**row, "searches": len(asked)}
    if name == "filter":
        row, answer = measured(lambda: library.search(where="rank >= 1 and path ~ '77'", k=10))
        return {**row, "found": len(answer) + answer.more}
    if name == "duplicates":
        row, groups = measured(library.duplicates)
        return {**row, "groups": len(groups)}
    assert name == "lineage"
    row, answer = measured(lambda: library.lineage(asked[1]))
    return {**row, "copies": len(answer.copies)}


STEPS = ("index", "index again", "first search", "searches", "filter", "duplicates", "lineage")


# all of them


def go(folder: Path, kind: str, count: int, figures: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The steps that have no figures yet."""
    loras, home = folder / kind, folder / f"{kind}-{count}.library"
    if all(name in figures for name in STEPS):
        return
    if "index" not in figures:
        loras.mkdir(parents=True, exist_ok=True)
        MAKE[kind](loras, count)
    for name in STEPS:
        if name not in figures:
            command = [sys.executable, __file__, str(folder), "--step", name, str(loras)]
            command += [str(home), str(count)]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            yield name, json.loads(done.stdout.splitlines()[-1])
    files = [p.stat().st_size for p in home.rglob("*") if p.is_file()]
    yield "bytes of the library", sum(files)
    yield "bytes of the files", sum(place(loras, i).stat().st_size for i in range(count))
    shutil.rmtree(home)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--small", type=int, nargs="*", default=SIZES)
    parser.add_argument("--real", type=int, default=REAL)
    parser.add_argument("--step", nargs=4, help=argparse.SUPPRESS)
    parser.add_argument("-o", type=Path, help="instead of benchmarks/results/scale.json")
    options = parser.parse_args()
    folder = options.folder
    if options.step:
        name, loras, home, count = options.step
        print(json.dumps(step(name, Path(loras), Path(home), int(count))))
        return
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / KEPT
    known = json.loads(kept.read_text()) if kept.exists() else {}
    document = {**known, "machine": machine()}
    runs = [("small", n) for n in options.small] + [("real", options.real)] * bool(options.real)
    for kind, count in runs:
        figures = document.setdefault(kind, {}).setdefault(str(count), {"files": count})
        for key, value in go(folder, kind, count, figures):
            figures[key] = value
            print(f"  {kind} {count}: {key}: {value}", flush=True)
            kept.write_text(json.dumps(document, indent=1))
    if options.o:
        options.o.write_text(json.dumps(document, indent=1) + "\n")
    else:
        print(save("scale", document))


if __name__ == "__main__":
    main()
