"""What each transformer that diffusers has is taken for, from names and shapes alone.

    python benchmarks/families.py           # the classes, a few minutes
    python benchmarks/families.py --speed   # 70,000 headers, of sparse files

Every class that loads LoRAs, in the sizes of our tables, in the class's own default sizes and in
a tiny one, on the meta device; an adapter of the attentions and one of all linear layers. An answer
is right (the family), listed (among the alternatives), unknown, or wrong.
"""

from __future__ import annotations

import inspect
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from machine import machine, save
from module_tables import NETS, build

from lorarium.formats import detect_file
from lorarium.formats.families import FAMILIES
from lorarium.formats.reading import Source, interpret
from lorarium.formats.synthesise import make_fixture

# Classes whose modules are another's: their adapters are of that family.
SAME_AS = {
    "SkyReelsV2Transformer3DModel": ("wan-14b", "wan-1.3b"),
    "ChronoEditTransformer3DModel": ("wan-14b",),
    "SanaWMLTX2RefinerTransformer3DModel": ("ltx-2",),
    # a ControlNet repeats blocks of its base under their names
    "FluxControlNetModel": ("flux1",),
    "QwenImageControlNetModel": ("qwen-image",),
    "SanaControlNetModel": ("sana",),
}
# Not transformers of pictures, films or sound, or without a size of their own.
LEFT_OUT = {
    "AutoencoderKL": "an autoencoder",
    "AutoencoderKLFlux2": "an autoencoder",
    "QwenImageMultiControlNetModel": "a list of others",
    "ZImageControlNetModel": "a list of others",
    "RFD4ProteinaTransformer": "draws proteins",
}
TINY = {
    "num_layers": 2,
    "num_single_layers": 2,
    "num_attention_heads": 2,
    "attention_head_dim": 16,
    "num_refiner_layers": 1,
    "n_layers": 2,
    "n_refiner_layers": 1,
    "dim": 32,
    "n_heads": 2,
    "n_kv_heads": 2,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_visual_blocks": 2,
    "num_text_blocks": 1,
    "model_dim": 32,
    "ff_dim": 64,
    "num_mmdit_layers": 1,
    "num_single_dit_layers": 1,
    "caption_projection_dim": 32,
    "joint_attention_dim": 32,
    "ffn_dim": 64,
    "num_heads": 2,
    "text_dim": 16,
}
NEEDED = {
    "HiDreamImageTransformer2DModel": {
        "patch_size": 2,
        "in_channels": 16,
        "caption_channels": [4096, 4096],
    },
}
ATTENTION = ("attn", "attention")


def classes() -> list[str]:
    """The installed classes that load LoRAs, and those of our tables that do not."""
    import diffusers
    import torch
    from diffusers.loaders import PeftAdapterMixin

    kinds = {kind for kind, _ in NETS.values()}
    for name in dir(diffusers):
        kind = getattr(diffusers, name, None)
        if isinstance(kind, type) and issubclass(kind, torch.nn.Module):
            if PeftAdapterMixin in kind.__mro__:
                kinds.add(name)
    return sorted(kinds - LEFT_OUT.keys())


def sizes(name: str) -> Iterator[tuple[str, dict[str, Any], tuple[str, ...]]]:
    """What the sizes are called, the configuration, and the families that are right for it."""
    import diffusers

    ids = {net: family.id for family in FAMILIES.values() for net in family.nets}
    own = tuple(ids[net] for net, (kind, _) in NETS.items() if kind == name)
    for net, (kind, config) in NETS.items():
        if kind == name:
            yield net, config, (ids[net],)
    needed = NEEDED.get(name, {})
    yield "default", needed, own or SAME_AS.get(name, ())
    parameters = inspect.signature(getattr(diffusers, name).__init__).parameters
    tiny = {key: value for key, value in TINY.items() if key in parameters}
    yield "tiny", needed | tiny, ()


def adapter(model: Any, attention: bool) -> dict[str, np.ndarray]:
    """Keys and shapes of an adapter of rank one; the entries take no memory."""
    import torch

    tensors = {}
    for path, module in model.named_modules():
        if not isinstance(module, torch.nn.Linear):
            continue
        if attention and not any(word in path for word in ATTENTION):
            continue
        out, into = module.weight.shape
        for letter, shape in (("A", (1, into)), ("B", (out, 1))):
            key = f"transformer.{path}.lora_{letter}.weight"
            tensors[key] = np.broadcast_to(np.float16(1), shape)
    return tensors


def judge(tensors: dict[str, np.ndarray], right: tuple[str, ...]) -> dict[str, Any]:
    _, report = interpret(Source("made up", tensors, {}, lambda prefix, name: None))
    family = report.family
    verdict = "wrong"
    if family.id in right:
        verdict = "right"
    elif family.id == "unknown":
        verdict = "unknown"
    elif set(right) & set(family.alternatives):
        verdict = "listed"
    return {
        "modules": len(tensors) // 2,
        "verdict": verdict,
        "family": family.id,
        "confidence": round(family.confidence, 3),
        "alternatives": list(family.alternatives),
    }


def rows() -> Iterator[dict[str, Any]]:
    for name in classes():
        for size, config, right in sizes(name):
            try:
                model = build(name, config)
            except Exception as error:
                if size != "tiny":
                    raise
                print(f"{name}: no tiny one ({type(error).__name__})", file=sys.stderr)
                continue
            seen: dict[str, np.ndarray] = {}
            for what in ("attention", "linear"):
                tensors = adapter(model, what == "attention")
                if not tensors or tensors.keys() == seen.keys():
                    continue
                seen = tensors
                row = {"class": name, "size": size, "adapter": what}
                yield row | judge(tensors, right)


def classes_document() -> dict[str, Any]:
    import diffusers

    class_rows = list(rows())
    counts = Counter(row["verdict"] for row in class_rows)
    confident = sum(row["verdict"] == "wrong" and row["confidence"] >= 0.5 for row in class_rows)
    return {
        "diffusers": diffusers.__version__,
        "classes": len({row["class"] for row in class_rows}),
        "adapters": len(class_rows),
        "verdicts": dict(sorted(counts.items())),
        "confident errors": confident,
        "rows": class_rows,
    }


LAYOUTS = [(family, dialect) for family in FAMILIES for dialect in ("kohya", "diffusers")]
RANKS = (4, 16, 64)
HEADERS = 70_000


def sparse(folder: Path) -> list[Path]:
    """Files with a true header and a payload of holes, of each layout in each rank."""
    paths = []
    for family, dialect in LAYOUTS:
        made = make_fixture(family, dialect, keep=lambda part, name: part == "denoiser")
        for rank in RANKS:
            header: dict[str, Any] = {"__metadata__": {"ss_network_dim": str(rank)}}
            position = 0
            for key, array in made.tensors[""].items():
                shape = [rank if size == 1 and array.ndim > 1 else size for size in array.shape]
                end = position + int(np.prod(shape, dtype=np.int64)) * 2
                offsets = [position, end]
                header[key] = {"dtype": "F16", "shape": shape, "data_offsets": offsets}
                position = end
            text = json.dumps(header, separators=(",", ":")).encode()
            path = folder / f"{family}-{dialect}-{rank}.safetensors"
            path.write_bytes(len(text).to_bytes(8, "little") + text)
            os.truncate(path, 8 + len(text) + position)
            paths.append(path)
    return paths


def speed_document() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        paths = sparse(Path(folder))
        start, cpu = time.perf_counter(), time.process_time()
        ids = Counter(detect_file(path).id for path in paths)
        new = time.process_time() - cpu
        ids += Counter(detect_file(paths[i % len(paths)]).id for i in range(len(paths), HEADERS))
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    return {
        "headers": HEADERS,
        "files": len(paths),
        "cpu seconds of the first look at each file": round(new, 2),
        "layouts": len(LAYOUTS),
        "ranks": len(RANKS),
        "families": dict(ids),
        "wall seconds": round(seconds, 2),
        "cpu seconds": round(cpu, 2),
        "cpu milliseconds per header": round(cpu / HEADERS * 1000, 2),
        "minutes on two cores, by cpu": round(cpu / 2 / 60, 2),
    }


def main() -> None:
    speed = "--speed" in sys.argv[1:]
    document = speed_document() if speed else classes_document()
    name = "families-speed" if speed else "families"
    path = save(name, {**document, "machine": machine()})
    print({key: value for key, value in document.items() if key != "rows"}, path)
    for row in document.get("rows", ()):
        if row["verdict"] == "wrong":
            print(row)


if __name__ == "__main__":
    main()
