"""Tensors of kinds that are recognised and carried, but not taken apart: what each of them is."""

from __future__ import annotations

from collections.abc import Mapping

from lorarium.adapter import Array

# tensor suffix -> kind, as `inspect` counts it
_KINDS = {
    "oft_blocks": "oft",
    "oft_R.weight": "oft",
    "oft_r.weight": "oft",
    "boft_R": "boft",
    "boft_s": "boft",
    "rescale": "oft",
    "on_input": "ia3",
    "ia3_l": "ia3",
    "a1.weight": "glora",
    "a2.weight": "glora",
    "b1.weight": "glora",
    "b2.weight": "glora",
    "bm.weight": "glora",
    "w_norm": "norm",
    "b_norm": "norm",
    "query_norm.scale": "norm",
    "key_norm.scale": "norm",
    "set_weight": "set-weight",
    "set_bias": "set-weight",
    "reshape_weight": "reshape-weight",
}
SCALES = ("query_norm.scale", "key_norm.scale")
_SILENT = ("alpha", "weight")
TITLES = {
    "oft": "OFT",
    "boft": "BOFT",
    "ia3": "IA3",
    "glora": "GLoRA",
    "norm": "a norm",
    "set-weight": "a weight that replaces the base's",
    "reshape-weight": "a new shape for the base's weight",
    "embedding": "an embedding",
}


def divide(key: str) -> tuple[str, str]:
    """A key as the name of its module and a suffix of the table, "" when it has none."""
    for pieces in (2, 1):
        head, *tail = key.rsplit(".", pieces)
        if ".".join(tail) in _KINDS:
            return head, ".".join(tail)
    return key, ""


def kind_of(key: str, array: Array) -> str:
    """The kind of a tensor that is no delta of ours, "" when it is not recognised."""
    if kind := _KINDS.get(divide(key)[1]):
        return "boft" if kind == "oft" and array.ndim == 4 else kind
    if key.startswith("bundle_emb.") or (key.startswith("<") and key.endswith(">")):
        return "embedding"
    return ""


def kinds_of(tensors: Mapping[str, Array]) -> dict[str, str]:
    """The kind of each of these; what says nothing by itself (alpha, weight) has its module's."""
    kinds = {key: kind_of(key, array) for key, array in tensors.items()}
    modules = {divide(key)[0]: kind for key, kind in kinds.items() if kind}
    return {key: kind or modules.get(own(key)[0], "") for key, kind in kinds.items()}


def own(key: str) -> tuple[str, str]:
    """A key as the name of its module and its suffix, be it one that says nothing by itself."""
    stem, tail = divide(key)
    if not tail and (last := key.rpartition(".")[2]) in _SILENT:
        return key[: -len(last) - 1], last
    return stem, tail


def counts(tensors: Mapping[str, Array]) -> dict[str, int]:
    """Modules of each kind; tensors that are not recognised count one by one as `opaque`."""
    stems: dict[str, set[str]] = {}
    for key, kind in kinds_of(tensors).items():
        apart = kind in ("", "norm", "embedding")  # two norms of one attention are two
        stem = key.rpartition(".")[0] if kind and apart else own(key)[0]
        stems.setdefault(kind or "opaque", set()).add(stem if kind else key)
    return {kind: len(members) for kind, members in stems.items()}
