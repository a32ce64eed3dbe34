"""How long merging takes: ours in factors against PEFT's code and against dense forms.

    OMP_NUM_THREADS=2 python benchmarks/merge_speed.py           # everything
    OMP_NUM_THREADS=2 python benchmarks/merge_speed.py --small   # a few modules, nothing written

1. Twelve named SDXL modules, two rank-64 adapters: our svd and KnOTS against PEFT's
   `add_weighted_adapter` (svd, with thin SVDs too, which is kinder than its default; ties_svd; cat)
   and against KnOTS on dense matrices in torch. Ours is the best of five, the dense ones run once.
2. LoRA.rar on SDXL's 560 attention matrices, two rank-64 files in, one file out, with a random
   network of the paper's shapes: in factors, with all dense ΔW alive as published, and dense one
   module at a time. Each runs in a process of its own, so that peak memory is its own. The dense
   forms write the dense ΔW that the published code saves; `--no-dense-file` leaves that out.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from machine import machine, save
from recompress import peak_bytes, random_delta, seconds

from lorarium import formats
from lorarium.adapter import Adapter
from lorarium.formats import container
from lorarium.mergers import merge
from lorarium.mergers.lora_rar import load_network

SEED, RANK = 0, 64
DOWN1, DOWN2 = "down_blocks.1.attentions.0", "down_blocks.2.attentions.0"
MODULES = {
    f"{DOWN1}.proj_in": (640, 640),
    f"{DOWN1}.transformer_blocks.0.attn1.to_q": (640, 640),
    f"{DOWN1}.transformer_blocks.0.attn2.to_k": (640, 2048),
    f"{DOWN1}.transformer_blocks.0.ff.net.0.proj": (5120, 640),
    f"{DOWN1}.transformer_blocks.0.ff.net.2": (640, 2560),
    f"{DOWN2}.proj_in": (1280, 1280),
    f"{DOWN2}.transformer_blocks.0.attn1.to_q": (1280, 1280),
    f"{DOWN2}.transformer_blocks.0.attn2.to_k": (1280, 2048),
    f"{DOWN2}.transformer_blocks.0.ff.net.0.proj": (10240, 1280),
    f"{DOWN2}.transformer_blocks.0.ff.net.2": (1280, 5120),
    "mid_block.attentions.0.transformer_blocks.0.attn2.to_out.0": (1280, 1280),
    "up_blocks.0.attentions.0.transformer_blocks.0.attn2.to_v": (1280, 2048),
}
KNOTS = {"density": 0.5}


def pair(name: str) -> list[Adapter]:
    out, n = MODULES[name]
    rng = np.random.default_rng([SEED, *name.encode()])
    module = ("denoiser", name)
    return [
        Adapter({module: random_delta(rng, out, n, RANK, np.float32)}, "sdxl") for _ in range(2)
    ]


def peft_call(a: Adapter, b: Adapter, kind: str, **options: Any) -> Callable[[], None]:
    """PEFT's own call on a model of this one layer."""
    import torch
    from peft import LoraConfig, get_peft_model

    ((_, first),) = a.items()
    out, n = first.shape
    config = LoraConfig(r=RANK, lora_alpha=RANK, target_modules=["x"])
    net = torch.nn.ModuleDict({"x": torch.nn.Linear(n, out, bias=False)})
    model = get_peft_model(net, config, adapter_name="one")
    model.add_adapter("two", config)
    layer = model.base_model.model["x"]
    for name, adapter in (("one", a), ("two", b)):
        ((_, delta),) = adapter.items()
        layer.lora_A[name].weight.data.copy_(torch.from_numpy(delta.down))
        layer.lora_B[name].weight.data.copy_(torch.from_numpy(delta.up))
    if kind != "cat":
        options |= {"svd_rank": RANK}

    def call() -> None:
        with torch.no_grad():
            model.base_model.add_weighted_adapter(
                ["one", "two"], [1.0, 1.0], "both", combination_type=kind, **options
            )

    return call


def dense_knots(a: Adapter, b: Adapter) -> Any:
    """The paper's steps on dense matrices: SVD of [ΔW1 ΔW2], PEFT's TIES on the right factors."""
    import torch
    from peft.utils.merge_utils import ties

    deltas = [torch.from_numpy(d.up @ d.down) for x in (a, b) for _, d in x.items()]
    U, S, Vt = torch.linalg.svd(torch.cat(deltas, 1), full_matrices=False)
    keep = S > 1e-5
    parts = list((S[:, None] * Vt)[keep].split([d.shape[1] for d in deltas], 1))
    return (U[:, keep] @ ties(parts, torch.ones(2), KNOTS["density"])).numpy()


def modules(names: list[str]) -> list[dict[str, Any]]:
    rows = []
    dense_knots(*(x for x in pair(names[0])))  # loads torch and PEFT
    for name in names:
        a, b = pair(name)
        row: dict[str, Any] = {"module": name, "shape": list(MODULES[name])}
        row["svd"], _ = seconds(lambda a=a, b=b: merge([a, b], method="svd"), repeats=5)
        row["knots"], ours = seconds(
            lambda a=a, b=b: merge([a, b], method="knots", **KNOTS), repeats=5
        )
        row["cat"], _ = seconds(lambda a=a, b=b: merge([a, b], method="cat"), repeats=5)
        row["peft_svd"], _ = seconds(peft_call(a, b, "svd"))
        row["peft_svd_thin"], _ = seconds(peft_call(a, b, "svd", svd_full_matrices=False))
        row["peft_ties_svd_thin"], _ = seconds(
            peft_call(a, b, "ties_svd", svd_full_matrices=False, density=KNOTS["density"])
        )
        row["peft_cat"], _ = seconds(peft_call(a, b, "cat"))
        row["dense_knots"], theirs = seconds(lambda a=a, b=b: dense_knots(a, b))
        ((_, delta),) = ours.items()
        # entries on a threshold or an even vote fall either way in float32
        error = np.linalg.norm(delta.up @ delta.down * delta.scale - theirs)
        row["knots_difference"] = float(error / np.linalg.norm(theirs))
        rows.append(row)
        print(line(row), flush=True)
    return rows


PEERS = {
    "svd": ("peft_svd", "peft_svd_thin"),
    "knots": ("dense_knots", "peft_ties_svd_thin", "peft_svd_thin"),
}


def line(row: dict[str, Any]) -> str:
    text = f"{row['module']:<62} {row['shape']!s:<13}"
    for ours, peers in PEERS.items():
        text += f"  {ours} {row[ours]['wall'] * 1e3:6.1f} ms"
        for peer in peers:
            text += f", {row[peer]['wall'] / row[ours]['wall']:5.0f}x {peer}"
    return text


def speedups(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Ratios of seconds over all modules together, and the least over single ones."""
    ratios_by_pair: dict[str, Any] = {}
    for ours, peers in PEERS.items():
        for peer in peers:
            for clock in ("wall", "cpu"):
                ratios = [row[peer][clock] / row[ours][clock] for row in rows]
                total = sum(r[peer][clock] for r in rows) / sum(r[ours][clock] for r in rows)
                ratios_by_pair[f"{ours} against {peer}, {clock}"] = {
                    "total": total,
                    "least": min(ratios),
                }
    return ratios_by_pair


def attention() -> dict[str, tuple[int, int]]:
    """SDXL's 560 attention matrices under diffusers' names."""
    from lorarium.formats.families import FAMILIES

    shapes = FAMILIES["sdxl"].parts["denoiser"].shapes
    ends = (".to_q", ".to_k", ".to_v", ".to_out.0")
    return {path: shape for path, shape in shapes.items() if path.endswith(ends)}


def write_inputs(folder: Path, small: bool, dtype: Any) -> None:
    chosen = list(attention().items())[:: 20 if small else 1]
    for k, name in enumerate(("subject", "style")):
        rng = np.random.default_rng([SEED, k])
        deltas = {
            ("denoiser", path): random_delta(rng, *shape, RANK, dtype) for path, shape in chosen
        }
        formats.write(Adapter(deltas, "sdxl", dialect="diffusers"), folder / f"{name}.safetensors")
    rng = np.random.default_rng([SEED, 9])
    tensors = {}
    for i, width in enumerate((640, 1280), 1):
        bound = (2 * width) ** -0.5
        tensors[f"input_{i}.weight"] = rng.uniform(-bound, bound, (128, 2 * width)).astype("f4")
        tensors[f"input_{i}.bias"] = rng.uniform(-bound, bound, 128).astype("f4")
    tensors["output.1.weight"] = rng.uniform(-0.09, 0.09, (2, 128)).astype("f4")
    tensors["output.1.bias"] = np.ones(2, "f4")
    container.save(folder / "network.safetensors", tensors)


def columns(D1: np.ndarray, D2: np.ndarray, net: Any) -> np.ndarray:
    """The published step: a row of both columns for each input through the network."""
    W, b = net.inputs[len(D1)]
    hidden = np.maximum(np.concatenate([D1, D2]).T @ W.T + b, 0)
    m = hidden @ net.output[0].T + net.output[1]
    return m[:, 0] * D1 + m[:, 1] * D2


def dense_rar(folder: Path, all_at_once: bool, write: bool) -> dict[str, Any]:
    a, b = (formats.read(folder / f"{name}.safetensors") for name in ("subject", "style"))
    net = load_network(folder / "network.safetensors")

    def dense(adapter: Adapter, module: Any) -> np.ndarray:
        d = adapter[module]
        return np.float32(d.scale) * (d.up.astype(np.float32) @ d.down.astype(np.float32))

    def merged(module: Any, D1: np.ndarray, D2: np.ndarray) -> np.ndarray:
        return columns(D1, D2, net) if net.reads(module, a[module]) else D1 + D2

    start = time.perf_counter(), time.process_time()
    out = folder / "dense.safetensors"
    if all_at_once:  # the published code forms every ΔW of both before it begins
        D = {m: (dense(a, m), dense(b, m)) for m in a}
        result = {str(m): merged(m, *pair) for m, pair in D.items()}
        made = timed(start)
        if write:
            container.save(out, result, force=True)
    else:
        with open(out if write else "/dev/null", "wb") as file:
            for m in a:
                module_sum = merged(m, dense(a, m), dense(b, m))
                if write:
                    file.write(module_sum.data)
        made = timed(start)
    out.unlink(missing_ok=True)
    return {"coefficients": made, "file": timed(start)}


def factored_rar(folder: Path) -> dict[str, Any]:
    start = time.perf_counter(), time.process_time()
    a, b = (formats.read(folder / f"{name}.safetensors") for name in ("subject", "style"))
    net = load_network(folder / "network.safetensors")
    read = timed(start)
    start = time.perf_counter(), time.process_time()
    for module in a:
        if net.reads(module, a[module]):
            net.coefficients(a[module], b[module])
    coefficients = timed(start)
    start = time.perf_counter(), time.process_time()
    both = merge([a, b], method="lora-rar", network=net)
    made = timed(start)
    formats.write(both, folder / "both.safetensors")
    timings = {"reading": read, "coefficients": coefficients, "merged": made, "file": timed(start)}
    timings["all"] = {clock: read[clock] + timings["file"][clock] for clock in ("wall", "cpu")}
    timings["bytes"] = (folder / "both.safetensors").stat().st_size
    return timings


def agreement(folder: Path) -> dict[str, float]:
    """The largest relative difference of a module between factors and the dense form."""
    a, b = (formats.read(folder / f"{name}.safetensors") for name in ("subject", "style"))
    net = load_network(folder / "network.safetensors")
    both = merge([a, b], method="lora-rar", network=net, dtype=np.float32)
    worst = 0.0
    for module, delta in both.items():
        D1, D2 = (
            np.float32(x[module].scale)
            * (x[module].up.astype(np.float32) @ x[module].down.astype(np.float32))
            for x in (a, b)
        )
        expected = columns(D1, D2, net) if net.reads(module, delta) else D1 + D2
        product = np.float32(delta.scale) * (delta.up @ delta.down)
        worst = max(worst, float(np.linalg.norm(product - expected) / np.linalg.norm(expected)))
    return {"largest_relative_difference": worst}


def timed(start: tuple[float, float]) -> dict[str, float]:
    return {"wall": time.perf_counter() - start[0], "cpu": time.process_time() - start[1]}


def child(task: str, folder: Path, write: bool) -> None:
    before = peak_bytes()
    if task == "factors":
        figures = factored_rar(folder)
    elif task == "agreement":
        figures = agreement(folder)
    else:
        figures = dense_rar(folder, task == "all_dense", write)
    print(json.dumps({**figures, "python_bytes": before, "peak_bytes": peak_bytes()}))


def lora_rar(small: bool, write: bool) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        write_inputs(Path(folder), small, np.float16)
        figures["input_bytes"] = (Path(folder) / "subject.safetensors").stat().st_size
        for task in ("factors", "streaming_dense", "all_dense", "agreement"):
            done = subprocess.run(
                [sys.executable, __file__, "--child", task, folder, str(int(write))],
                capture_output=True,
                text=True,
            )
            if done.returncode:  # not enough memory, say
                figures[task] = {"failed": done.returncode}
                print(task, "failed", done.returncode, done.stderr[-300:])
                continue
            row = figures[task] = json.loads(done.stdout)
            timings = ", ".join(
                f"{k} {v['wall']:.2f} s (cpu {v['cpu']:.2f})"
                if isinstance(v, dict)
                else f"{k} {v:.3g}"
                for k, v in row.items()
            )
            print(f"LoRA.rar {task}: {timings}", flush=True)
    ours = figures["factors"]
    for task in ("streaming_dense", "all_dense"):
        if "peak_bytes" in figures[task]:
            figures[f"speedup over {task}"] = {
                "coefficients and sum, wall": figures[task]["coefficients"]["wall"]
                / ours["merged"]["wall"],
                "with the file, wall": figures[task]["file"]["wall"] / ours["file"]["wall"],
                "with the file, cpu": figures[task]["file"]["cpu"] / ours["file"]["cpu"],
                "memory": figures[task]["peak_bytes"] / ours["peak_bytes"],
            }
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--no-dense-file", action="store_true")
    parser.add_argument("--only", choices=["modules", "lora_rar"], help="one of the two parts")
    parser.add_argument("--child", nargs=3)
    options = parser.parse_args()
    if options.child:
        task, folder, write = options.child
        return child(task, Path(folder), write == "1")
    where = machine()
    print(json.dumps(where))
    names = list(MODULES)
    document: dict[str, Any] = {"machine": where, "seed": SEED, "rank": RANK}
    if options.only != "lora_rar":
        document["modules"] = modules(names[1:3] if options.small else names)
        document["speedups"] = speedups(document["modules"])
    if options.only != "modules":
        document["lora_rar"] = lora_rar(options.small, not options.no_dense_file)
    document["load_after"] = machine()["load"]
    for name in ("speedups", "lora_rar"):
        print(json.dumps(document.get(name), indent=1))
    if not options.small:
        print(
            "written to", save("_".join(["merge_speed", *filter(None, [options.only])]), document)
        )
    return None


if __name__ == "__main__":
    main()
