"""Sketches: how fast, how near the exact kernels, and what they are good for at which size.

    python benchmarks/sketch.py            # all of it, some ten minutes
    python benchmarks/sketch.py speed      # or some of: speed errors content merges copies

Adapters are made up with what matters planted: strangers, one initialisation, one content,
checkpoints, copies, merges. Smaller sizes are the same sketches folded. Speed is processor seconds,
the best of some runs, beside `safetensors.numpy.load_file` plus a cast to float32 of the same file;
compare with OMP_NUM_THREADS=1 when others use the machine. Results of parts are put together in one
file.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
from machine import RESULTS, machine, save
from safetensors.numpy import load_file

from lorarium import formats
from lorarium.adapter import Adapter, LowRank, Module
from lorarium.algebra import add, canonical_adapter, cast, inner, norm, recompress
from lorarium.descriptors import describe, fold, kernel
from lorarium.descriptors.gram import centred, cosines
from lorarium.descriptors.sketch import OUTPUT, PRODUCT, sketch
from lorarium.formats.families import FAMILIES
from lorarium.formats.synthesise import make_fixture

SEED = 0
SIZES = (512, 1024, 2048, 4096, 8192, 16384)


# speed

FILES = {
    "sd1 attention, rank 4": ("sd1", 4, lambda part, path: part == "denoiser" and _attention(path)),
    "sd1 blocks and text, rank 16": ("sd1", 16, lambda part, path: _in_a_block(path)),
    "sdxl blocks and text, rank 64": ("sdxl", 64, lambda part, path: _in_a_block(path)),
    "flux1 attention, rank 16": ("flux1", 16, lambda part, path: "attn" in path),
}


def _attention(path: str) -> bool:
    return ".attn" in path


def _in_a_block(path: str) -> bool:
    """Transformer blocks with their projections, no convolutions of resnets."""
    return not any(word in path for word in ("conv", "_emb", "text_projection"))


def speed() -> list[dict[str, Any]]:
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, (family, rank, keep) in FILES.items():
            path = Path(folder) / "x.safetensors"
            make_fixture(family, "diffusers", rank=rank, seed=SEED, keep=keep).save(path)
            adapter = formats.read(path)
            repeats = 5 if path.stat().st_size > 2**26 else 30

            def load(path: Path = path) -> None:
                for array in load_file(path).values():
                    array.astype(np.float32)

            row: dict[str, Any] = {
                "file": name,
                "modules": len(adapter),
                "bytes": path.stat().st_size,
                "sketch_bytes": len(sketch(adapter).to_bytes()),
                "load_and_cast": _seconds(load, repeats),
                "sketch": _seconds(lambda a=adapter: sketch(a), repeats),
                "read_and_sketch": _seconds(lambda path=path: describe(path), repeats),
            }
            row["ratio"] = row["sketch"]["cpu"] / row["load_and_cast"]["cpu"]
            rows.append(row)
            print(
                f"{name:<30} {row['modules']:>4} modules {row['bytes'] / 1e6:6.1f} MB "
                f"load and cast {1e3 * row['load_and_cast']['cpu']:7.1f} ms, sketch "
                f"{1e3 * row['sketch']['cpu']:7.1f} ms ({row['ratio']:.2f}x), reading it too "
                f"{1e3 * row['read_and_sketch']['cpu']:7.1f} ms",
                flush=True,
            )
    return rows


def _seconds(call: Callable[[], Any], repeats: int) -> dict[str, float]:
    call()
    wall, cpu = [], []
    for _ in range(repeats):
        start, start_cpu = time.perf_counter(), time.process_time()
        call()
        wall.append(time.perf_counter() - start)
        cpu.append(time.process_time() - start_cpu)
    return {"wall": min(wall), "cpu": min(cpu)}


# adapters with a plan

Shapes = dict[str, tuple[int, int]]


def shapes(family: str, words: Sequence[str]) -> Shapes:
    table = FAMILIES[family].parts["denoiser"].shapes
    return {
        path: (shape[0], shape[1])
        for path, shape in table.items()
        if len(shape) == 2 and path.endswith(tuple(words))
    }


ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")
WORLDS: dict[str, tuple[str, Shapes, int]] = {
    "micro-1 linear, rank 4": (
        "micro-1",
        shapes("micro-1", (*ATTENTION, "net.0.proj", "net.2")),
        4,
    ),
    "sd1 attention, rank 8": ("sd1", shapes("sd1", ATTENTION), 8),
    "sd1 ten modules, rank 16": ("sd1", dict(list(shapes("sd1", ATTENTION).items())[:10]), 16),
    "flux1 ten blocks, rank 4": (
        "flux1",
        {k: v for k, v in shapes("flux1", ATTENTION).items() if "blocks.1" in k},
        4,
    ),
}


def made(
    world: str, number: int, *, init: int | None = None, content: int | None = None
) -> Adapter:
    """A decaying spectrum, module norms that vary; most of A from `init`, of B from `content`."""
    family, table, rank = WORLDS[world]
    rng = np.random.default_rng([SEED, number, 1])
    deltas = {}
    decay = (0.75 ** np.arange(rank)).astype(np.float32)
    for place, (path, (out, n)) in enumerate(table.items()):
        A = rng.standard_normal((rank, n), np.float32)
        B = rng.standard_normal((out, rank), np.float32)
        if init is not None:
            start = np.random.default_rng([SEED, init, place, 2])
            A = start.standard_normal((rank, n), np.float32) + np.float32(0.2) * A
        if content is not None:
            shared = np.random.default_rng([SEED, content, place, 3])
            B = shared.standard_normal((out, 2), np.float32) @ B[:2] + np.float32(0.7) * B
        size = np.float32(np.exp(rng.normal(0, 0.35)) * (out * n) ** -0.25)
        deltas["denoiser", path] = LowRank(B * decay * size, A * size)
    return Adapter(deltas, family)


# errors

KERNELS = {"product": PRODUCT, "output": OUTPUT, "input": 4096}


def errors() -> list[dict[str, Any]]:
    rows = []
    for world in WORLDS:
        adapters = [made(world, i) for i in range(4)]
        adapters += [made(world, 10 + i, init=1) for i in range(4)]
        adapters += [made(world, 20 + i, content=1) for i in range(4)]
        adapters += [add([adapters[i], adapters[i + 1]], [1.0, 0.4]) for i in (0, 4, 8)]
        sketches = [sketch(a) for a in adapters]
        pairs = np.triu_indices(len(adapters), 1)
        for kind, full in KERNELS.items():
            if kind == "product":
                exact = cosines(np.array([[inner(a, b) for b in adapters] for a in adapters]))
            else:
                exact = kernel(adapters, kind=kind)
            vectors = np.stack([getattr(s, kind) for s in sketches])
            for size in (s for s in SIZES if s <= full):
                short = fold(vectors, size)
                wrong = (cosines(short @ short.T) - exact)[pairs]
                near = exact[pairs] > 0.2
                rows.append(
                    {
                        "world": world,
                        "kernel": kind,
                        "size": size,
                        "rms_error": _rms(wrong),
                        "rms_error_strangers": _rms(wrong[~near]),
                        "rms_error_relatives": _rms(wrong[near]),
                        "mean_error": float(wrong.mean()),
                        "largest_error": float(np.abs(wrong).max()),
                    }
                )
                if size == full:
                    print(
                        f"{world:<26} {kind:<8} {size:>6} rms error {_rms(wrong):.4f} (strangers "
                        f"{_rms(wrong[~near]):.4f}, relatives {_rms(wrong[near]):.4f}), "
                        f"mean {wrong.mean():+.4f}",
                        flush=True,
                    )
    return rows


def _rms(x: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(x)))) if x.size else 0.0


# content

ARTISTS, WORKS = 40, 3
STRENGTHS = (0.45, 0.55, 0.65, 0.8)


def artist(identity: int, which: int, strength: float) -> Adapter:
    """Hard on purpose: weak content, a direction that all share, and another A for each."""
    _, table, r = WORLDS["micro-1 linear, rank 4"]
    own, work = (
        np.random.default_rng([SEED, *key]) for key in ((identity, 7), (identity, which, 8))
    )
    deltas = {}
    for place, (path, (out, n)) in enumerate(table.items()):
        common = np.random.default_rng([SEED, place, 9]).standard_normal((out, 2))
        B = strength * own.standard_normal((out, 2)) @ work.standard_normal((2, r))
        B += common @ work.standard_normal((2, r)) + work.standard_normal((out, r))
        B *= 0.7 ** np.arange(r)
        A = work.standard_normal((r, n))
        deltas["denoiser", path] = LowRank(B.astype(np.float32), A.astype(np.float32))
    return Adapter(deltas, "micro-1")


def content() -> list[dict[str, Any]]:
    labels = np.repeat(np.arange(ARTISTS), WORKS)
    rows = []
    for strength in STRENGTHS:
        adapters = [artist(a, w, strength) for a in range(ARTISTS) for w in range(WORKS)]
        row: dict[str, Any] = {"strength": strength, "chance": (WORKS - 1) / (len(labels) - 1)}
        row["exact"] = _first_hit(kernel(adapters), labels)
        vectors = np.stack([sketch(a).output for a in adapters])
        for size in SIZES:
            short = fold(vectors, size)
            row[str(size)] = _first_hit(short @ short.T, labels)
        rows.append(row)
        print("content", " ".join(f"{k} {v:.3f}" for k, v in row.items()), flush=True)
    return rows


def _first_hit(K: np.ndarray, labels: np.ndarray) -> float:
    """R@1 among the others by centred cosine."""
    near = cosines(centred(K))
    np.fill_diagonal(near, -np.inf)
    return float((labels[near.argmax(1)] == labels).mean())


# merges

KNOWN, MERGES = 1000, 40
MERGE_WORLDS = ("micro-1 linear, rank 4", "sd1 ten modules, rank 16")


def merges() -> list[dict[str, Any]]:
    """2 to 4 of 1,000 known adapters, of 50 initialisations, found by greedy regression."""
    rows = []
    for world in MERGE_WORLDS:
        rank = WORLDS[world][2]
        known = np.stack([sketch(_known(world, i)).product for i in range(KNOWN)])
        for cut in ("whole", "half rank"):
            rng = np.random.default_rng([SEED, 5])
            cases = [_case(world, rng, rank, cut) for _ in range(MERGES)]
            for size in (512, 1024, 2048, PRODUCT):
                row = {"world": world, "cut": cut, "size": size, **_solved(cases, known, size)}
                rows.append(row)
                print("merges", *(f"{k} {_short(v)}" for k, v in row.items()), flush=True)
    return rows


def _known(world: str, number: int) -> Adapter:
    return made(world, 1000 + number, init=number % 50)


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _case(world: str, rng: np.random.Generator, rank: int, cut: str) -> dict[str, Any]:
    """A merge, its parents, their weights and shares, and what exact regression would say."""
    count = int(rng.integers(2, 5))
    ids = rng.choice(KNOWN, count, replace=False)
    parents = [_known(world, int(i)) for i in ids]
    weights = rng.uniform(0.2, 1.2, count)
    total = add(parents, [float(w) for w in weights])
    if cut == "half rank":
        total = recompress(total, rank=count * rank // 2)[0]
    K = np.array([[inner(a, b) for b in parents] for a in parents])
    best = np.linalg.solve(K, [inner(a, total) for a in parents])
    energy = weights**2 * np.diag(K)
    vector = sketch(total).product
    return {
        "ids": ids,
        "weights": weights,
        "share": energy / energy.sum(),
        "exact": best,
        "vector": vector,
    }


def _solved(cases: list[dict[str, Any]], known: np.ndarray, size: int) -> dict[str, Any]:
    X = fold(known, size).astype(np.float64)
    recovered = parents = false = 0
    noise, off = [], []
    for case in cases:
        y = fold(case["vector"], size).astype(np.float64)
        solution = _greedy(X, y)
        false += len(solution.keys() - set(case["ids"].tolist()))
        rows = zip(case["ids"], case["weights"], case["share"], case["exact"], strict=True)
        for i, weight, share, exact in rows:
            if share > 0.05:
                parents += 1
                recovered += int(i) in solution
                noise.append(solution.get(int(i), 0.0) - exact)
                off.append(abs(exact - weight))
    return {
        "parents": parents,
        "found": recovered / parents,
        "false": false,
        "rms_from_exact_regression": _rms(np.array(noise)),
        "exact_regression_within_0.05": float((np.array(off) <= 0.05).mean()),
    }


def _greedy(X: np.ndarray, y: np.ndarray, min_share: float = 0.02) -> dict[int, float]:
    """Orthogonal matching pursuit, until the next one explains under 2% of the energy."""
    lengths = np.linalg.norm(X, axis=1)
    chosen: list[int] = []
    rest, weights = y, np.zeros(0)
    while len(chosen) < 8:
        near = np.abs(X @ rest) / lengths
        near[chosen] = 0
        best = int(near.argmax())
        if near[best] ** 2 < min_share * float(y @ y):
            break
        chosen.append(best)
        weights = np.linalg.lstsq(X[chosen].T, y, rcond=None)[0]
        rest = y - weights @ X[chosen]
    return {i: float(w) for i, w in zip(chosen, weights, strict=True)}


# copies


def copies() -> list[dict[str, Any]]:
    """Cosines of product sketches between an adapter and its copies, and between other pairs."""
    rows = []
    for world in WORLDS:
        originals = [made(world, 2000 + i, init=i % 4) for i in range(16)]
        vectors = np.stack([sketch(a).product for a in originals])
        lengths = np.linalg.norm(vectors, axis=1)
        row: dict[str, Any] = {"world": world}
        for name, change in COPIES.items():
            others = np.stack([sketch(change(a)).product for a in originals])
            near = (vectors * others).sum(1) / lengths / np.linalg.norm(others, axis=1)
            row[name] = float(near.min())
        apart = np.triu_indices(len(originals), 1)
        row["another adapter"] = float(cosines(vectors @ vectors.T)[apart].max())
        for name, amount in (("relative of cosine 0.98", 0.203), ("relative of cosine 0.9", 0.484)):
            near = []
            for i, a in enumerate(originals):
                b = made(world, 3000 + i)
                relative = sketch(add([a, b], [1.0, amount * norm(a) / norm(b)])).product
                near.append(float(vectors[i] @ relative) / lengths[i] / np.linalg.norm(relative))
            row[name] = float(max(near))
        rows.append(row)
        print("copies", *(f"{k} {_short(v)};" for k, v in row.items()), flush=True)
    return rows


def _each(change: Callable[[LowRank], Any]) -> Callable[[Adapter], Adapter]:
    return lambda a: a.with_(deltas={m: change(d) for m, d in a.items()})


def _padded(d: LowRank) -> LowRank:
    up = np.pad(d.up, ((0, 0), (0, 5)), constant_values=1)
    return replace(d, up=up, down=np.pad(d.down, ((0, 5), (0, 0))))


def _rotated(a: Adapter) -> Adapter:
    """An invertible matrix of condition 100 between the factors of each module."""
    rng = np.random.default_rng([SEED, 6])
    deltas: dict[Module, LowRank] = {}
    for module, d in a.items():
        Q1, Q2 = (np.linalg.qr(rng.standard_normal((d.rank, d.rank)))[0] for _ in range(2))
        G = Q1 * np.geomspace(0.1, 10, d.rank) @ Q2
        up, down = d.up @ G, np.linalg.solve(G, d.down)
        deltas[module] = replace(d, up=up.astype(np.float32), down=down.astype(np.float32))
    return a.with_(deltas=deltas)


COPIES: dict[str, Callable[[Adapter], Adapter]] = {
    "fp16": _each(lambda d: cast(d, np.float16)),
    "bf16": _each(lambda d: cast(d, ml_dtypes.bfloat16)),
    "fp8 e4m3": _each(lambda d: cast(d, ml_dtypes.float8_e4m3fn)),
    "rank padded": _each(_padded),
    "rotated, condition 100": _rotated,
    "SVD factors, fp16": lambda a: COPIES["fp16"](canonical_adapter(a)),
    "rescaled by 8 and 1/8": _each(lambda d: replace(d, up=d.up * 8, down=d.down / 8)),
    "weight 0.7": _each(lambda d: replace(d, scale=0.7)),
}

PARTS: dict[str, Callable[[], list[dict[str, Any]]]] = {
    "speed": speed,
    "errors": errors,
    "content": content,
    "merges": merges,
    "copies": copies,
}


def main() -> None:
    path = RESULTS / "sketch.json"
    document = json.loads(path.read_text()) if path.exists() else {}
    for name in sys.argv[1:] or PARTS:
        rows = PARTS[name]()
        document[name] = {"machine": machine(), "seed": SEED, "rows": rows}
        print("written to", save("sketch", document))


if __name__ == "__main__":
    main()
