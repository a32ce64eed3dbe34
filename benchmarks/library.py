"""The library: what it finds, how fast it answers, how fast it notices that nothing changed.

    python benchmarks/library.py                # all of it, about a quarter of an hour
    python benchmarks/library.py planted        # or some of: planted speed million folder

`planted`: made-up adapters with copies of every sort and merges of two to four, as files; what is
found, what is found wrongly, how far off the weights are, and from which share of the energy on.
`speed`: tables as `index` would leave them, sketches in clusters, beside plain numpy and LanceDB on
the stored vectors; recall is against comparing all full vectors. `million` goes on to a million
learned vectors of 256 coordinates, without sketches. `folder`: ten thousand real small files.
Parts are put together in one result file; figures are drawn as benchmarks/results/library_*.png.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import lancedb
import ml_dtypes
import numpy as np
import pyarrow as pa
from machine import RESULTS, machine, save
from pages import fill_pages

from lorarium import formats
from lorarium.adapter import Adapter, LowRank
from lorarium.algebra import add, cast, norm, recompress, scale
from lorarium.descriptors.facts import SIZE as FACTS
from lorarium.descriptors.sketch import INPUT, OUTPUT, PRODUCT, Sketch
from lorarium.formats.example import example
from lorarium.library import Library
from lorarium.library.family_space import matrix
from lorarium.library.filling import calibrate_spaces, read_places, vector_table
from lorarium.library.folder import STORE, create
from lorarium.library.likeness import closeness, matched
from lorarium.library.schema import SCHEMA
from lorarium.library.snapshot import Snapshot
from lorarium.library.spaces import APPROXIMATE, BUILT_IN, FILES, VectorSpace
from lorarium.library.store import VECTOR, Store

SEED = 0
FAMILY = "micro-1"

# planted

CROWD, COPIED, MERGED, CURVE = 300, 30, 40, 25
SHARES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)


def made_up(seed: int, rank: int = 4) -> Adapter:
    return example(family=FAMILY, seed=seed, rank=rank)


def each(change: Callable[[LowRank], Any]) -> Callable[[Adapter], Adapter]:
    return lambda a: a.with_(deltas={m: change(d) for m, d in a.items()})  # type: ignore[arg-type]


def padded(d: LowRank) -> LowRank:
    up = np.hstack([d.up, np.zeros((len(d.up), 4), d.up.dtype)])
    return replace(d, up=up, down=np.vstack([d.down, d.down]))


def rotated(d: LowRank) -> LowRank:
    G = np.random.default_rng(d.up.shape).standard_normal((d.rank, d.rank)) + 3 * np.eye(d.rank)
    up, down = d.up.astype(np.float64) @ G, np.linalg.inv(G) @ d.down.astype(np.float64)
    return replace(d, up=up.astype(d.up.dtype), down=down.astype(d.down.dtype))


def eight_bits(d: LowRank) -> LowRank:
    def steps(x: np.ndarray) -> np.ndarray:
        step = np.abs(x).max(axis=1, keepdims=True) / 127
        return (np.round(x / step) * step).astype(x.dtype)

    return replace(d, up=steps(d.up), down=steps(d.down))


def to_rank(rank: int) -> Callable[[Adapter], Adapter]:
    return lambda a: recompress(a, rank=rank)[0]


COPIES: dict[str, tuple[Callable[[Adapter], Adapter], str]] = {
    "other dialect": (lambda a: a, "diffusers"),
    "bf16": (each(lambda d: cast(d, ml_dtypes.bfloat16)), "kohya"),
    "fp8 e4m3": (each(lambda d: cast(d, ml_dtypes.float8_e4m3fn)), "kohya"),
    "int8 by row": (each(eight_bits), "kohya"),
    "rank padded": (each(padded), "kohya"),
    "factors rotated": (each(rotated), "kohya"),
    "rotated, bf16, dialect": (
        each(lambda d: cast(rotated(d), ml_dtypes.bfloat16)),
        "diffusers",
    ),
    "strength 0.7": (lambda a: scale(a, 0.7), "kohya"),
    "rank 4 to 3": (to_rank(3), "kohya"),
    "rank 4 to 2": (to_rank(2), "kohya"),
    "rank 4 to 1": (to_rank(1), "kohya"),
}


def planted() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        loras = folder / "loras"
        loras.mkdir()
        for seed in range(CROWD):
            formats.write(made_up(seed), loras / f"{seed}.safetensors", "kohya")
        library = Library(folder / "crowd")
        library.index([loras])
        document = {"strangers": CROWD, "merges": merges(library, folder)}
        for i, (change, dialect) in enumerate(COPIES.values()):
            for seed in range(COPIED):
                path = loras / f"copy-{i}-{seed}.safetensors"
                formats.write(change(made_up(seed)), path, dialect)
        library.index([loras])
        document["copies"] = copies(library)
    draw_curve(document["merges"]["by share"])
    return document


def copies(library: Library) -> dict[str, Any]:
    """Every copy must be in one group with its original and with nobody else's."""
    began = time.perf_counter()
    groups = [[g.keeper, *(c.path for c in g.copies)] for g in library.duplicates()]
    seconds = time.perf_counter() - began
    names = [{Path(path).stem for path in group} for group in groups]
    rows = {}
    for i, name in enumerate(COPIES):
        hits = sum(
            any({str(seed), f"copy-{i}-{seed}"} <= group for group in names)
            for seed in range(COPIED)
        )
        rows[name] = {"planted": COPIED, "found": hits}
    wrong = sum(len({name.split("-")[-1] for name in group}) > 1 for group in names)
    for name, row in rows.items():
        print(f"  copies: {name:24} {row['found']:3} of {row['planted']}")
    print(f"  groups of more than one adapter: {wrong}; {seconds:.1f} s")
    return {"kinds": rows, "wrong groups": wrong, "seconds": seconds}


def merges(library: Library, folder: Path) -> dict[str, Any]:
    """Sums of known adapters, whole and cut to half their rank."""
    rng = np.random.default_rng(SEED)
    cases: list[tuple[str, list[int], np.ndarray]] = []
    for count in (2, 3, 4):
        for _ in range(MERGED):
            weights = rng.uniform(0.2, 1.2, count) * rng.choice([1, 1, 1, -1], count)
            cases.append((f"{count} parents", pick(rng, count), weights))
    for share in SHARES:
        ratio = np.sqrt(share / (1 - share))
        cases += [(f"share {share}", pick(rng, 2), np.array([1, ratio])) for _ in range(CURVE)]
    results: dict[str, list[dict[str, Any]]] = {}
    for name, parents, weights in cases:
        for cut in (False, True):
            case = one_merge(library, folder, parents, weights, cut)
            results.setdefault(name + (", half rank" if cut else ""), []).append(case)
    strangers = [library.lineage(folder / "loras" / f"{i}.safetensors") for i in range(50)]
    table = {name: summed(rows) for name, rows in results.items() if "parents" in name}
    for name, row in table.items():
        print(f"  merges: {name:22}", {k: round(v, 4) for k, v in row.items()})
    curve = {
        name: {
            str(share): summed(results[f"share {share}{suffix}"])["weaker found"]
            for share in SHARES
        }
        for name, suffix in (("whole", ""), ("half rank", ", half rank"))
    }
    print("  weaker parent found by its share:", json.dumps(curve))
    return {
        "cases": table,
        "by share": curve,
        "single adapters taken for merges": sum(s.merge is not None for s in strangers),
        "single adapters asked": len(strangers),
    }


def pick(rng: np.random.Generator, count: int) -> list[int]:
    return [int(i) for i in rng.choice(CROWD, count, replace=False)]


def one_merge(
    library: Library, folder: Path, parents: list[int], weights: np.ndarray, cut: bool
) -> dict[str, Any]:
    adapters = [made_up(i) for i in parents]
    merged = add(adapters, list(weights))
    rank = max(d.rank or 0 for _, d in merged.items())
    if cut:
        merged = recompress(merged, rank=rank // 2)[0]
    path = folder / "merged.safetensors"
    formats.write(merged, path, "kohya")
    energy = np.array([w * w * norm(a) ** 2 for w, a in zip(weights, adapters, strict=True)])
    shares = energy / energy.sum()
    answer = library.lineage(path)
    weight_of = (
        {} if answer.merge is None else {Path(p.path).stem: p.weight for p in answer.merge.parents}
    )
    known = [str(i) in weight_of for i in parents]
    errors = [
        abs(weight_of[str(i)] - w)
        for i, w in zip(parents, weights, strict=True)
        if str(i) in weight_of
    ]
    return {
        "shares": shares.tolist(),
        "known": known,
        "errors": errors,
        "false": len(set(weight_of) - {str(i) for i in parents}),
    }


def summed(rows: list[dict[str, Any]]) -> dict[str, float]:
    large = [
        k for row in rows for k, s in zip(row["known"], row["shares"], strict=True) if s > 0.05
    ]
    errors = [e for row in rows for e in row["errors"]]
    return {
        "merges": len(rows),
        "parents above 5%": len(large),
        "found": float(np.mean(large)) if large else 0.0,
        "weaker found": float(
            np.mean([row["known"][int(np.argmin(row["shares"]))] for row in rows])
        ),
        "within 0.05": float(np.mean(np.array(errors) <= 0.05)) if errors else 0.0,
        "worst error": max(errors, default=0.0),
        "false parents": sum(row["false"] for row in rows),
    }


def draw_curve(curve: dict[str, dict[str, float]]) -> None:
    """Share of weaker parents found against their share of the energy."""
    from PIL import Image, ImageDraw

    width, height, left, low = 760, 420, 70, 60
    picture = Image.new("RGB", (width, height), "white")
    pen = ImageDraw.Draw(picture)

    def place(share: float, rate: float) -> tuple[float, float]:
        x = (np.log10(share) + 3) / (np.log10(0.5) + 3)
        return left + x * (width - left - 30), height - low - rate * (height - low - 40)

    for rate in (0, 0.25, 0.5, 0.75, 1):
        y = place(0.001, rate)[1]
        pen.line((left, y, width - 30, y), fill=(220, 220, 220))
        pen.text((left - 45, y - 7), f"{rate:.0%}", fill="black", font_size=13)
    for share in SHARES:
        x = place(share, 0)[0]
        pen.text((x - 12, height - low + 8), f"{share:.1%}", fill="black", font_size=11)
    pen.text((left, 10), "weaker of two parents found", fill="black", font_size=14)
    words = "its share of the energy of the sum"
    pen.text((width // 2 - 90, height - 26), words, fill="black", font_size=13)
    for row, (name, color) in enumerate((("whole", (0, 114, 178)), ("half rank", (213, 94, 0)))):
        points = [place(share, curve[name][str(share)]) for share in SHARES]
        pen.line(points, fill=color, width=3)
        for x, y in points:
            pen.ellipse((x - 4, y - 4, x + 4, y + 4), fill=color)
        pen.text((width - 130, height - low - 60 + 20 * row), name, fill=color, font_size=14)
    picture.save(RESULTS / "library_merges.png")


# speed

SIZES = (1_000, 10_000, 100_000)
LARGE = (100_000, 200_000, 500_000, 1_000_000)
QUERIES = 200
LEARNED = 256  # coordinates of a learned vector
STYLE = VectorSpace("style", "1", lambda sketch: None)


def clustered(n: int, seed: int, centres: np.ndarray) -> np.ndarray:
    """Unit vectors (n, d) around the centres, half of their energy their own."""
    rng = np.random.default_rng([SEED, seed])
    chosen = centres[rng.integers(0, len(centres), n)]
    vectors = chosen + rng.standard_normal((n, centres.shape[1]), np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def make(folder: Path, n: int, encoder: VectorSpace) -> np.ndarray:
    """A library of n rows as `index` leaves it; returns the centres. In the space `output` rows
    have sketches, whose other parts are zero."""
    rng = np.random.default_rng([SEED, n])
    with_sketches = encoder is not STYLE
    centres = rng.standard_normal(
        (max(50, n // 20), OUTPUT if with_sketches else LEARNED), np.float32
    )
    create(folder)
    store = Store(folder)
    name = encoder.table("sd1")
    step = 2_000 if with_sketches else 50_000
    for start in range(0, n, step):
        count = min(step, n - start)
        ids = [hashlib.sha256(b"%d" % (start + i)).hexdigest() for i in range(count)]
        vectors = clustered(count, start, centres)
        rows = [row(i, start, ids) for i in range(count)]
        if with_sketches:
            for one, vector in zip(rows, vectors, strict=True):
                zero = np.zeros(PRODUCT), np.zeros(INPUT), np.zeros(FACTS)
                one["sketch"] = Sketch("sd1", zero[0], vector, *zero[1:]).to_bytes()
        short = np.stack([encoder.short(vector) for vector in vectors])  # type: ignore[misc]
        store.put(FILES, "key", pa.Table.from_pylist(rows, SCHEMA))
        store.put(name, "id", vector_table(ids, short))
    for table in (FILES, name):
        store.tidy(table)
    if n >= APPROXIMATE:
        store.make_index(name)
    calibrate_spaces(store, {encoder.name: encoder}, read_places(store), {name})
    return centres


def row(i: int, start: int, ids: list[str]) -> dict[str, Any]:
    place = start + i
    return {
        "key": ids[i][:32],
        "path": f"/loras/folder {place // 500}/some adapter of a style {place}.safetensors",
        "id": ids[i],
        "payload_sha256": ids[i],
        "fingerprint": ids[i][:32],
        "family": "sd1",
        "dialect": "kohya",
        "kind": "lora",
        "kinds": ["lora"],
        "parts": ["denoiser", "text_encoder"],
        "modules": 264,
        "rank": float(2 ** (place % 7)),
        "size": 10_000_000 + place,
        "dtype": "float16",
        "norm": 4.0,
        "title": f"a style {place}",
        "tags": ["style", f"tag {place % 997}"],
        "words": [f"word{place}"],
        "health": [],
        "error": "",
        "described": True,
    }


def scratch() -> Path:
    """Where gigabytes may lie for a while."""
    runs = Path("runs")
    runs.mkdir(exist_ok=True)
    return runs


def speed(
    sizes: tuple[int, ...] = SIZES, encoder: VectorSpace = BUILT_IN["output"]
) -> dict[str, Any]:
    by_size = {}
    for n in sizes:
        with tempfile.TemporaryDirectory(dir=scratch()) as temporary:
            folder = Path(temporary) / "library"
            began = time.perf_counter()
            centres = make(folder, n, encoder)
            made = time.perf_counter() - began
            by_size[str(n)] = one = {"build seconds": made, **answers(folder, centres, n, encoder)}
        print(f"  {n:>9,}", json.dumps({k: rounded(v) for k, v in one.items()}))
    return by_size


def rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: rounded(v) for k, v in value.items()}
    return round(value, 4) if isinstance(value, float) else value


def answers(folder: Path, centres: np.ndarray, n: int, encoder: VectorSpace) -> dict[str, Any]:
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    queries = clustered(QUERIES, 10**9, centres)
    lancedb.connect(str(folder / STORE)).open_table(FILES)  # itself takes its time once
    began, busy = time.perf_counter(), time.process_time()
    snapshot = Snapshot(Store(folder), {encoder.name: encoder})
    space = snapshot.space(encoder, "sd1")
    _ = snapshot.of_content, snapshot.calibrations, space.large or space.stored
    open_seconds, open_cpu = time.perf_counter() - began, time.process_time() - busy
    began = time.perf_counter()
    ask(snapshot, encoder, queries[0])
    first = time.perf_counter() - began
    ours, ids = timed(lambda q: ask(snapshot, encoder, q), queries)
    mask, filtered = timed(
        lambda q: ask(snapshot, encoder, q, where="rank >= 32 and tags ~ '1'"), queries[:20]
    )
    truth, names = brute(snapshot, encoder, n, queries)
    position = {name: i for i, name in enumerate(names)}

    def recall(nearest: list[Any]) -> float:
        return float(np.mean([len(t & set(f)) / 10 for t, f in zip(truth, nearest, strict=True)]))

    result: dict[str, Any] = {
        "bytes": size,
        "open seconds": open_seconds,
        "open processor seconds": open_cpu,
        "first query seconds": first,
        "ours": ours | {"recall@10": recall([[position[i] for i in f] for f in ids])},
        "ours, with a filter": mask | {"results": float(np.mean([len(f) for f in filtered]))},
    }
    if n <= 100_000:
        table = lancedb.connect(str(folder / STORE)).open_table(encoder.table("sd1"))
        flat = table.search().select([VECTOR]).limit(None).to_arrow()
        wide = matrix(flat).astype(np.float32)
        short = [encoder.short(query) for query in queries]
        alone, _ = timed(lambda q: np.argpartition(-(wide @ q), 10)[:10], short)
        result["stored vectors, numpy, all of float32"] = alone
        flat_ms, _ = timed(
            lambda q: table.search(q).distance_type("cosine").limit(10).to_arrow(), short[:20]
        )
        result["stored vectors, LanceDB without an index"] = flat_ms
    return result


def brute(
    snapshot: Snapshot, encoder: VectorSpace, n: int, queries: np.ndarray
) -> tuple[list[set[int]], list[str]]:
    """The ten nearest by full vectors, everything compared."""
    space = snapshot.space(encoder, "sd1")
    names = space.stored.ids
    best = np.full((len(queries), 10), -2.0, np.float32)
    rows = np.zeros((len(queries), 10), int)
    for start in range(0, n, 2000):
        if encoder is STYLE:
            part = space.stored.exact.vectors[start : start + 2000].astype(np.float32)
        else:
            full = space.full(names[start : start + 2000])
            part = np.stack([full[name] for name in names[start : start + 2000]])
        scores = np.concatenate([best, queries @ part.T], axis=1)
        known = np.concatenate([rows, np.tile(start + np.arange(len(part)), (len(queries), 1))], 1)
        top = np.argpartition(-scores, 10, axis=1)[:, :10]
        best, rows = np.take_along_axis(scores, top, 1), np.take_along_axis(known, top, 1)
    return [set(row.tolist()) for row in rows], names


def ask(
    snapshot: Snapshot, encoder: VectorSpace, query: np.ndarray, where: str | None = None
) -> list[str]:
    """A search as the command does it, once the query is a vector."""
    space = snapshot.space(encoder, "sd1")
    near = space.nearest(query, 10, snapshot.allowed(where))
    matches = matched(snapshot, near, 10)
    closeness(space, query, near, matches, {"adapter"})
    return [str(match.facts["id"]) for match in matches]


def timed(do: Callable[[Any], Any], queries: Any) -> tuple[dict[str, float], list[Any]]:
    """By the clock, and processor time of all threads, which others on the machine do not lengthen
    as much."""
    do(queries[0])
    seconds, used, results = [], [], []
    for query in queries:
        began, busy = time.perf_counter(), time.process_time()
        results.append(do(query))
        seconds.append(time.perf_counter() - began)
        used.append(time.process_time() - busy)
    p50, p95 = np.quantile(seconds, [0.5, 0.95]) * 1e3
    cpu = float(np.median(used)) * 1e3
    return {"p50 ms": float(p50), "p95 ms": float(p95), "p50 processor ms": cpu}, results


# folder

MANY = 10_000


def folder() -> dict[str, Any]:
    """Ten thousand files of a few modules: indexed, looked at again, a hundred of them changed."""
    with tempfile.TemporaryDirectory(dir=scratch()) as temporary:
        loras = Path(temporary) / "loras"
        loras.mkdir()
        print("  writing files")
        some = list(made_up(0, rank=1).items())[:8]
        for seed in range(MANY):
            rng = np.random.default_rng(seed)
            small = made_up(0, rank=1).with_(
                deltas={m: replace(d, up=rng.permuted(d.up)) for m, d in some}  # type: ignore[union-attr,type-var]
            )
            formats.write(small, loras / f"{seed}.safetensors", "kohya")
        library = Library(Path(temporary) / "library")
        result: dict[str, Any] = {"files": MANY}

        def index(name: str) -> None:
            busy = time.process_time()
            report = library.index([loras]).to_json()
            result[name] = report | {"processor seconds": time.process_time() - busy}
            print(f"  {name}: {report['seconds']:.2f} s")

        for name in ("first", "unchanged", "unchanged again"):
            index(name)
        for seed in range(100):
            shutil.copyfile(loras / f"{seed + 500}.safetensors", loras / f"{seed}.safetensors")
        index("a hundred changed")
    return result


PARTS: dict[str, Callable[[], Any]] = {
    "planted": planted,
    "speed": speed,
    "million": lambda: speed(LARGE, STYLE),
    "folder": folder,
}


def main() -> None:
    path = RESULTS / "library.json"
    document: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    for name in sys.argv[1:] or PARTS:
        print(name)
        began = time.perf_counter()
        figures = PARTS[name]()
        document[name] = {
            "machine": machine(),
            "command": f"python benchmarks/library.py {name}",
            "seed": SEED,
            "seconds": time.perf_counter() - began,
            **figures,
        }
    print("written to", save("library", document))
    fill_pages()


if __name__ == "__main__":
    main()
