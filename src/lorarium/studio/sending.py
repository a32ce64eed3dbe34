"""JSON as the page gets it."""

from __future__ import annotations

import json
import math
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any


def harmless(value: Any) -> Any:
    """The same without numbers that JSON has no words for, and without bytes."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(k): harmless(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [harmless(v) for v in value]
    return value if isinstance(value, str | int | bool | None) else str(value)


def as_json(document: Any) -> bytes:
    """ASCII, so that a lone half of a character cannot stop the writer."""
    text = json.dumps(harmless(document), ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.encode()


async def answer_json(
    send: Callable[[MutableMapping[str, Any]], Awaitable[None]], status: int, document: Any
) -> None:
    """A whole answer, below any framework; the connection ends with it."""
    body = as_json(document)
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
