"""Recompression against dense SVDs, and the canonical SVD of a full SDXL adapter.

    python benchmarks/recompress.py            # everything; the dense side takes minutes
    python benchmarks/recompress.py --no-dense # ours only

Two rank-64 adapters are added and cut back to rank 64. Peers: numpy's SVD of ΔW, PEFT's
`add_weighted_adapter(combination_type="svd")`, and the way kohya's scripts go about it (ΔW summed
in dense, torch.linalg.svd, truncated), each once per module and with thin SVDs, which is kinder
than their defaults; ours is the best of five. Both wall and processor seconds are written down:
on a shared machine compare the latter, with OMP_NUM_THREADS=1.
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

from lorarium.adapter import Adapter, LowRank
from lorarium.algebra import canonical_adapter, canonical_stream, recompress, spectra
from lorarium.algebra.sums import add

SEED = 0
RANK = 64
PEERS = ("numpy", "kohya_style", "peft_svd")
MODULES = {
    "sdxl down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q": (640, 640),
    "sdxl down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k": (640, 2048),
    "sdxl down_blocks.1.attentions.0.transformer_blocks.0.ff.net.0.proj": (5120, 640),
    "sdxl down_blocks.1.attentions.0.transformer_blocks.0.ff.net.2": (640, 2560),
    "sdxl down_blocks.1.resnets.1.conv1": (640, 5760),
    "sdxl down_blocks.2.attentions.0.transformer_blocks.0.attn1.to_q": (1280, 1280),
    "sdxl down_blocks.2.attentions.0.transformer_blocks.0.attn2.to_k": (1280, 2048),
    "sdxl down_blocks.2.attentions.0.transformer_blocks.0.ff.net.0.proj": (10240, 1280),
    "sdxl down_blocks.2.attentions.0.transformer_blocks.0.ff.net.2": (1280, 5120),
    "flux1 transformer_blocks.0.attn.to_q": (3072, 3072),
    "flux1 context_embedder": (3072, 4096),
    "flux1 transformer_blocks.0.ff.net.0.proj": (12288, 3072),
}


def pair(out: int, n: int, seed: int) -> list[Adapter]:
    rng = np.random.default_rng([SEED, seed, out, n])
    return [
        Adapter({("denoiser", "x"): random_delta(rng, out, n, RANK, np.float32)}) for _ in range(2)
    ]


def random_delta(rng: np.random.Generator, out: int, n: int, r: int, dtype: Any) -> LowRank:
    """Factors whose product has a decaying spectrum, as trained ones have."""
    decay = (1 + np.arange(r)) ** -0.7
    up = rng.standard_normal((out, r), np.float32) * decay.astype(np.float32)
    down = rng.standard_normal((r, n), np.float32)
    size = np.float32(1 / np.sqrt(np.sqrt(out * n)))
    return LowRank((up * size).astype(dtype), (down * size).astype(dtype))


def seconds(call: Callable[[], Any], repeats: int = 1) -> tuple[dict[str, float], Any]:
    """Least wall and processor seconds of some calls, and the last result."""
    wall, cpu, result = [], [], None
    for _ in range(repeats):
        start, start_cpu = time.perf_counter(), time.process_time()
        result = call()
        wall.append(time.perf_counter() - start)
        cpu.append(time.process_time() - start_cpu)
    return {"wall": min(wall), "cpu": min(cpu)}, result


def numpy_dense(a: Adapter, b: Adapter) -> np.ndarray:
    W = sum(d.up @ d.down for d in (a["denoiser", "x"], b["denoiser", "x"]))
    U, S, Vt = np.linalg.svd(W, full_matrices=False)
    _ = U[:, :RANK] * S[:RANK], Vt[:RANK]
    return S


def kohya_style(a: Adapter, b: Adapter) -> np.ndarray:
    """In our own few lines: sum ΔW in dense, torch SVD, cut, clamp at the 0.99 quantile."""
    import torch

    W = torch.zeros(a["denoiser", "x"].shape)
    for d in (a["denoiser", "x"], b["denoiser", "x"]):
        W += d.scale * (torch.from_numpy(d.up) @ torch.from_numpy(d.down))
    U, S, Vt = torch.linalg.svd(W, full_matrices=False)
    up, down = U[:, :RANK] * S[:RANK], Vt[:RANK]
    limit = torch.quantile(torch.cat([up.flatten()[:100000], down.flatten()[:100000]]), 0.99)
    _ = up.clamp(-limit, limit), down.clamp(-limit, limit)
    return S.numpy()


def peft_svd(a: Adapter, b: Adapter) -> Callable[[], None]:
    """PEFT's own call on a model of this one layer."""
    import torch
    from peft import LoraConfig, get_peft_model

    out, n = a["denoiser", "x"].shape
    config = LoraConfig(r=RANK, lora_alpha=RANK, target_modules=["x"])
    net = torch.nn.ModuleDict({"x": torch.nn.Linear(n, out, bias=False)})
    model = get_peft_model(net, config, adapter_name="one")
    model.add_adapter("two", config)
    layer = model.base_model.model["x"]
    with torch.no_grad():
        for name, adapter in (("one", a), ("two", b)):
            delta = adapter["denoiser", "x"]
            layer.lora_A[name].weight.copy_(torch.from_numpy(delta.down))
            layer.lora_B[name].weight.copy_(torch.from_numpy(delta.up))

    def call() -> None:
        model.base_model.add_weighted_adapter(
            ["one", "two"],
            [1.0, 1.0],
            "both",
            combination_type="svd",
            svd_rank=RANK,
            svd_full_matrices=False,
        )

    return call


def compare(dense: bool) -> list[dict[str, Any]]:
    rows = []
    if dense:
        kohya_style(*pair(8, 8, 0))  # loads torch
    for i, (name, (out, n)) in enumerate(MODULES.items()):
        a, b = pair(out, n, i)
        time_ours, _ = seconds(lambda a=a, b=b: recompress(add([a, b]), rank=RANK), repeats=5)
        row: dict[str, Any] = {"module": name, "shape": [out, n], "ours": time_ours}
        if dense:
            row["numpy"], S = seconds(lambda a=a, b=b: numpy_dense(a, b))
            row["kohya_style"], _ = seconds(lambda a=a, b=b: kohya_style(a, b))
            row["peft_svd"], _ = seconds(peft_svd(a, b))
            ours = spectra(add([a, b]))["denoiser", "x"]
            row["singular_value_error"] = float(np.abs(ours - S[: len(ours)]).max() / S[0])
            row["speedup"] = {peer: row[peer]["cpu"] / time_ours["cpu"] for peer in PEERS}
        rows.append(row)
        print(line(row), flush=True)
    return rows


def line(row: dict[str, Any]) -> str:
    text = f"{row['module']:<67} {row['shape']!s:<13} ours {row['ours']['cpu'] * 1e3:6.1f} ms"
    for peer in PEERS:
        if peer in row:
            text += f"  {peer} {row[peer]['cpu']:6.2f} s ({row['speedup'][peer]:5.0f}x)"
    if "singular_value_error" in row:
        text += f"  σ off by {row['singular_value_error']:.1e}"
    return text


def sdxl_modules() -> dict[tuple[str, str], tuple[int, int]]:
    """Out and in of the linear layers of SDXL's UNet (722) and text encoders (72 and 192)."""
    shapes: dict[tuple[str, str], tuple[int, int]] = {}
    unet = {"down.1": (640, 2, 2), "down.2": (1280, 2, 10), "mid": (1280, 1, 10)}
    unet |= {"up.0": (1280, 3, 10), "up.1": (640, 3, 2)}
    for block, (d, attentions, depth) in unet.items():
        for i in range(attentions):
            shapes |= {("denoiser", f"{block}.{i}.{x}"): (d, d) for x in ("proj_in", "proj_out")}
            for j in range(depth):
                at = f"{block}.{i}.{j}"
                names = ("a1.q", "a1.k", "a1.v", "a1.o", "a2.q", "a2.o")
                shapes |= {("denoiser", f"{at}.{x}"): (d, d) for x in names}
                shapes |= {("denoiser", f"{at}.{x}"): (d, 2048) for x in ("a2.k", "a2.v")}
                shapes["denoiser", f"{at}.ff.0"] = (8 * d, d)
                shapes["denoiser", f"{at}.ff.2"] = (d, 4 * d)
    for part, d, layers in (("text_encoder", 768, 12), ("text_encoder_2", 1280, 32)):
        for i in range(layers):
            shapes |= {(part, f"{i}.{x}"): (d, d) for x in "qkvo"}
            shapes |= {(part, f"{i}.fc1"): (4 * d, d), (part, f"{i}.fc2"): (d, 4 * d)}
    return shapes


def write_sdxl(path: Path) -> None:
    from safetensors.numpy import save_file

    rng = np.random.default_rng([SEED, 1])
    tensors = {}
    for (part, name), (out, n) in sdxl_modules().items():
        delta = random_delta(rng, out, n, RANK, np.float16)
        tensors |= {f"{part}:{name}:up": delta.up, f"{part}:{name}:down": delta.down}
    save_file(tensors, path)


def child(path: str, task: str) -> None:
    """Runs in a process of its own, so that its peak memory is its own."""
    before = peak_bytes()
    tensors = mapped(path)
    names = {key.rsplit(":", 1)[0] for key in tensors}
    adapter = Adapter(
        {
            tuple(name.split(":", 1)): LowRank(tensors[f"{name}:up"], tensors[f"{name}:down"])
            for name in names
        }
    )
    loaded = peak_bytes()
    start, start_cpu = time.perf_counter(), time.process_time()
    if task == "stream":
        count = sum(1 for _ in canonical_stream(adapter))
    elif task == "spectra":
        count = len(spectra(adapter))
    elif task == "adapter":
        count = len(canonical_adapter(adapter))
    else:
        count = len(recompress(adapter, rank=16)[0])
    print(
        json.dumps(
            {
                "task": task,
                "modules": count,
                "wall": time.perf_counter() - start,
                "cpu": time.process_time() - start_cpu,
                "python_bytes": before,
                "loaded_bytes": loaded,
                "peak_bytes": peak_bytes(),
            }
        )
    )


def mapped(path: str) -> dict[str, np.ndarray]:
    """The tensors without a copy; the pages that are touched count as memory all the same."""
    data = np.memmap(path, np.uint8, "r")
    start = 8 + int(data[:8].view("<u8")[0])
    header = json.loads(bytes(data[8:start]))
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        low, high = (start + offset for offset in entry["data_offsets"])
        tensors[name] = np.asarray(data[low:high]).view(np.float16).reshape(entry["shape"])
    return tensors


def peak_bytes() -> int:
    for text in Path("/proc/self/status").read_text().splitlines():
        if text.startswith("VmHWM"):
            return int(text.split()[1]) * 1024
    raise SystemExit("no VmHWM on this system")


def full_sdxl() -> dict[str, Any]:
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sdxl.safetensors"
        write_sdxl(path)
        figures["file_bytes"] = path.stat().st_size
        for task in ("stream", "spectra", "adapter", "resize"):
            done = subprocess.run(
                [sys.executable, __file__, "--child", str(path), task],
                capture_output=True,
                text=True,
                check=True,
            )
            row = json.loads(done.stdout)
            row["peak_over_file"] = row["peak_bytes"] / figures["file_bytes"]
            figures[task] = row
            print(
                f"SDXL rank {RANK}, {row['modules']} modules, "
                f"{figures['file_bytes'] / 1e6:.0f} MB, {task}: {row['wall']:.2f} s "
                f"(cpu {row['cpu']:.2f}), "
                f"peak {row['peak_bytes'] / 1e6:.0f} MB = {row['peak_over_file']:.2f} of the file "
                f"(python alone {row['python_bytes'] / 1e6:.0f} MB)",
                flush=True,
            )
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--no-dense", action="store_true")
    parser.add_argument("--child", nargs=2)
    options = parser.parse_args()
    if options.child:
        return child(*options.child)
    where = machine()
    print(json.dumps(where))
    document = {"machine": where, "seed": SEED, "rank": RANK, "sdxl": full_sdxl()}
    document["modules"] = compare(not options.no_dense)
    document["load_after"] = machine()["load"]
    if not options.no_dense:
        print("written to", save("recompress", document))
    return None


if __name__ == "__main__":
    main()
