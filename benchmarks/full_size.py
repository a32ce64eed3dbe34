"""Stable Diffusion 1.5 and XL at their full size, with random weights: seconds and memory.

    python benchmarks/full_size.py FOLDER         # both kinds
    python benchmarks/full_size.py FOLDER --kinds sd1 --tiny -o trial.json

Weights are made in half precision from the configurations that come along. Every step is a process
of its own, so that its memory is its own; one that would leave the machine less than LEAVE is not
begun, or ended, and what it needs is said. What has figures in the result is not done again.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import RESULTS, machine, save
from scale import measured

import lorarium as lo
from lorarium.adapter import Adapter, LowRank
from lorarium.bases.base import Base, modules, open_base
from lorarium.bases.holding import Holding
from lorarium.bases.memory import free_bytes, needed_bytes
from lorarium.bases.pipeline import DENOISERS, networks_of, weightless
from lorarium.bases.single_file import CONFIGS
from lorarium.bases.stored import in_folder
from lorarium.encoders.training import FitConfig
from lorarium.pictures import write_png
from lorarium.training.distil import DistillationSet
from lorarium.training.fit import Fit
from lorarium.training.merger import Member, train_merger
from lorarium.training.recipe import Job, Recipe

GIB = 1 << 30
LEAVE = 2 * GIB  # to others on the machine
HAS = 24 * GIB  # what a step may take at all
RANK = 8
PROMPTS = ("a cat", "a cat in ink")
TINY = {
    "unet": {"block_out_channels": [8, 16, 16, 16], "attention_head_dim": 2, "norm_num_groups": 4,
             "cross_attention_dim": 16, "projection_class_embeddings_input_dim": 1552},
    "vae": {"block_out_channels": [8, 8, 8, 8], "norm_num_groups": 4},
    "text_encoder": {"hidden_size": 16, "intermediate_size": 20, "num_hidden_layers": 2,
                     "num_attention_heads": 2, "projection_dim": 16},
}  # fmt: skip


# the pipelines


def make(kind: str, folder: Path, tiny: bool) -> None:
    """A pipeline with random weights, in half precision."""
    import diffusers

    configs = json.loads(CONFIGS.read_text())[kind]
    if tiny:
        for part, changes in TINY.items():
            configs[part] |= changes
    parts: dict[str, Any] = {}
    whole = {k: v for k, v in configs["model_index"].items() if isinstance(v, list) and v[0]}
    for name, (library, class_name) in whole.items():
        if name.startswith("tokenizer"):
            parts[name] = tokenizer()
        elif name == "scheduler":
            parts[name] = getattr(diffusers, class_name).from_config(configs[name])
        else:
            network = weightless(library, class_name, configs[name], torch.float16)
            parts[name] = filled(network.to_empty(device="cpu"))
    if kind == "sd1":
        parts |= {"safety_checker": None, "feature_extractor": None}
        parts["requires_safety_checker"] = False
    getattr(diffusers, configs["model_index"]["_class_name"])(**parts).save_pretrained(folder)


def needs(kind: str) -> dict[str, Any]:
    """What the weights of a family take at least, nothing of it made."""
    configs = json.loads(CONFIGS.read_text())[kind]
    counts = {}
    for name in networks_of(configs["model_index"]):
        library, kind_of = configs["model_index"][name]
        network = weightless(library, kind_of, configs[name], torch.float32)
        part = "denoiser" if name in DENOISERS else name
        counts[part] = sum(weight.numel() for weight in network.parameters())
    row: dict[str, Any] = {"parameters": counts}
    for dtype in ("float32", "bfloat16"):
        for offload in (False, True):
            held = Holding(dtype=dtype, offload=offload)
            row[dtype + ", offload" * offload] = round(needed_bytes(counts, held) / GIB, 2)
    return row


@torch.no_grad()
def filled(network: torch.nn.Module) -> torch.nn.Module:
    """Weights of ordinary size, from one row of random numbers: billions of their own take long."""
    row = torch.randn(1 << 20, generator=torch.Generator().manual_seed(0))
    for name, weight in network.named_parameters():
        if weight.ndim < 2:
            weight.fill_(float(name.endswith("weight")))
            continue
        scaled = (row * weight[0].numel() ** -0.5).half()
        for piece in weight.view(-1).split(len(scaled)):
            piece.copy_(scaled[: len(piece)])
    return network


def tokenizer() -> Any:
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from transformers import PreTrainedTokenizerFast

    words = {w: i for i, w in enumerate(["<pad>", "<unk>", "</s>", "a", "cat", "in", "ink"])}
    inner = Tokenizer(WordLevel(words, "<unk>"))
    inner.pre_tokenizer = Whitespace()
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, model_max_length=77,
        pad_token="<pad>", unk_token="<unk>", eos_token="</s>",
    )  # fmt: skip


def adapters(base: Base) -> list[Adapter]:
    """Two of the denoiser's linears, with random factors."""
    made = []
    for seed in range(2):
        random = np.random.default_rng(seed)
        deltas = {}
        for module, (out, into) in modules(base, "linear", ("denoiser",)).items():
            up = random.standard_normal((out, RANK), np.float32) * 0.02
            down = random.standard_normal((RANK, into), np.float32) * into**-0.5
            deltas[module] = LowRank(up, down)
        made.append(Adapter(deltas, base.family, {}, dialect="diffusers"))
    return made


def picture(side: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)


# one step, in a process of its own


def opened(folder: Path, side: int, **how: Any) -> Base:
    base = open_base(folder, **how)
    base.size = side
    return base


def training(base: Base) -> dict[str, Any]:
    """Latents and text are made and kept, then one step."""
    job = Job(picture(base.size)[None], PROMPTS[:1], Recipe(rank=RANK, steps=1, batch=1))
    begin = time.process_time()
    run = Fit(base, [job])
    prepared = time.process_time()
    loss = float(run.step()[0])
    return {
        "cpu seconds, latents and text": round(prepared - begin, 1),
        "cpu seconds, a step": round(time.process_time() - prepared, 1),
        "loss": loss,
    }


def merging(base: Base, method: str, **options: Any) -> dict[str, Any]:
    merged = lo.merge(adapters(base), method=method, base=base, prompts=PROMPTS, **options)
    return {"modules": len(merged)}


def ziplora(base: Base) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, f"{i}.png") for i in range(2)]
        for i, file in enumerate(files):
            write_png(file, picture(base.size, i))
        return merging(base, "ziplora", steps=2, pictures=files)


def lora_rar(base: Base) -> dict[str, Any]:
    members = []
    for i, adapter in enumerate(adapters(base)):
        rows = torch.from_numpy(picture(base.size, i)).permute(2, 0, 1)[None]
        latents = base.to_latent(rows.float() / 127.5 - 1)
        members.append(Member(adapter, DistillationSet(latents, PROMPTS[i : i + 1])))
    plan = FitConfig(total=2, batch=1, muon=2e-3, adam=2e-3, ema=0.99, seed=31)
    with tempfile.TemporaryDirectory() as folder:
        net, _ = train_merger(base, members[:1], members[1:], Path(folder), plan=plan)
    return {"parameters": sum(p.numel() for p in net.parameters())}


# name -> how the base is held, and what is done with it
STEPS: dict[str, tuple[dict[str, Any], Callable[[Base], dict[str, Any]]]] = {
    "open": ({}, lambda base: {}),
    "open, bfloat16": ({"dtype": "bfloat16"}, lambda base: {}),
    "open, offload": ({"offload": True}, lambda base: {}),
    "train, offload": ({"offload": True}, training),
    "train, offload, checkpointing": ({"offload": True, "checkpointing": True}, training),
    "ssr": ({"offload": True}, lambda base: merging(base, "ssr")),
    "ziplora": ({"offload": True, "checkpointing": True}, ziplora),
    "lora-rar": ({"offload": True, "checkpointing": True}, lora_rar),
}


def step(name: str, folder: Path, side: int) -> dict[str, Any]:
    how, work = STEPS[name]
    row, found = measured(lambda: work(opened(folder, side, **how)))
    return {**row, **found}


# all of them


def counts_of(folder: Path) -> dict[str, int]:
    parts = [p.name for p in folder.iterdir() if (p / "config.json").exists()]
    return {part: sum(w.numbers for w in some) for part, some in in_folder(folder, parts).items()}


def run(name: str, folder: Path, side: int) -> dict[str, Any]:
    """A step's figures, or what it needs."""
    need = needed_bytes(counts_of(folder), Holding(**STEPS[name][0]))
    row: dict[str, Any] = {"pixels": side, "weights MiB": need >> 20}
    if need + LEAVE > available():
        return {**row, "left out": "too little memory is free"}
    command = [sys.executable, __file__, str(folder), "--step", name, str(side)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    while child.poll() is None:
        time.sleep(0.2)
        if available() < LEAVE:
            child.kill()
            child.wait()
            return {**row, "left out": "ended when too little memory was free"}
    assert child.stdout is not None
    if child.returncode:
        raise SystemExit(f"{name} ended with {child.returncode}")
    return {**row, **json.loads(child.stdout.read().splitlines()[-1])}


def available() -> int:
    free = free_bytes(torch.device("cpu"))
    return HAS if free is None else free


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kinds", nargs="+", default=["sd1", "sdxl"])
    parser.add_argument("--sides", nargs="+", type=int, default=[256])
    parser.add_argument("--only", nargs="+", default=list(STEPS))
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--keep", action="store_true", help="leave the pipelines in FOLDER")
    parser.add_argument("--make", help=argparse.SUPPRESS)
    parser.add_argument("--step", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("-o", type=Path, default=RESULTS / "full_size.json")
    options = parser.parse_args()
    if options.make:
        return make(options.make, options.folder, options.tiny)
    if options.step:
        print(json.dumps(step(options.step[0], options.folder, int(options.step[1]))))
        return
    document = json.loads(options.o.read_text()) if options.o.exists() else {}
    for kind in json.loads(CONFIGS.read_text()) if "needs" not in document else ():
        document.setdefault("needs", {})[kind] = needs(kind)
    for kind in options.kinds:
        folder = options.folder / kind
        if not (folder / "model_index.json").exists():
            command = [sys.executable, __file__, str(folder), "--make", kind]
            subprocess.run(command + ["--tiny"] * options.tiny, check=True)
        figures = document.setdefault(kind, {"parameters": counts_of(folder), "steps": {}})
        for name in options.only:
            for side in options.sides:
                key = f"{name}, {side}"
                if "wall seconds" in figures["steps"].get(key, {}):
                    continue
                figures["steps"][key] = run(name, folder, side)
                print(f"  {kind} {key}: {figures['steps'][key]}", flush=True)
                document["machine"] = machine()
                options.o.write_text(json.dumps(document, indent=1) + "\n")
        if not options.keep:
            shutil.rmtree(folder)
    if options.o == RESULTS / "full_size.json":
        print(save("full_size", document))


if __name__ == "__main__":
    main()
