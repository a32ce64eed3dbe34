"""The studio with many files: how soon the first cards stand, how they scroll, and the map.

    python benchmarks/studio.py [--cards 10000 70000] [--points 100000]

A library of made-up rows (no weights), the real server, headless Chromium with WebGL in software.
`first` is from opening the address until the first card stands or the map is drawn; `frame` the
time between two frames while scrolling or zooming, which is bound by the drawing in software;
`script` what the page's own code takes of a frame, `heap` the memory of its objects. `cpu` is what
server and browser computed together, which does not grow when others use the machine too.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import numpy as np
import pyarrow as pa
from machine import machine, save

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.studio.browser import PATIENCE, launched
from tests.studio.served import served

from lorarium.library import Library
from lorarium.library import folder as place
from lorarium.library.schema import SCHEMA
from lorarium.library.spaces import FILES

FRAMES = """async ([steps, step]) => {
    const times = [];
    let last = performance.now();
    for (let i = 0; i < steps; i++) {
        eval_step(step, i);
        await new Promise(requestAnimationFrame);
        const now = performance.now();
        times.push(now - last);
        last = now;
    }
    return times;
}"""
SCROLL = FRAMES.replace("eval_step(step, i)", "document.querySelector('.grid').scrollTop += step")
ZOOM = FRAMES.replace(
    "eval_step(step, i)",
    "document.querySelector('.map canvas').dispatchEvent(new WheelEvent('wheel', "
    "{deltaY: i % 2 ? step : -step, clientX: 500, clientY: 400, cancelable: true}))",
)
HOVER = FRAMES.replace(
    "eval_step(step, i)",
    "document.querySelector('.map canvas').dispatchEvent(new PointerEvent('pointermove', "
    "{clientX: 300 + step * i, clientY: 400, bubbles: true}))",
)


def rows(folder: Path, count: int) -> pa.Table:
    rng = np.random.default_rng(0)
    columns: dict[str, Any] = {name: [None] * count for name in SCHEMA.names}
    for field in SCHEMA:
        if pa.types.is_list(field.type):
            columns[field.name] = [["one", "two"]] * count
        elif pa.types.is_string(field.type):
            columns[field.name] = [""] * count
    columns |= {
        "key": [f"{i:032x}" for i in range(count)],
        "path": [str(folder / f"{i % 300:03}" / f"file {i:06}.safetensors") for i in range(count)],
        "id": [f"{i:064x}" for i in range(count)],
        "size": rng.integers(10**6, 10**9, count).tolist(),
        "rank": rng.choice([4, 8, 16, 32, 64], count).astype(float).tolist(),
        "family": rng.choice(["sdxl", "sd1", "flux1"], count).tolist(),
        "described": [False] * count,
    }
    return pa.table(columns, schema=SCHEMA)


def cpu_seconds() -> float:
    """What this process and all that it started have computed so far."""
    parents, spent = {}, {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(stat.parent.name)] = int(fields[1])
        spent[int(stat.parent.name)] = int(fields[11]) + int(fields[12])
    ours = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in ours} - ours:
        ours |= more
    return sum(spent.get(pid, 0) for pid in ours) / os.sysconf("SC_CLK_TCK")


def spread(times: list[float]) -> dict[str, float]:
    return {"median": round(median(times), 1), "p95": round(quantiles(times, n=20)[-1], 1)}


def frames(page: Any, script: str, steps: list[int]) -> dict[str, Any]:
    """Let a script take its steps; what a frame takes, what of it is our code, and the memory."""
    line = page.context.new_cdp_session(page)
    line.send("Performance.enable")

    def metrics() -> dict[str, float]:
        return {m["name"]: m["value"] for m in line.send("Performance.getMetrics")["metrics"]}

    before, computed = metrics(), cpu_seconds()
    times = page.evaluate(script, steps)
    computed = cpu_seconds() - computed
    line.send("HeapProfiler.collectGarbage")
    after = metrics()
    script_s = after["ScriptDuration"] - before["ScriptDuration"]
    return {
        "frame_ms": spread(times),
        "frame_cpu_ms": round(1000 * computed / len(times), 1),
        "script_ms": round(1000 * script_s / len(times), 2),
        "heap_mb": round(after["JSHeapUsedSize"] / 1e6, 1),
    }


def cards(browser: Any, count: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        home = Path(name, "loras")
        home.mkdir()
        library = Library(Path(name, "library"))
        with place.writing(library.folder):  # type: ignore[arg-type]
            library.store.put(FILES, "key", rows(home.resolve(), count))
        with served(Path(name, "library"), [home]) as studio:
            began = time.perf_counter()
            assert len(studio.get("/api/files?limit=120")["rows"]) == 120
            cold = time.perf_counter() - began
            began = time.perf_counter()
            studio.get("/api/files?limit=120&sort=size&family=sdxl")
            warm = time.perf_counter() - began
            page = browser.new_page(viewport={"width": 1360, "height": 860})
            began, computed = time.perf_counter(), cpu_seconds()
            page.goto(f"{studio.address}/#/shelf")
            page.wait_for_selector(".tile", timeout=PATIENCE)
            first, computed = time.perf_counter() - began, cpu_seconds() - computed
            facts = frames(page, SCROLL, [30, 900])
            tiles = page.locator(".tile").count()
            page.close()
    return {"count": count, "answer_cold_s": round(cold, 3), "answer_s": round(warm, 3),
            "first_s": round(first, 3), "first_cpu_s": round(computed, 2), **facts,
            "elements": tiles}  # fmt: skip


def points(browser: Any, count: int) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 60, count)
    xy = rng.uniform(1000, 19000, (60, 2))[groups] + rng.normal(0, 500, (count, 2))
    words = {"words": [f"group {i}" for i in range(60)], "values": groups.tolist()}
    panel = {"family": "sdxl", "count": count, "x": 0, "y": 0, "side": 20000}
    layout = {
        "state": "x", "key": [f"{i:032x}" for i in range(count)],
        "name": [f"file {i}" for i in range(count)], "x": xy[:, 0].astype(int).tolist(),
        "y": xy[:, 1].astype(int).tolist(), "width": 20000, "height": 20000, "panels": [panel],
        "fields": {"cluster": words}, "layout": "chance",
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        home = Path(name, "loras")
        home.mkdir()
        library = Library(Path(name, "library"))
        with place.writing(library.folder):  # type: ignore[arg-type]
            library.store.put(FILES, "key", rows(home.resolve(), 10))
        with served(Path(name, "library"), [home]) as studio:
            page = browser.new_page(viewport={"width": 1360, "height": 860})
            body = json.dumps(layout)
            page.route("**/api/map", lambda route: route.fulfill(body=body))
            began, computed = time.perf_counter(), cpu_seconds()
            page.goto(f"{studio.address}/#/map")
            page.wait_for_selector(".map canvas[data-frame]", timeout=PATIENCE)
            first, computed = time.perf_counter() - began, cpu_seconds() - computed
            facts = frames(page, ZOOM, [12, 120])
            hover = frames(page, HOVER, [12, 30])
            page.close()
    return {"count": count, "first_s": round(first, 3), "first_cpu_s": round(computed, 2), **facts,
            "hover_script_ms": hover["script_ms"]}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cards", type=int, nargs="*", default=[10_000, 70_000])
    parser.add_argument("--points", type=int, nargs="*", default=[100_000])
    parser.add_argument("--out", default="studio")
    chosen = parser.parse_args()
    document: dict[str, Any] = {"machine": machine(), "cards": [], "map": []}
    with launched() as browser:
        for name, measure, counts in (
            ("cards", cards, chosen.cards),
            ("map", points, chosen.points),
        ):
            for count in counts:
                document[name].append(measure(browser, count))
                print(json.dumps(document[name][-1]), flush=True)
                save(chosen.out, document)


if __name__ == "__main__":
    main()
