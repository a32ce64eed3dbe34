"""Families of bases as their configurations tell: operations and memory, with no weights at hand.

So a plan can be made for another machine than this one. Networks stand on torch's `meta` device,
where shapes are computed and nothing else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from lorarium.bases.base import modules
from lorarium.bases.holding import Holding
from lorarium.bases.memory import needed_bytes
from lorarium.bases.pipeline import DENOISERS, networks_of, weightless
from lorarium.bases.single_file import CONFIGS
from lorarium.errors import LorariumError
from lorarium.recipes.adoption.effort import Effort, Tuning
from lorarium.recipes.adoption.plan import Plan, make_plan
from lorarium.recipes.adoption.stages import Stage
from lorarium.recipes.adoption.timing import Timing, reckoned

SIDE = 64  # pixels that a family's sizes are multiples of
SIZES = {"sd1": 512, "sd2": 768}  # pixels; the others 1024
REACHED = 0.35  # of a device's peak, as trainings of such networks usually reach
DRAWN_AT_512 = 0.06  # seconds of a picture of the world, on one core
OVERHEAD = 1 << 30  # bytes: the device's own, and what is scattered
GB = 1e9


@dataclass(frozen=True)
class Machine:
    """Peak operations a second, and bytes of memory, of one device."""

    operations: float
    memory: float


def machine(text: str) -> Machine:
    """Of words such as "24GB 70TFLOPS"."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*GB?[\s,]+(\d+(?:\.\d+)?)\s*TFLOPS\s*", text, re.I)
    if match is None:
        raise LorariumError(f"{text!r} is no machine", hint='say it like "24GB 70TFLOPS"')
    return Machine(float(match[2]) * 1e12, float(match[1]) * GB)


@dataclass(frozen=True, eq=False)
class CountedBase:
    """A base of a family without weights: what plans ask of a base."""

    family: str
    size: int
    networks: Mapping[str, nn.Module]
    parameters: Mapping[str, int]
    operations: float  # of one prediction
    kept: float  # bytes of a picture that training keeps, checkpointing, in 16 bits
    device: torch.device


def count(family: str, size: int | None = None) -> CountedBase:
    """The base of a family, by its configuration, at a size in pixels or its own."""
    from torch.utils.flop_counter import FlopCounterMode

    families = json.loads(CONFIGS.read_text("utf-8"))
    if family not in families:
        raise LorariumError(
            f"no configuration of the family {family!r} comes along",
            hint=f"there are {', '.join(families)}",
        )
    configs, size = families[family], size or SIZES.get(family, 1024)
    if size % SIDE:
        raise LorariumError(f"pictures of {size} pixels", hint=f"a multiple of {SIDE}")
    index = configs["model_index"]
    networks = {}
    for name in networks_of(index):
        library, kind = index[name]
        network = weightless(library, kind, configs[name], torch.bfloat16)
        networks[name] = network.requires_grad_(False)
    denoiser = next(network for name, network in networks.items() if name in DENOISERS)
    saved = _Saved(denoiser)
    with FlopCounterMode(display=False) as counter, saved.hooks():
        denoiser(**_inputs(configs, size))
    blocks = max(1, sum(1 for name, _ in denoiser.named_modules() if _block(name)))
    names = {"denoiser" if name in DENOISERS else name: n for name, n in networks.items()}
    return CountedBase(
        family, size, {k: n for k, n in names.items() if k != "vae"},
        {name: sum(p.numel() for p in n.parameters()) for name, n in names.items()},
        float(counter.get_total_flops()), 2 * 2 * saved.numbers / blocks, torch.device("cuda"),
    )  # fmt: skip


def plan_on(
    base: CountedBase, where: Machine, stages: Sequence[Stage], minutes: float | None,
    share: float | None,
) -> tuple[Plan, Timing]:  # fmt: skip
    """What an adoption would take there."""
    predict = base.operations / (REACHED * where.operations)
    timing = reckoned(predict, DRAWN_AT_512 * (base.size / 512) ** 2)
    effort = Effort(1.0, Tuning.usual(base.family))
    return make_plan(base, timing, stages, effort, minutes, share), timing  # type: ignore[arg-type]


def memory(base: CountedBase) -> dict[str, float]:
    """Bytes that learning takes in bfloat16: with everything on the device, and offloaded."""
    shapes = modules(base, "linear", ("denoiser",)).values()  # type: ignore[arg-type]
    adapters = 16 * 16 * sum(shape[0] + shape[1] for shape in shapes)
    held = Holding("cpu", "bfloat16")
    rest = base.kept + adapters + OVERHEAD
    return {
        "all": needed_bytes(base.parameters, held) + rest,
        "offload": needed_bytes(base.parameters, replace(held, offload=True)) + rest,
    }


def _inputs(configs: Mapping[str, Any], size: int) -> dict[str, Any]:
    """What a denoiser is given for one picture."""

    def of(*shape: int) -> Tensor:
        return torch.zeros(shape, device="meta", dtype=torch.bfloat16, requires_grad=True)

    side, time = size // 8, torch.zeros(1, device="meta", dtype=torch.bfloat16)
    if "unet" in configs:
        unet = configs["unet"]
        width = unet["cross_attention_dim"]
        added = {"text_embeds": of(1, 1280), "time_ids": of(1, 6)}
        return {
            "sample": of(1, 4, side, side), "timestep": time,
            "encoder_hidden_states": of(1, 77, width),
            "added_cond_kwargs": added if unet.get("addition_embed_type") else None,
        }  # fmt: skip
    config = configs["transformer"]
    if "joint_attention_dim" in config and "sample_size" in config:
        return {
            "hidden_states": of(1, 16, side, side), "timestep": time,
            "encoder_hidden_states": of(1, 333, config["joint_attention_dim"]),
            "pooled_projections": of(1, config["pooled_projection_dim"]),
        }  # fmt: skip
    places = (side // 2) ** 2
    return {
        "hidden_states": of(1, places, 64), "timestep": time, "guidance": time,
        "encoder_hidden_states": of(1, 512, 4096), "pooled_projections": of(1, 768),
        "txt_ids": torch.zeros(512, 3, device="meta"),
        "img_ids": torch.zeros(places, 3, device="meta"),
    }  # fmt: skip


def _block(name: str) -> bool:
    return re.search(r"(transformer_blocks|resnets)\.\d+$", name) is not None


class _Saved:
    """Numbers that a backward pass would need, weights apart."""

    def __init__(self, network: nn.Module) -> None:
        self.numbers = 0
        self.weights = {id(p) for p in network.parameters()}

    def hooks(self) -> torch.autograd.graph.saved_tensors_hooks:
        def pack(tensor: Tensor) -> Tensor:
            if id(tensor) not in self.weights:
                self.numbers += tensor.numel()
            return tensor

        return torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor)
