"""Is anything slower than before? The same work by this checkout and by another one.

    git worktree add ../before 353aec3
    python benchmarks/speed_before.py ../before
    python benchmarks/speed_before.py ../before --runs 7 --only inspect read

Each task is a process of its own, run by turns under the one and the other; what counts is the
processor time of it and of its workers (neighbours lengthen the clock), the least of all runs.
Modules are compiled before the first of them, as an installation does. Results go to
benchmarks/results/speed_before.json and into docs/develop.md; `--only` measures some tasks again,
and the others' rows stay.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from machine import RESULTS, machine, save
from pages import fill_pages

from lorarium import formats
from lorarium.adapter import Adapter, LowRank, Module
from lorarium.algebra import add
from lorarium.formats.families import table

HERE = Path(__file__).parent.parent
SMALL = 500  # files of the library
ALLOWED = 1.10
READ = """
import sys
from lorarium import formats
for _ in range(10):
    formats.read(sys.argv[1])
"""
SKETCH = """
import sys
from lorarium import formats
try:
    from lorarium.descriptors.sketch import sketch
except ImportError:  # the room's name before
    from lorarium.describe.sketch import sketch
for _ in range(3):
    sketch(formats.read(sys.argv[1]))
"""
Words = list[str]


@dataclass(frozen=True)
class Task:
    """What is run, given a folder that is empty before; `{}` in its words is that folder."""

    words: Words
    prepare: Callable[[Path, dict[str, str]], None] | None = None


def made(seed: int, rank: int, some: str = "attn") -> Adapter:
    """A LoRA of Stable Diffusion 1 with the layers whose path has these words."""
    rng = np.random.default_rng(seed)
    deltas = {}
    for path, shape in table("unet-sd1").shapes.items():
        if some in path and len(shape) == 2:
            up = rng.standard_normal((shape[0], rank)) / 50
            down = rng.standard_normal((rank, shape[1])) / 50
            pair = up.astype(np.float16), down.astype(np.float16)
            deltas[Module("denoiser", path)] = LowRank(*pair)
    return Adapter(deltas, "sd1", {}, {}, "kohya")


def plant(folder: Path) -> None:
    for name, seed in (("a", 1), ("b", 2)):
        formats.write(made(seed, 32), folder / f"{name}.safetensors")
    few = folder / "few"
    few.mkdir()
    originals = [made(seed, 4, "up_blocks.1.attentions.0") for seed in range(20)]
    for number, adapter in enumerate(originals):
        formats.write(adapter, few / f"{number}.safetensors")
    formats.write(add(originals[:2], [0.8, 0.4]), few / "merged.safetensors")
    many = folder / "many"
    many.mkdir()
    for number in range(SMALL):
        formats.write(made(100 + number, 2, "mid_block"), many / f"{number}.safetensors")


def tasks(folder: Path) -> dict[str, Task]:
    a, b = str(folder / "a.safetensors"), str(folder / "b.safetensors")
    few, many, cli = folder / "few", folder / "many", ["-m", "lorarium"]
    out = "{}/out.safetensors"

    def index(place: Path, environment: dict[str, str]) -> None:
        words = [*cli, "index", str(few), "--library", str(place), "--workers", "0", "--quiet"]
        subprocess.run([sys.executable, *words], check=True, env=environment, capture_output=True)

    indexing = [*cli, "index", str(many), "--library", "{}", "--workers", "0", "--quiet"]
    return {
        "import numpy": Task(["-c", "import numpy"]),
        "read ten times": Task(["-c", READ, a]),
        "convert": Task([*cli, "convert", a, out, "--to", "diffusers", "--quiet"]),
        "merge, sum": Task([*cli, "merge", a, b, "-o", out, "--method", "sum", "--quiet"]),
        "merge, ties": Task([*cli, "merge", a, b, "-o", out, "--method", "ties", "--quiet"]),
        "resize": Task([*cli, "resize", a, out, "--rank", "8", "--quiet"]),
        "describe three times": Task(["-c", SKETCH, a]),
        "inspect a file": Task([*cli, "inspect", str(few / "1.safetensors")]),
        "inspect a folder": Task([*cli, "inspect", str(few)]),
        f"index {SMALL} files": Task(indexing),
        "lineage": Task(
            [*cli, "lineage", str(few / "merged.safetensors"), "--library", "{}"], index
        ),
    }


def seconds(task: Task, source: Path, scratch: Path) -> tuple[float, float]:
    """Processor and clock time of one run under the source of a checkout."""
    environment = {**os.environ, "PYTHONPATH": str(source / "src"), "OMP_NUM_THREADS": "1"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    place = scratch / "place"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    if task.prepare is not None:
        task.prepare(place, environment)
    words = [word.format(place) if word.startswith("{}") else word for word in task.words]
    began = time.perf_counter()
    child = subprocess.Popen(
        [sys.executable, *words], env=environment, stdout=subprocess.DEVNULL, cwd=scratch
    )
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{' '.join(words)} under {source}: exit code {child.returncode}")
    return used.ru_utime + used.ru_stime, time.perf_counter() - began


def row(name: str, before: list[float], now: list[float]) -> dict[str, Any]:
    ratio = min(now) / min(before)
    return {
        "task": name,
        "before": {"best": min(before), "median": statistics.median(before), "all": before},
        "now": {"best": min(now), "median": statistics.median(now), "all": now},
        "ratio of the best": round(ratio, 3),
        "ratio of the medians": round(statistics.median(now) / statistics.median(before), 3),
        "slower by more than 10%": ratio > ALLOWED,
    }


def keep(revision: str, rows: list[dict[str, Any]], names: list[str]) -> None:
    """Write rows over those of the same tasks; of another revision none stays."""
    path = RESULTS / "speed_before.json"
    older = json.loads(path.read_text("utf-8")) if path.exists() else {}
    by_task = (
        {row["task"]: row for row in older["tasks"]} if older.get("before") == revision else {}
    )
    by_task |= {row["task"]: row for row in rows}
    tasks = [by_task[name] for name in names if name in by_task]
    document = {"machine": machine(), "before": revision, "tasks": tasks}
    save("speed_before", document)
    fill_pages()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("other", type=Path, help="another checkout")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", nargs="+", help="tasks that begin like this")
    given = parser.parse_args()
    other = given.other.resolve()
    revision = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=other, capture_output=True, text=True, check=True
    ).stdout.strip()
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        scratch = Path(temporary)
        plant(scratch)
        planned = tasks(scratch)
        for name, task in planned.items():
            if given.only and not name.startswith(tuple(given.only)):
                continue
            for source in (other, HERE):
                seconds(task, source, scratch)  # not counted: it compiles
            times_pair: tuple[list[float], list[float]] = [], []
            for turn in range(given.runs):
                both = ((other, times_pair[0]), (HERE, times_pair[1]))
                for source, times in both if turn % 2 else both[::-1]:
                    times.append(round(seconds(task, source, scratch)[0], 3))
            rows.append(row(name, *times_pair))
            print(f"{name}: {min(times_pair[0]):.2f} -> {min(times_pair[1]):.2f} s, "
                  f"{rows[-1]['ratio of the best']}", flush=True)  # fmt: skip
            keep(revision, rows, list(planned))  # what is measured stays, should it be stopped


if __name__ == "__main__":
    main()
