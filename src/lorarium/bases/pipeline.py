"""Pipelines of diffusers from their files: in a number type, on a device, whole or part by part."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn

from lorarium.bases.base import Base
from lorarium.bases.device import resolve_device
from lorarium.bases.diffusers_base import from_pipeline
from lorarium.bases.holding import Holding
from lorarium.bases.memory import check_memory
from lorarium.bases.resting import Resting, in_use
from lorarium.bases.stored import DENOISER, Weights, hash_of
from lorarium.errors import LorariumError

DENOISERS = ("unet", "transformer")
NETWORKS = (*DENOISERS, "vae", "text_encoder", "text_encoder_2", "text_encoder_3")
# what pipelines may carry and no base asks
UNUSED = ("safety_checker", "feature_extractor", "image_encoder")


@dataclass(frozen=True)
class StoredPipeline:
    """A pipeline as it lies in files.

    `index` and `configs` are its `model_index.json` and each part's `config.json`; `assemble`
    loads all but the parts that it is given.
    """

    where: str
    index: Mapping[str, Any]
    configs: Mapping[str, Mapping[str, Any]]
    weights: Weights
    assemble: Callable[..., Any]

    @property
    def networks(self) -> list[str]:
        return networks_of(self.index)


def networks_of(index: Mapping[str, Any]) -> list[str]:
    """The parts of a pipeline that are networks a base uses."""
    return [name for name in NETWORKS if isinstance(index.get(name), list) and index[name][0]]


def unused_in(index: Mapping[str, Any]) -> dict[str, Any]:
    """What keeps a pipeline from loading the parts that no base asks."""
    left_out: dict[str, Any] = {name: None for name in UNUSED if name in index}
    return left_out | ({"requires_safety_checker": False} if "safety_checker" in index else {})


def load(stored: StoredPipeline, holding: Holding) -> Base:
    """The base of a stored pipeline, held as asked; sizes are said first."""
    counts = {part: sum(w.numbers for w in some) for part, some in stored.weights.items()}
    if all(counts.values()):
        check_memory(counts, holding, stored.where)
    device, dtype = resolve_device(holding.device), getattr(torch, holding.dtype)
    assemble = partial(stored.assemble, **{_dtype_name(): dtype})
    own = hash_of(stored.weights[DENOISER]) if stored.weights.get(DENOISER) else None
    if not holding.offload:
        pipeline = _upcast(assemble(), dtype)
        return from_pipeline(pipeline.to(device, silence_dtype_warnings=True), own)
    shapes = {name: _shapes(stored, name, dtype) for name in stored.networks}
    pipeline = assemble(**shapes)
    for name, network in shapes.items():
        others = {other: shape for other, shape in shapes.items() if other != name}
        Resting(network, partial(_part, assemble, dtype, name, others), device, name in DENOISERS)
    if own is None:  # files of torch's own
        with in_use(pipeline.components[next(n for n in stored.networks if n in DENOISERS)]):
            return from_pipeline(pipeline, None, device)
    return from_pipeline(pipeline, own, device)


def _dtype_name() -> str:
    """What this diffusers calls a number type; the older name is on its way out."""
    from diffusers.pipelines import pipeline_utils

    return "dtype" if hasattr(pipeline_utils, "_resolve_dtype") else "torch_dtype"


def _shapes(stored: StoredPipeline, name: str, dtype: torch.dtype) -> nn.Module:
    """A network without its weights."""
    library, kind = stored.index[name]
    if library not in ("diffusers", "transformers"):
        raise LorariumError(f"a {kind} of {library} cannot be offloaded", where=stored.where)
    return weightless(library, kind, stored.configs[name], dtype)


def weightless(library: str, kind: str, config: Mapping[str, Any], dtype: torch.dtype) -> nn.Module:
    """A network of diffusers or transformers by its configuration alone, on torch's `meta`."""
    config = {k: v for k, v in config.items() if k != "architectures"}
    made = getattr(importlib.import_module(library), kind)
    with torch.device("meta"):
        network: nn.Module
        if library == "diffusers":
            network = made.from_config(config)
        else:
            network = made(made.config_class(**config))
    return nn.Module.to(network, dtype)  # diffusers' own warns of nothing


def _part(
    assemble: Callable[..., Any], dtype: torch.dtype, name: str, others: Mapping[str, nn.Module]
) -> nn.Module:
    """One network, from its file."""
    pipeline = _upcast(assemble(**others), dtype)
    network: nn.Module = pipeline.components[name]
    return network.requires_grad_(False)


def _upcast(pipeline: Any, dtype: torch.dtype) -> Any:
    """An autoencoder that says so overflows in float16."""
    vae = pipeline.vae
    if dtype == torch.float16 and vae.config.get("force_upcast", False):
        nn.Module.to(vae, torch.float32)
    return pipeline
