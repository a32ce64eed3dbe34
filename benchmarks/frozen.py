"""Whether the program still computes what it did: the outputs of many commands, as hashes.

    python benchmarks/frozen.py make      # before a change that must change nothing
    python benchmarks/frozen.py compare   # after it, on the same machine

Merges by every method, conversions, resizes, generated and trained adapters, pictures, sketches,
fingerprints and what a library answers. Everything goes through the command line, so that rooms
and names may move. Another processor or another BLAS rounds differently: compare where it was made.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import sys
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
from machine import RESULTS, machine, save
from safetensors.numpy import save_file

ARTIST, ARTIST_2, CHILD = "oil.safetensors", "ink.safetensors", "cat.safetensors"
ROOT = Path(__file__).parent.parent.resolve()
SAMPLES = Path("src/lorarium/assets/library")
PAIRED = ("sum", "average", "cat", "svd", "slerp", "karcher", "ties", "dare-linear", "dare-ties",
          "prune", "della", "breadcrumbs", "knots", "np-lora", "k-lora", "lora-rar", "roles",
          "auto")  # fmt: skip
LIBRARY = ("--library", "lib", "--json")
VOLATILE = ("seconds", "age", "mtime", "modified", "peak", "time")


def kohya(path: str, seed: int, rank: int = 4, dtype: Any = np.float16, dora: bool = False) -> None:
    """An SD1 file of random numbers: attention, convolution, text encoder."""
    rng = np.random.default_rng(seed)
    tensors: dict[str, np.ndarray] = {}

    def module(name: str, out: int, into: int, kernel: int = 0) -> None:
        down = (rank, into, kernel, kernel) if kernel else (rank, into)
        up = (out, rank, 1, 1) if kernel else (out, rank)
        tensors[f"{name}.lora_down.weight"] = rng.standard_normal(down).astype(dtype)
        tensors[f"{name}.lora_up.weight"] = (0.05 * rng.standard_normal(up)).astype(dtype)
        tensors[f"{name}.alpha"] = np.array(rank / 2, dtype)
        if dora:
            size = (out, 1, 1, 1) if kernel else (out, 1)
            tensors[f"{name}.dora_scale"] = rng.uniform(0.5, 1.5, size).astype(dtype)

    for block, width in (("down_blocks_0", 320), ("down_blocks_1", 640), ("up_blocks_3", 320)):
        for layer in (0, 1):
            at = f"lora_unet_{block}_attentions_{layer}_transformer_blocks_0"
            for which in ("to_q", "to_k", "to_v", "to_out_0"):
                module(f"{at}_attn1_{which}", width, width)
                module(f"{at}_attn2_{which}", width, 768 if which in ("to_k", "to_v") else width)
            module(f"{at}_ff_net_0_proj", 8 * width, width)
    module("lora_unet_down_blocks_0_resnets_0_conv1", 320, 320, 3)
    for layer in range(3):
        module(f"lora_te_text_model_encoder_layers_{layer}_mlp_fc1", 3072, 768)
    # one entry: more of them come in any order
    save_file(tensors, path, {"ss_tag_frequency": '{"a":{"ink":3}}'})


def commands() -> dict[str, list[str]]:
    """Name of each output -> the command; `-o` and written files are named as the output."""
    rows: dict[str, list[str]] = {}
    for method in PAIRED:
        rows[f"merge-{method}.safetensors"] = ["merge", f"{CHILD}:1", f"{ARTIST}:0.8", "--method",
                                               method, "--seed", "3"]  # fmt: skip
    for method in ("sum", "ties", "svd", "knots"):
        rows[f"sd1-{method}.safetensors"] = ["merge", "a.safetensors:0.7", "b.safetensors:-0.4",
                                             "--method", method]  # fmt: skip
    rows["sd1-blocks.safetensors"] = ["merge", "a.safetensors", "b.safetensors", "--only", "attn2"]
    rows["sd1-rank.safetensors"] = ["merge", "a.safetensors", "b.safetensors", "--rank", "3"]
    rows["sd1-fp32.safetensors"] = ["merge", "a.safetensors", "b.safetensors", "--dtype", "fp32"]
    rows["sd1-three.safetensors"] = ["merge", "a.safetensors", "b.safetensors", "c.safetensors"]
    for dialect in ("kohya", "diffusers", "peft", "comfy"):
        for source in ("a", "dora"):
            rows[f"{source}-{dialect}.safetensors"] = ["convert", f"{source}.safetensors", "",
                                                       "--to", dialect, "--allow-loss"]  # fmt: skip
    for dtype in ("fp32", "bf16"):
        rows[f"convert-{dtype}.safetensors"] = ["convert", "a.safetensors", "", "--dtype", dtype]
    rows["convert-for.safetensors"] = ["convert", "a.safetensors", "", "--for", "diffusers"]
    rows["resize-rank.safetensors"] = ["resize", "a.safetensors", "", "--rank", "2"]
    rows["resize-energy.safetensors"] = ["resize", "b.safetensors", "", "--energy", "0.8"]
    for name in ("a", "c", "dora", "oil", "ink", "cat"):
        rows[f"inspect-{name}.json"] = ["inspect", f"{name}.safetensors", "--json"]
    rows["forecast.json"] = ["forecast", CHILD, ARTIST, "--json"]
    rows["forecast-three.json"] = ["forecast", CHILD, ARTIST, ARTIST_2, "--json"]
    rows["index.json"] = ["index", ".", "--workers", "0", "--sample", *LIBRARY]
    rows["search-file.json"] = ["search", ARTIST_2, *LIBRARY]
    rows["search-words.json"] = ["search", "--words", "red ink", *LIBRARY]
    rows["search-picture.json"] = ["search", "--pictures", "one.png", *LIBRARY]
    rows["search-where.json"] = ["search", "--where", "rank >= 4", *LIBRARY]
    rows["lineage.json"] = ["lineage", "sd1-sum.safetensors", *LIBRARY]
    rows["cluster.json"] = ["cluster", *LIBRARY]
    rows["one.png"] = ["render", "--prompt", "a cat in sty1", "--lora", f"{ARTIST}:0.8",
                       "--steps", "4"]  # fmt: skip
    rows["two.png"] = ["render", "--prompt", "a sub1 cat in ink", "--lora", CHILD, "-n", "2",
                       "--grid", "--steps", "4"]  # fmt: skip
    for kind in ("style", "subject"):
        rows[f"synth-{kind}.safetensors"] = ["synth", "one.png", "--kind", kind, "--no-sheet"]
    rows["synth-between.safetensors"] = ["synth", "--between", ARTIST, ARTIST_2, "--no-sheet"]
    rows["train.safetensors"] = ["train", "one.png", "--steps", "3", "--batch", "2", "--no-sheet"]
    rows["world.png"] = ["world", "sheet"]
    order = {"one.png": -2, "index.json": 1, "search-": 2, "lineage": 2, "cluster": 2}
    rank = {n: next((v for k, v in order.items() if n.startswith(k)), 0) for n in rows}
    return dict(sorted(rows.items(), key=lambda row: rank[row[0]]))


def steady(value: Any) -> Any:
    """A document without what a clock says."""
    if isinstance(value, dict):
        return {k: steady(v) for k, v in value.items() if not any(w in k for w in VOLATILE)}
    return [steady(v) for v in value] if isinstance(value, list) else value


def digest(name: str, arguments: list[str]) -> str:
    from lorarium.cli import cli

    if "" in arguments:
        arguments[arguments.index("")] = name
    elif not name.endswith(".json"):
        arguments = [*arguments, "-o", name]
    printed = io.StringIO()
    with redirect_stdout(printed), redirect_stderr(io.StringIO()):
        try:
            cli(arguments, standalone_mode=False)
        except SystemExit as done:
            if done.code not in (0, 1, None):
                raise
    path = Path(name)
    if name.endswith(".json"):
        document = json.dumps(steady(json.loads(printed.getvalue())), sort_keys=True)
        for place in (Path.cwd(), ROOT):
            document = document.replace(str(place), "")
        document = document.encode()
    elif path.is_dir():
        document = b"".join(p.read_bytes() for p in sorted(path.iterdir()))
    else:
        document = path.read_bytes()
    return hashlib.sha256(document).hexdigest()[:20]


def outputs() -> dict[str, str]:
    samples = sorted((ROOT / SAMPLES).glob("*.safetensors"))
    by_name = {"oil": "style-oil", "ink": "style-ink", "cat": "subject-cat"}
    hashes = {}
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for name, start in by_name.items():
            source = next(p for p in samples if p.name.startswith(start))
            Path(f"{name}.safetensors").write_bytes(source.read_bytes())
        kohya("a.safetensors", 1)
        kohya("b.safetensors", 2, rank=6)
        kohya("c.safetensors", 3, dtype=ml_dtypes.bfloat16)
        kohya("dora.safetensors", 4, dora=True)
        for name, arguments in commands().items():
            try:
                hashes[name] = digest(name, arguments)
            except Exception as error:  # an output that fails is an output
                hashes[name] = f"{type(error).__name__}: {error}"[:120]
            print(f"{name:30} {hashes[name]}", flush=True)
        os.chdir(ROOT)
    return hashes


if __name__ == "__main__":
    before = RESULTS / "frozen.json"
    if sys.argv[1:] == ["make"]:
        save("frozen", {"machine": machine(), "outputs": outputs()})
    elif sys.argv[1:] == ["compare"]:
        old, new = json.loads(before.read_text())["outputs"], outputs()
        wrong = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
        print(f"{len(old)} outputs, {len(wrong)} differ", *wrong)
        sys.exit(1 if wrong else 0)
    else:
        sys.exit(__doc__)
