"""Bases that were adopted on this machine, and where the trained files of any base lie.

An adopted base has a folder of its own (`lorarium adopt` writes it): the files that were trained
for it under the names of those that ship, and a card. A file is looked for by the hash of its base;
adapters that do not say which base they stand on take the one adopted base of their family.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from lorarium import trained
from lorarium.errors import LorariumError, did_you_mean, listed, quoted
from lorarium.files import exists, read_text
from lorarium.formats.families.embedded import ships

CARD = "base.json"
FORMAT = "lorarium-base/1"
MOST_CARD = 2**24  # bytes
HASH = 12  # letters of a base's hash in the name of its folder
FIELDS = {"name": str, "family": str, "base_hash": str, "where": str, "size": int}
Value = TypeVar("Value")
_lender: ContextVar[AdoptedBase | None] = ContextVar("lender", default=None)
_maker: ContextVar[Path | None] = ContextVar("maker", default=None)


@dataclass(frozen=True, eq=False)
class AdoptedBase:
    """A base's folder; its card says what the base is and how what was trained came out."""

    folder: Path
    card: trained.Card

    @property
    def name(self) -> str:
        return str(self.card["name"])

    @property
    def family(self) -> str:
        return str(self.card["family"])

    @property
    def base_hash(self) -> str:
        return str(self.card["base_hash"])

    def file(self, name: str) -> Path:
        """Where the trained file of this name lies, if it was made."""
        return self.folder / f"{name}.safetensors"

    def files(self) -> list[str]:
        return sorted(path.stem for path in self.folder.glob("*.safetensors"))


def bases_folder() -> Path:
    """Where adopted bases lie unless they were told otherwise."""
    named = os.environ.get("LORARIUM_BASES")
    return Path(named) if named else Path.home() / ".local" / "share" / "lorarium" / "bases"


def folder_of(name: str, base_hash: str) -> Path:
    """Where a base of this name and hash goes."""
    return bases_folder() / f"{name}-{base_hash[:HASH]}"


def read_base(folder: Path) -> AdoptedBase:
    card = folder / CARD
    if not exists(card):
        raise LorariumError("no adopted base", where=str(folder), hint="see `lorarium bases`")
    try:
        values: Any = json.loads(read_text(card, "the card", MOST_CARD))
        ok = values["format"] == FORMAT and all(
            type(values[field]) is kind for field, kind in FIELDS.items()
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        ok = False
    if not ok:
        raise LorariumError("not the card of an adopted base", where=str(card))
    return AdoptedBase(folder, values)


def write_base(folder: Path, card: trained.Card) -> AdoptedBase:
    """Write a base's card; what is there gives way."""
    trained.write_json(folder / CARD, {"format": FORMAT, **card})
    return read_base(folder)


def adopted_bases() -> list[AdoptedBase]:
    """All that can be read, by name."""
    return sorted(_readable(), key=lambda base: (base.name, base.base_hash))


def _readable() -> Iterator[AdoptedBase]:
    try:
        folders = sorted(bases_folder().iterdir())
    except OSError:
        return
    for folder in folders:
        try:
            yield read_base(folder)
        except LorariumError:
            continue


def find_base(name: str) -> AdoptedBase:
    """The adopted base of a name, of a folder, or of the beginning of a hash."""
    if exists(Path(name) / CARD):
        return read_base(Path(name))
    known = adopted_bases()
    for matches in (
        [b for b in known if name in (b.name, b.folder.name)],
        [b for b in known if len(name) >= 6 and b.base_hash.startswith(name)],
    ):
        if len(matches) == 1:
            return matches[0]
        if matches:
            raise LorariumError(
                f"{len(matches)} adopted bases are called {quoted(name)}",
                hint=f"use {listed([b.folder.name for b in matches])}",
            )
    there = f"there are {listed([b.name for b in known])}" if known else "none is adopted yet"
    hint = there + did_you_mean(name, [b.name for b in known])
    raise LorariumError(f"no adopted base is called {quoted(name)}", hint=hint)


def remove_base(base: AdoptedBase) -> None:
    """Delete a base's folder with all that was trained for it; the base itself lies elsewhere."""
    shutil.rmtree(base.folder)


@contextmanager
def borrowed(name: str | None) -> Iterator[AdoptedBase | None]:
    """Inside, trained files are those of the base of this name, whatever base an adapter is of."""
    base = None if name is None else find_base(name)
    with _set(_lender, base):
        yield base


@contextmanager
def files_of(folder: Path) -> Iterator[None]:
    """Inside, trained files are those in a folder: where they are just being made."""
    with _set(_maker, folder):
        yield


@contextmanager
def _set(variable: ContextVar[Value], value: Value) -> Iterator[None]:
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)


def lender() -> AdoptedBase | None:
    """The base that trained files are borrowed from, if any is."""
    return _lender.get()


def trained_file(shipped: Path, family: str, base_hashes: Sequence[str | None] = ()) -> Path | None:
    """Where the file that ships here lies for adapters of a family that stand on these bases (None
    where one does not say); None where there is none."""
    name = shipped.stem
    if (folder := _maker.get()) is not None:
        return _there(folder / shipped.name)
    if (base := lender()) is not None:
        return _there(base.file(name))
    hashes = {h for h in base_hashes if h}
    for adopted in adopted_bases():
        if hashes == {adopted.base_hash}:
            return _there(adopted.file(name))
    if ships(family):
        return shipped
    if hashes:
        return None
    same = [b for b in adopted_bases() if b.family == family and b.file(name).is_file()]
    if len(same) > 1:
        raise LorariumError(
            f"{len(same)} adopted bases are of the family {family}",
            hint=f"choose one with --adopted: {listed([b.name for b in same])}",
        )
    return same[0].file(name) if same else None


def _there(path: Path) -> Path | None:
    return path if path.is_file() else None
