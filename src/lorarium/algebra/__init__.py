"""Exact low-rank algebra on weight changes, without forming ΔW.

Modules are always paired by (part, path): a text encoder never meets a denoiser.
"""

from lorarium.algebra.canonical import (
    Canonical,
    balanced,
    canonical,
    canonical_adapter,
    canonical_stream,
    factored_svd,
    spectra,
)
from lorarium.algebra.columns import scale_columns
from lorarium.algebra.dense import dense_delta
from lorarium.algebra.fingerprint import (
    NEAR_DUPLICATE,
    fingerprint,
    fingerprint_vector,
    near_duplicate,
)
from lorarium.algebra.inner import (
    cosine,
    drop_magnitude,
    gram_in,
    gram_out,
    inner,
    inner_by_module,
    norm,
)
from lorarium.algebra.joint import factors_of, joint_svd, stored_factors
from lorarium.algebra.lower import Cost, lower, lowering_cost
from lorarium.algebra.narrowing import Rounding, narrowed, rounded
from lorarium.algebra.recompress import Layer, Report, recompress
from lorarium.algebra.subspace import (
    basis,
    damp,
    effective_rank,
    overlap,
    principal_cosines,
    project,
)
from lorarium.algebra.sums import add, cast, scale
from lorarium.algebra.truncate import Truncated, dense_error, dense_truncated

__all__ = [
    "NEAR_DUPLICATE",
    "Canonical",
    "Cost",
    "Layer",
    "Report",
    "Rounding",
    "Truncated",
    "add",
    "balanced",
    "basis",
    "canonical",
    "canonical_adapter",
    "canonical_stream",
    "cast",
    "cosine",
    "damp",
    "dense_delta",
    "dense_error",
    "dense_truncated",
    "drop_magnitude",
    "effective_rank",
    "factored_svd",
    "factors_of",
    "fingerprint",
    "fingerprint_vector",
    "gram_in",
    "gram_out",
    "inner",
    "inner_by_module",
    "joint_svd",
    "lower",
    "lowering_cost",
    "narrowed",
    "near_duplicate",
    "norm",
    "overlap",
    "principal_cosines",
    "project",
    "recompress",
    "rounded",
    "scale",
    "scale_columns",
    "spectra",
    "stored_factors",
]
