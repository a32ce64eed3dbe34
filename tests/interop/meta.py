"""Classes of diffusers with true widths, without the time and memory of their weights."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# how many layers a network has, by the names that classes have for it
DEPTHS = (
    *("num_layers", "num_single_layers", "num_hidden_layers", "n_layers", "num_refiner_layers"),
    *("n_refiner_layers", "num_visual_blocks", "num_text_blocks", "num_mmdit_layers"),
    *("num_single_dit_layers", "num_double_layers", "num_mmdit_blocks", "num_single_blocks"),
    *("num_transformer_layers", "num_single_transformer_layers", "depth"),
)


@contextmanager
def unfilled(device: str) -> Iterator[None]:
    """Layers are built without the time and the memory that drawing their weights takes."""
    import torch

    kinds = [
        kind
        for kind in vars(torch.nn).values()
        if isinstance(kind, type) and "reset_parameters" in vars(kind)
    ]
    drawn = {kind: kind.reset_parameters for kind in kinds}
    try:
        for kind in kinds:
            kind.reset_parameters = lambda self: None  # type: ignore[method-assign]
        with warnings.catch_warnings(), torch.device(device):
            warnings.simplefilter("ignore")
            yield
    finally:
        for kind, method in drawn.items():
            kind.reset_parameters = method  # type: ignore[method-assign]


def build(
    name: str, config: dict[str, Any], layers: int | None = None, device: str = "meta"
) -> Any:
    """A class of diffusers; with `layers` each stack has so many at most."""
    import diffusers

    kind = getattr(diffusers, name)
    if layers is not None:
        usual = inspect.signature(kind.__init__).parameters
        cut = {key: layers for key in DEPTHS if key in usual}
        config = config | {
            key: min(layers, config.get(key, usual[key].default)) for key, layers in cut.items()
        }
        if "vace_layers" in usual:
            config["vace_layers"] = [0]
    with unfilled(device):
        return kind(**config)
