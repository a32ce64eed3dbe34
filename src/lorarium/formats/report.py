"""What happened to every key: the records that reading, writing and converting return."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from lorarium.adapter import Adapter, Module, kind_name

from . import carried
from .grammar import parse

Fate = Literal["mapped", "carried", "refused"]


@dataclass(frozen=True)
class KeyFate:
    """One key of a file: mapped to a module, carried untouched, or refused and why."""

    key: str
    fate: Fate
    module: Module | None = None
    reason: str = ""

    def to_json(self) -> dict[str, Any]:
        module = str(self.module) if self.module else None
        return {"key": self.key, "fate": self.fate, "module": module, "reason": self.reason}


@dataclass(frozen=True)
class FamilyGuess:
    """Which base model the tensors say; `alternatives` are those that shapes cannot exclude."""

    id: str
    confidence: float
    alternatives: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    hint: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "confidence": round(self.confidence, 3),
            "alternatives": list(self.alternatives),
            "evidence": list(self.evidence),
        }


@dataclass(frozen=True)
class Report:
    """The account of one file read."""

    path: str
    dialect: str
    family: FamilyGuess
    keys: tuple[KeyFate, ...]
    kinds: Mapping[str, int]
    warnings: tuple[str, ...] = ()

    def count(self, fate: Fate) -> int:
        return sum(key.fate == fate for key in self.keys)

    def refused(self) -> tuple[KeyFate, ...]:
        return tuple(key for key in self.keys if key.fate == "refused")

    def carried(self) -> tuple[KeyFate, ...]:
        return tuple(key for key in self.keys if key.fate == "carried")

    def to_json(self) -> dict[str, Any]:
        return {
            "path": self.path,
            "dialect": self.dialect,
            "family": self.family.to_json(),
            "kind": dict(self.kinds),
            "keys": {fate: self.count(fate) for fate in ("mapped", "carried", "refused")},
            "carried": [key.to_json() for key in self.carried()],
            "refused": [key.to_json() for key in self.refused()],
            "warnings": list(self.warnings),
        }


Exactness = Literal["exact", "rounded", "refused", "carried"]


@dataclass(frozen=True)
class ModuleFate:
    """One module (or opaque key) of an adapter written: exact, rounded, carried or refused."""

    name: str
    fate: Exactness
    reason: str = ""

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "fate": self.fate, "reason": self.reason}


@dataclass(frozen=True)
class WriteReport:
    """The account of one file written; `verified` after it was read back and compared.

    `unverified` names the modules that are not what was meant, with the reason; such a file is
    written by `force` only. `lost_energy` is the refused modules' share of the squared norm.
    """

    path: str
    dialect: str
    family: str
    modules: tuple[ModuleFate, ...]
    keys: int
    unverified: Mapping[str, str] = field(default_factory=dict)
    worst_error: float = 0.0
    lost_energy: float = 0.0
    warnings: tuple[str, ...] = ()

    @property
    def verified(self) -> bool:
        return not self.unverified

    def count(self, fate: Exactness) -> int:
        return sum(module.fate == fate for module in self.modules)

    def refused(self) -> tuple[ModuleFate, ...]:
        return tuple(module for module in self.modules if module.fate == "refused")

    def to_json(self) -> dict[str, Any]:
        fates: tuple[Exactness, ...] = ("exact", "rounded", "carried", "refused")
        return {
            "path": self.path,
            "dialect": self.dialect,
            "family": self.family,
            "keys": self.keys,
            "modules": {fate: self.count(fate) for fate in fates},
            "refused": [module.to_json() for module in self.refused()],
            "rounded": [m.to_json() for m in self.modules if m.fate == "rounded"],
            "lost_energy": self.lost_energy,
            "verified": self.verified,
            "unverified": [{"name": n, "reason": r} for n, r in self.unverified.items()],
            "worst_error": self.worst_error if math.isfinite(self.worst_error) else None,
            "warnings": list(self.warnings),
        }


@dataclass(frozen=True)
class Converted:
    """One file of a conversion: what was read, what was written, or the error that stopped it.

    `unverified` are the modules because of which nothing was written.
    """

    source: str
    target: str
    read: Report | None = None
    written: WriteReport | None = None
    error: str = ""
    unverified: Mapping[str, str] = field(default_factory=dict)
    loss_allowed: bool = False

    @property
    def ok(self) -> bool:
        return self.exit_code == 0

    @property
    def exit_code(self) -> int:
        """2 where an error stopped it, 1 where modules were lost or could not be verified."""
        if self.error:
            return 1 if self.unverified else 2
        unverified = self.written is not None and not self.written.verified
        return int(unverified or bool(self.lost and not self.loss_allowed))

    @property
    def lost(self) -> tuple[ModuleFate, ...]:
        """Everything of the source that is not in the target, with the reason."""
        unread: dict[str, ModuleFate] = {}
        for key in self.read.refused() if self.read else ():
            parsed = parse(key.key)
            stem = parsed.stem if parsed else key.key  # the keys of one module count once
            unread.setdefault(stem, ModuleFate(key.key, "refused", key.reason))
        return (*unread.values(), *(self.written.refused() if self.written else ()))

    def to_json(self) -> dict[str, Any]:
        return {
            "source": self.source,
            "target": self.target,
            "ok": self.ok,
            "error": self.error,
            "unverified": [{"name": n, "reason": r} for n, r in self.unverified.items()],
            "lost": self.loss_json(),
            "read": self.read.to_json() if self.read else None,
            "written": self.written.to_json() if self.written else None,
        }

    def loss_json(self) -> dict[str, Any] | None:
        """How many modules were lost, of how many, and their share of the energy."""
        if self.written is None:
            return None
        total = len(self.written.modules) + len(self.lost) - len(self.written.refused())
        energy = self.written.lost_energy
        return {"modules": len(self.lost), "of": total, "energy": energy}


@dataclass(frozen=True)
class ConvertReport:
    files: tuple[Converted, ...] = field(default_factory=tuple)

    @property
    def ok(self) -> bool:
        return all(file.ok for file in self.files)

    @property
    def exit_code(self) -> int:
        return max((file.exit_code for file in self.files), default=0)

    def to_json(self) -> dict[str, Any]:
        return {"ok": self.ok, "files": [file.to_json() for file in self.files]}


def kinds(adapter: Adapter) -> dict[str, int]:
    """How many modules of each kind an adapter has."""
    counts: dict[str, int] = {}
    for _, delta in adapter.items():
        name = kind_name(delta)
        counts[name] = counts.get(name, 0) + 1
    return counts | carried.counts(adapter.opaque)
