"""safetensors in and out, without torch: bf16 and fp8 arrive as ml_dtypes arrays."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path

import ml_dtypes
import numpy as np
from safetensors import SafetensorError, deserialize, serialize

from lorarium.errors import LorariumError

DTYPES: dict[str, np.dtype] = {
    "F64": np.dtype(np.float64),
    "F32": np.dtype(np.float32),
    "F16": np.dtype(np.float16),
    "BF16": np.dtype(ml_dtypes.bfloat16),
    "F8_E4M3": np.dtype(ml_dtypes.float8_e4m3fn),
    "F8_E5M2": np.dtype(ml_dtypes.float8_e5m2),
    "I64": np.dtype(np.int64),
    "I32": np.dtype(np.int32),
    "I16": np.dtype(np.int16),
    "I8": np.dtype(np.int8),
    "U8": np.dtype(np.uint8),
    "BOOL": np.dtype(np.bool_),
}
NAMES = {dtype: name for name, dtype in DTYPES.items()}


@dataclass(frozen=True)
class RawFile:
    tensors: dict[str, np.ndarray]
    metadata: dict[str, str]


def load(path: str | os.PathLike[str]) -> RawFile:
    import json

    try:
        data = Path(path).read_bytes()
        parts = deserialize(data)
        length = struct.unpack("<Q", data[:8])[0]
        header = json.loads(data[8 : 8 + length])
    except (OSError, SafetensorError, ValueError, struct.error) as error:
        raise LorariumError(f"not readable as safetensors: {error}", where=str(path)) from None
    tensors = {
        name: np.frombuffer(part["data"], dtype=DTYPES[part["dtype"]]).reshape(part["shape"])
        for name, part in parts
    }
    return RawFile(tensors, dict(header.get("__metadata__") or {}))


def save(
    path: str | os.PathLike[str], tensors: dict[str, np.ndarray], metadata: dict[str, str]
) -> None:
    parts = {
        name: {
            "dtype": NAMES[array.dtype],
            "shape": list(array.shape),
            "data": np.ascontiguousarray(array).tobytes(),
        }
        for name, array in sorted(tensors.items())
    }
    target = Path(path)
    beside = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with open(beside, "wb") as out:
            out.write(serialize(parts, metadata=dict(sorted(metadata.items()))))  # type: ignore
            out.flush()
            os.fsync(out.fileno())
        os.replace(beside, target)
    except OSError as error:
        raise LorariumError(f"cannot be written: {error.strerror}", where=str(path)) from None
    finally:
        beside.unlink(missing_ok=True)
