"""LoRA.rar (Shenaj et al. 2025, arXiv 2412.05148): a network predicts ZipLoRA's coefficients.

For each column j of a subject's and a style's ΔW (queries and outputs of attention) the network
says (m1_j, m2_j) = W2 relu(W1 [ΔW1[:, j]; ΔW2[:, j]] + b1) + b2. Its first layer meets ΔW only in
products W ΔW = (W B) A, so it costs rank, not width, and the result is an ordinary adapter
A' = [A1 diag m1; A2 diag m2], B' = [B1 B2].
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lorarium import trained
from lorarium.adapter import Adapter, Array, Delta, Module
from lorarium.algebra.forms import apply_transposed, matrix_form
from lorarium.errors import LorariumError
from lorarium.files import file_hash
from lorarium.formats import container
from lorarium.mergers.columns import weigh_columns
from lorarium.mergers.inputs import (
    Inputs,
    check_base,
    module_errors,
    trained_network,
    two_different,
)
from lorarium.mergers.registry import method
from lorarium.trained import FileKind, read_once

TARGETS = (".to_q", ".to_out.0")  # of attention; keys, values and all else are added
ASSET = trained.asset("lora_rar")  # of micro-1
KIND = FileKind("LoRA.rar network", "lorarium.recipes merge", prefix="lorarium.")
THEIRS = {640, 1280}  # widths of the authors' network
NOTICE = (
    "this is the authors' network, licensed for non-commercial use: mind that for what you merge"
)


@dataclass(frozen=True, eq=False)
class Network:
    """Input layers by the height of ΔW and one output layer; `targets` end the paths it reads."""

    inputs: Mapping[int, tuple[Array, Array]]  # out -> (h, 2 out), (h,); the subject's half first
    output: tuple[Array, Array]  # (2, h), (2,)
    targets: tuple[str, ...] = TARGETS
    sha256: str = ""
    ours: bool = True
    card: Mapping[str, Any] = field(default_factory=dict)  # of the networks that we trained

    def reads(self, module: Module, delta: Delta) -> bool:
        wanted = module.part.startswith("denoiser") and module.path.endswith(self.targets)
        return wanted and len(delta.shape) == 2 and delta.shape[0] in self.inputs

    def coefficients(self, subject: Delta, style: Delta) -> tuple[Array, Array]:
        """m1 and m2, (in,) each, from the two changes of one module."""
        out = subject.shape[0]
        W, b = self.inputs[out]
        hidden = apply_transposed(matrix_form(subject, np.float32), W[:, :out].T)
        hidden += apply_transposed(matrix_form(style, np.float32), W[:, out:].T)
        hidden += b
        np.maximum(hidden, 0, out=hidden)
        m = hidden @ self.output[0].T + self.output[1]
        return np.ascontiguousarray(m[:, 0]), np.ascontiguousarray(m[:, 1])


@method("lora-rar", group="subject and style", min_inputs=2, max_inputs=2, network=ASSET)
def merge_lora_rar(
    inputs: Inputs,
    *,
    network: Network | str | Path | None = None,
) -> Adapter:
    """A network's coefficients for each column of a subject and a style, in that order.

    `network` is the file of a trained network: the authors' checkpoint, or a safetensors file of
    the same names; for micro-1 one ships.
    """
    given = None if network is None else _opened(network)
    two_different(inputs)
    net = given or read_once(load_network, trained_network(inputs, ASSET))
    inputs.record(network=net.sha256[:16] or None)
    check_base(inputs, net.card.get("base_hash"))
    gains: dict[Module, Sequence[Array | None]] = {}
    for module, terms in inputs.modules.items():
        if len(terms) == 2 and net.reads(module, terms[0].delta):
            with module_errors(module):
                gains[module] = net.coefficients(terms[0].delta, terms[1].delta)
    if not gains:
        widths = ", ".join(map(str, sorted(net.inputs)))
        raise LorariumError(
            "the network reads none of these modules",
            hint=f"it was made for queries and outputs of attention of width {widths}",
        )
    inputs.note(f"{len(gains)} modules by the network, {len(inputs.modules) - len(gains)} added")
    if not net.ours:
        inputs.note(NOTICE)
    return weigh_columns(inputs, gains)


def _opened(network: Network | str | Path) -> Network:
    return network if isinstance(network, Network) else load_network(network)


def load_network(path: str | Path) -> Network:
    """A network from `input_<i>.weight`, `.bias` and `output.1.weight`, `.bias`, checked."""
    raw = container.load(path)
    tensors = {name: np.asarray(a) for name, a in raw.tensors.items()}
    inputs: dict[int, tuple[Array, Array]] = {}
    try:
        output = _pair(tensors, "output.1")
        for name in tensors:
            if re.fullmatch(r"input_\d+\.weight", name):
                W, b = _pair(tensors, name.removesuffix(".weight"))
                inputs[W.shape[1] // 2] = (W, b)
        hidden = {len(W) for W, _ in inputs.values()} | {output[0].shape[1]}
        fits = len(output[0]) == 2 and len(hidden) == 1 and inputs
    except (KeyError, ValueError, IndexError):
        fits = False
    if not fits:
        raise LorariumError(
            "not a LoRA.rar network",
            where=str(path),
            hint="it has input_1.weight (h, 2 width), input_1.bias, ..., output.1.weight (2, h)",
        )
    targets = tuple(raw.metadata.get("lorarium.targets", ",".join(TARGETS)).split(","))
    ours = "lorarium.version" in raw.metadata or set(inputs) != THEIRS
    return Network(inputs, output, targets, file_hash(Path(path)), ours, _card(raw.metadata))


def _card(metadata: Mapping[str, str]) -> dict[str, Any]:
    try:
        card = json.loads(metadata.get("lorarium.card", "{}"))
    except ValueError:
        return {}
    return card if isinstance(card, dict) else {}


def _pair(tensors: Mapping[str, Array], name: str) -> tuple[Array, Array]:
    W = tensors[f"{name}.weight"].astype(np.float32)
    b = tensors[f"{name}.bias"].astype(np.float32)
    if W.ndim != 2 or b.shape != (len(W),) or not (np.isfinite(W).all() and np.isfinite(b).all()):
        raise ValueError(name)
    return W, b
