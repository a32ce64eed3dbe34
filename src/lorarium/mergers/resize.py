"""One file recompressed into another: what the command and the studio do to each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np

from lorarium import formats
from lorarium.algebra import Report, recompress
from lorarium.formats.target import check_adapter_target
from lorarium.mergers.lower_on import require_no_rotations
from lorarium.mergers.provenance import stamp

if TYPE_CHECKING:
    from lorarium.formats.report import WriteReport

DTYPES = {None: None, "fp16": np.float16, "bf16": ml_dtypes.bfloat16, "fp32": np.float32}


@dataclass(frozen=True)
class Resized:
    """What was written of one file."""

    modules: int
    report: Report
    written: WriteReport


def resize_file(
    path: Path,
    out: Path,
    *,
    dtype: str | None = None,
    force: bool = False,
    inputs: Sequence[Path] = (),
    **sizes: Any,
) -> Resized:
    """Write `path` to `out` with the `rank`, `energy`, `size` and `per_layer` of `recompress`."""
    inputs = inputs or [path]
    check_adapter_target(out, force=force, inputs=inputs)
    adapter = formats.read(path)
    require_no_rotations(adapter)
    small, report = recompress(adapter, **sizes, dtype=DTYPES[dtype])
    made = stamp(small, [adapter], "resize", {**sizes, "dtype": dtype})
    written = formats.write(made, out, force=force, inputs=inputs)
    return Resized(len(small), report, written)
