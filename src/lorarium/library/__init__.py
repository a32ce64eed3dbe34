"""A collection of adapter files on disk: index, search, duplicates, lineage, clusters, map.

`Library` is the whole public surface; LanceDB is known to `store` alone.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .answer import Answer, Match
    from .indexing import Indexed
    from .library import Library
    from .lineage_answer import Lineage
    from .query import Query
    from .samples import Sample, sample
    from .spaces import VectorSpace

_HOMES = {
    "Answer": "answer",
    "VectorSpace": "spaces",
    "Indexed": "indexing",
    "Library": "library",
    "Lineage": "lineage_answer",
    "Match": "answer",
    "Query": "query",
    "Sample": "samples",
    "sample": "samples",
}
__all__ = [
    "Answer",
    "Indexed",
    "Library",
    "Lineage",
    "Match",
    "Query",
    "Sample",
    "VectorSpace",
    "sample",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f".{_HOMES[name]}", __name__)
    public = globals()[name] = getattr(module, name)
    return public
