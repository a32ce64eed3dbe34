"""Adoptions: what plans say of families at their full size, and what kills cost.

    python benchmarks/adoption.py plans [--on "24GB 70TFLOPS" --minutes 600]
    python benchmarks/adoption.py kills --each 2

`plans` counts operations from the configurations that come along. `kills` adopts a tiny base twice,
once at a stretch and once killed (SIGKILL) at random moments of every stage, and compares what was
made.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from machine import RESULTS, machine, save
from safetensors.numpy import load_file

PLANNED = (  # families, and pixels where it is not their own size
    ("sd1", None), ("sd2", None), ("sdxl", None), ("sdxl", 512), ("sd3", None), ("sd3", 512),
    ("flux1", None),
)  # fmt: skip
ROOT = Path(__file__).parents[1]
RESULT = RESULTS / "adoption.json"


def plans(where: str, minutes: float) -> dict[str, Any]:
    from lorarium.recipes.adoption import counting
    from lorarium.recipes.adoption.stages import STAGES

    rows: dict[str, Any] = {}
    for family, size in PLANNED:
        base = counting.count(family, size)
        plan, timing = counting.plan_on(base, counting.machine(where), STAGES, minutes, None)
        needs = counting.memory(base)
        name = family if size is None else f"{family} at {size}"
        rows[name] = {
            "size": base.size, "TFLOP": round(base.operations / 1e12, 2), **plan.as_json(),
            "memory": {way: round(size / 1e9, 1) for way, size in needs.items()},
            "a training step, s": round(timing.mint, 2),
        }  # fmt: skip
        print(name, json.dumps(rows[name]), flush=True)
    return {"on": where, "minutes": minutes, "families": rows}


def kills(each: int, longest: float, seed: int) -> dict[str, Any]:
    from tests.bases.tiny import micro, save_micro

    with tempfile.TemporaryDirectory() as kept:
        base = Path(kept) / "tiny.safetensors"
        save_micro(micro().model, base)
        began = time.monotonic()
        _child(base, Path(kept) / "whole").wait()
        whole = time.monotonic() - began
        print(f"at a stretch: {whole:.0f} s", flush=True)
        random, killed_in = np.random.default_rng(seed), Counter[str]()
        began = time.monotonic()
        while _killed(base, Path(kept) / "killed", each, longest, random, killed_in):
            print(f"killed: {dict(killed_in)}", flush=True)
        code = _child(base, Path(kept) / "killed").wait()
        spent = time.monotonic() - began
        files = sorted((Path(kept) / "whole").glob("*.safetensors"))
        equal = {f.stem: _equal(f, Path(kept) / "killed" / f.name) for f in files}
    return {
        "kills": killed_in.total(), "in": dict(killed_in), "exit code": code, "equal": equal,
        "seconds at a stretch": round(whole), "seconds with kills": round(spent),
    }  # fmt: skip


def _killed(
    base: Path, folder: Path, each: int, longest: float, random: np.random.Generator,
    killed_in: Counter[str],
) -> bool:  # fmt: skip
    """Kill it at a random moment of a stage in which it was killed less often than `each`; False
    when it came to its end."""
    child = _child(base, folder)
    while child.poll() is None:
        time.sleep(0.05)
        if killed_in[_stage(folder)] < each:
            time.sleep(float(random.uniform(0, longest)))
            if child.poll() is None:
                killed_in[_stage(folder)] += 1
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
                return True
    return False


def _child(base: Path, folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.recipes.tiny_adoption", str(base), str(folder)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, start_new_session=True)


def _stage(folder: Path) -> str:
    progress = folder / "runs" / "progress.json"
    if not progress.exists():
        return "the plan"
    values = json.loads(progress.read_text())
    left = [name for name in values["stages"] if name not in values["done"]]
    return left[0] if left else "the page"


def _equal(one: Path, other: Path) -> bool:
    a, b = load_file(one), load_file(other)
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["plans", "kills"])
    parser.add_argument("--on", default="24GB 70TFLOPS")
    parser.add_argument("--minutes", type=float, default=600)
    parser.add_argument("--each", type=int, default=2, help="kills in a stage")
    parser.add_argument("--longest", type=float, default=12, help="seconds until a kill, at most")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    document = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    if asked.what == "plans":
        document["plans"] = plans(asked.on, asked.minutes)
    else:
        sys.path.insert(0, str(ROOT))
        document["kills"] = kills(asked.each, asked.longest, asked.seed)
    document["machine"] = machine()
    print(save("adoption", document))


if __name__ == "__main__":
    main()
