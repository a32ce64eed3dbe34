"""What the methods that run a base share: the base itself, and what each adapter is to draw."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lorarium.errors import LorariumError, missing_extra
from lorarium.formats.families.embedded import ships
from lorarium.mergers.inputs import Inputs

if TYPE_CHECKING:
    from lorarium.bases.base import Base

MOST_PROMPTS = 8


def resolve_base(inputs: Inputs, base: Any, device: str = "cpu") -> Base:
    """The base that was given or named, of the adapters' family; its hash goes into the header."""
    if importlib.util.find_spec("torch") is None:
        what = f"the method {inputs.method!r} runs the base model, which needs torch"
        raise missing_extra(what, "torch")
    from lorarium.bases.base import at_hand

    if base is None and not ships(inputs.family):
        raise LorariumError(
            f"the method {inputs.method!r} needs the base model",
            hint="name it with --base, or use np-lora or knots, which need none",
        )
    model = at_hand(base, device)
    if model.family != inputs.family:
        raise LorariumError(
            f"the adapters are for {inputs.family}, the base is {model.family}",
            hint="give the base that they were trained on",
        )
    inputs.options["base"] = model.hash[:16]
    return model


def prompts_of(inputs: Inputs, given: str | Sequence[str] | None) -> list[list[str]]:
    """The prompts of each adapter: one that was given, or those that its file names."""
    count = len(inputs.adapters)
    if given is not None:
        prompts = [given] if isinstance(given, str) else [str(prompt) for prompt in given]
        if len(prompts) != count:
            raise LorariumError(
                f"{len(prompts)} prompts for {count} adapters",
                hint="say --option prompts=... for each",
            )
        by_adapter = [[prompt] for prompt in prompts]
    else:
        by_adapter = [_named(inputs, k) for k in range(count)]
    inputs.options["prompts"] = by_adapter
    return by_adapter


def _named(inputs: Inputs, k: int) -> list[str]:
    try:
        stated = json.loads(inputs.adapters[k].metadata.get("lorarium.prompts", "[]"))
    except ValueError:
        stated = []
    prompts = [p for p in stated if isinstance(p, str)] if isinstance(stated, list) else []
    if not prompts:
        raise LorariumError(
            f"adapter {k + 1} does not say what it was trained to draw",
            hint="give a prompt for each adapter: --option prompts=... as often as there are",
        )
    return prompts[:MOST_PROMPTS]
