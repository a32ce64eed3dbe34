"""What is said of files that hold one adapter: their class, the keeper, and what changed from it.

*Identical bytes* and *same weights* are copies: all but the keeper can go. *Cut down*, *scaled or
negated* and *near* ones are not, and are only shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lorarium.library.compare import CUT, NEAR, SAME, SCALED, Relation

IDENTICAL = "identical bytes"
CLASSES = (IDENTICAL, SAME, CUT, SCALED, NEAR)
COPIES = (IDENTICAL, SAME)
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Copy:
    """A file that is not the keeper. It is `factor` times it up to `error`, a share of its norm."""

    path: str
    changes: tuple[str, ...]  # from the keeper to this one
    error: float
    factor: float
    size: int
    source: str = ""  # the member of the keeper's group it was compared with, where it is another

    @property
    def cosine(self) -> float:
        return max(0.0, 1 - self.error**2) ** 0.5 * (-1 if self.factor < 0 else 1)

    def to_json(self) -> dict[str, Any]:
        return {
            "path": self.path,
            "changes": list(self.changes),
            "cosine": round(self.cosine, 6),
            "error": float(f"{self.error:.4g}"),
            "factor": float(f"{self.factor:.6g}"),
            "size": self.size,
            **({"source": self.source} if self.source else {}),
        }


@dataclass(frozen=True)
class Group:
    """Files that are one thing to one keeper; `bytes_to_win` is 0 unless they are copies."""

    name: str  # one of CLASSES
    family: str
    keeper: str
    reason: str
    copies: tuple[Copy, ...]
    bytes_to_win: int = 0

    def to_json(self) -> dict[str, Any]:
        return {
            "class": self.name,
            "family": self.family,
            "keep": self.keeper,
            "keeper": self.keeper,
            "reason": self.reason,
            "copies": [copy.to_json() for copy in self.copies],
            "bytes_to_win": self.bytes_to_win,
        }


def copy_of(keeper: Row, row: Row, relation: Relation) -> Copy:
    changes = tuple(changes_between(keeper, row, relation))
    return Copy(row["path"], changes, relation.error, relation.factor, row["size"])


def changes_between(a: Row, b: Row, relation: Relation) -> list[str]:
    """What makes `b` of `a`, in words."""
    words = []
    if a["dialect"] != b["dialect"]:
        words.append(f"dialect {a['dialect']} → {b['dialect']}")
    if a["dtype"] and b["dtype"] and a["dtype"] != b["dtype"]:
        words.append(f"{a['dtype']} → {b['dtype']}")
    if a["rank"] is not None and b["rank"] is not None and a["rank"] != b["rank"]:
        words.append(f"rank {a['rank']:g} → {b['rank']:g}")
    if a["modules"] != b["modules"]:
        words.append(f"{a['modules']} → {b['modules']} modules")
    if relation.name == SAME:
        if not words:
            same = a["payload_sha256"] == b["payload_sha256"]
            words.append("other metadata only" if same else "same change in other factors")
        return words
    if relation.name == SCALED and relation.factor == -1:
        words.append("negated")
    elif abs(relation.factor - 1) > 1e-3:
        words.append(f"strength x {relation.factor:.4g}")
    if relation.name == CUT:
        words.append(f"error {relation.error:.1%}")
    if relation.name == NEAR:
        words.append(f"differs by {relation.error:.2g} of its norm")
        if not relation.checked:
            words.append("by the sketches alone: a file is not there any more")
    return words


def file_place(row: Row) -> tuple[Any, ...]:
    """Equal for two names of one file on the disk, which take no more room than one."""
    return row["inode"], row["size"], row["modified"], row["changed"]


def spare_bytes(rows: Sequence[Row]) -> int:
    """Bytes of all but the first."""
    seen = {file_place(rows[0])}
    spare = 0
    for row in rows[1:]:
        if file_place(row) not in seen:
            seen.add(file_place(row))
            spare += row["size"]
    return spare
