"""Torch zip and pickle files, only through `torch.load(weights_only=True)`: nothing is executed."""

from __future__ import annotations

import re
import warnings
import zipfile
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from lorarium.errors import LorariumError, missing_extra, quoted
from lorarium.formats.header import AGAIN, MAX_TENSORS

MAX_DEPTH = 6
LARGEST_INT = 2**64
# how torch names a function that a pickle wants called, and what it puts around its reason
FORBIDDEN = re.compile(r"GLOBAL ([\w.]{1,100})|unrecognized function <[^>]*?([\w.]{1,100})[ >]")
AROUND = ("Weights only load failed", "Please file an issue", "Check the documentation")


def load(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Arrays by dotted key (lists count from 0) and the texts beside them."""
    where = str(path)
    _refuse_packed(path)
    try:
        import torch
    except ImportError:
        what = f"{where}: reading torch files (unlike safetensors) needs torch"
        raise missing_extra(what, "torch") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a hostile pickle can raise anything
        raise _refusal(error, where) from None
    tensors: dict[str, np.ndarray] = {}
    metadata: dict[str, str] = {}
    _collect(content, "", tensors, metadata, path, 0)
    limit = 4 * path.stat().st_size
    if sum(array.nbytes for array in tensors.values()) > limit:
        raise LorariumError("its tensors claim more than the file holds", where=where, hint=AGAIN)
    return dict(sorted(tensors.items())), metadata


def _refuse_packed(path: Path) -> None:
    """Torch stores its zip members as they are; a packed one may unfold without end."""
    try:
        if not zipfile.is_zipfile(path):
            return
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise LorariumError(f"broken zip archive ({error})", where=str(path), hint=AGAIN) from None
    if len(members) > MAX_TENSORS or any(m.compress_type != zipfile.ZIP_STORED for m in members):
        raise LorariumError("this zip archive was not written by torch", where=str(path))


def _refusal(error: Exception, where: str) -> LorariumError:
    text = str(error)
    if match := FORBIDDEN.search(text):
        what = f"this pickle asks to run code ({match[1] or match[2]}) and was refused"
        hint = "nothing was executed; ask for a safetensors file"
        return LorariumError(what, where=where, hint=hint)
    # torch's own advice is to load it without the safeguard
    lines = [line for line in text.split("\n") if line.strip() and not line.startswith(AROUND)]
    reason = lines[0][:200] if lines else type(error).__name__
    return LorariumError(f"not a readable torch file ({reason})", where=where, hint=AGAIN)


def _collect(
    value: Any,
    key: str,
    tensors: dict[str, np.ndarray],
    metadata: dict[str, str],
    path: Path,
    depth: int,
) -> None:
    import torch

    if depth > MAX_DEPTH or len(tensors) > MAX_TENSORS:
        raise LorariumError("its content is nested too deeply", where=str(path))
    if isinstance(value, torch.Tensor):
        if key in tensors:
            raise LorariumError(f"{quoted(key)} occurs twice", where=str(path))
        tensors[key] = _array(value, key, path)
    elif isinstance(value, dict):
        for name, inner in value.items():
            number = isinstance(name, int) and abs(name) <= MAX_TENSORS
            if not (isinstance(name, str) or number):
                raise LorariumError("its keys are not names", where=str(path))
            # the usual wrapper says nothing about the keys inside
            joined = "" if not key and name == "state_dict" else _join(key, name)
            _collect(inner, joined, tensors, metadata, path, depth + 1)
    elif isinstance(value, (list, tuple)):
        for index, inner in enumerate(value):
            _collect(inner, _join(key, index), tensors, metadata, path, depth + 1)
    elif isinstance(value, int) and abs(value) > LARGEST_INT:
        pass  # neither an alpha nor anything that a person wrote
    elif isinstance(value, (bool, int, float)) and key.endswith("alpha"):
        tensors[key] = np.asarray(value, np.float64)
    elif isinstance(value, (str, bool, int, float)):
        metadata[key] = str(value)


def _join(key: str, name: object) -> str:
    return f"{key}.{name}" if key else str(name)


def _array(tensor: Any, key: str, path: Path) -> np.ndarray:
    import torch

    raw = {
        torch.bfloat16: (torch.int16, ml_dtypes.bfloat16),
        torch.float8_e4m3fn: (torch.uint8, ml_dtypes.float8_e4m3fn),
        torch.float8_e5m2: (torch.uint8, ml_dtypes.float8_e5m2),
        torch.float8_e4m3fnuz: (torch.uint8, ml_dtypes.float8_e4m3fnuz),
        torch.float8_e5m2fnuz: (torch.uint8, ml_dtypes.float8_e5m2fnuz),
    }
    # an expanded view can claim any size from one stored element
    if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_meta:
        raise LorariumError(f"{quoted(key)} is not an ordinary tensor", where=str(path))
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        what = f"{quoted(key)} claims more elements than the file holds"
        raise LorariumError(what, where=str(path), hint=AGAIN)
    tensor = tensor.detach()
    try:
        if tensor.dtype in raw:
            carrier, dtype = raw[tensor.dtype]
            return tensor.contiguous().view(carrier).numpy().view(dtype)
        return tensor.contiguous().numpy()
    except (TypeError, RuntimeError) as error:
        reason = f"{quoted(key)} cannot be read as an array ({error})"
        raise LorariumError(reason, where=str(path)) from None
