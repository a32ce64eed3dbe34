"""Trained files, one way: weights as safetensors whose header says what they are and what they
stand on. Most carry a card, which also lies beside the file as JSON, for people.

Each room declares the kinds that it trains; a file is a stranger's until its header has the marks
of its kind, and whatever is wrong with it is one `LorariumError`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np

from lorarium import __version__
from lorarium.adapter import Array
from lorarium.errors import LorariumError
from lorarium.files import exists
from lorarium.formats import container

if TYPE_CHECKING:
    from torch import nn

ASSETS = Path(__file__).parent / "assets"  # what comes with the package
Card = dict[str, Any]
Read = TypeVar("Read")
SAVED_EVERY = 45  # seconds between two states of long work that are kept: what a kill may cost
READ_ONCE = 8  # files of which what was read is kept
_READ: dict[object, object] = {}


@dataclass(frozen=True)
class FileKind:
    """What a kind of trained file is called, and how its header looks."""

    noun: str
    trainer: str = ""  # what `python -m` runs to make one
    marks: Mapping[str, str] = field(default_factory=dict)  # what each header of the kind says
    prefix: str = ""  # of the header's keys
    card: bool = True  # in the header as JSON, under `card`
    beside: bool = True  # the card again, beside the file

    @property
    def again(self) -> str:
        """How to make a new one."""
        return f"train it: python -m {self.trainer}" if self.trainer else ""

    @property
    def with_article(self) -> str:
        return f"an {self.noun}" if self.noun[0] in "aeiou" else f"a {self.noun}"


@dataclass(frozen=True, eq=False)
class TrainedFile:
    """Weights as the file holds them (read-only, mapped), its header without the prefix of its
    kind, and its card."""

    path: Path
    tensors: Mapping[str, Array]
    header: Mapping[str, str]
    card: Card

    def floats(self, head: str = "") -> dict[str, Array]:
        """The tensors whose names begin so, without that beginning, as float32."""
        return {
            name.removeprefix(head): np.array(array, np.float32)
            for name, array in self.tensors.items()
            if name.startswith(head)
        }


def asset(name: str) -> Path:
    """Where the shipped file of this name lies."""
    return ASSETS / f"{name}.safetensors"


def load(path: Path, kind: FileKind) -> TrainedFile:
    """A trained file; refused when it is of another kind."""
    header, card = _header(path, kind)
    try:
        raw = container.load(path)
    except LorariumError as error:
        raise _unreadable(path, kind, error.what) from None
    return TrainedFile(path, raw.tensors, header, card)


def read_once(read: Callable[[Path], Read], path: Path) -> Read:
    """What a file holds, read again only when the file is another."""
    if not exists(path):
        return read(path)  # which says what is missing
    stat = path.stat()
    key = read, path, stat.st_mtime_ns, stat.st_size
    if key not in _READ:
        while len(_READ) >= READ_ONCE:
            _READ.pop(next(iter(_READ)))
        _READ[key] = read(path)
    return cast(Read, _READ[key])


def read_card(path: Path, kind: FileKind) -> Card:
    """What a file says of itself; its weights are not read."""
    return _header(path, kind)[1]


def save(
    path: Path,
    kind: FileKind,
    tensors: Mapping[str, Array],
    card: Mapping[str, Any] | None = None,
    header: Mapping[str, str] | None = None,
) -> None:
    """Write the file, and its card beside it; what is there gives way. Equal input gives equal
    bytes."""
    entries = {**(header or {}), **kind.marks}
    if kind.card:
        entries["card"] = json.dumps(card or {}, sort_keys=True)
        if kind.prefix:
            entries["version"] = __version__
    path.parent.mkdir(parents=True, exist_ok=True)
    container.save(
        path, tensors, {kind.prefix + key: text for key, text in entries.items()}, force=True
    )
    if kind.card and kind.beside:
        write_json(path.with_suffix(".json"), card or {}, sort_keys=True)


def write_json(path: Path, value: object, *, sort_keys: bool = False) -> None:
    """JSON as people read it, whole or not at all, in a folder that is made where it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(value, indent=1, sort_keys=sort_keys) + "\n"
    container.write_atomically(path, [text.encode()], force=True)


def weights_mark(weights: Mapping[str, Array], config: str = "") -> str:
    """SHA-256 of a configuration, and of names and bytes of weights: what a file that stands on
    these says in its card. Give them as the file holds them."""
    digest = hashlib.sha256(config.encode())
    for name in sorted(weights):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(weights[name]).tobytes())
    return digest.hexdigest()


def half_weights(net: nn.Module) -> dict[str, Array]:
    """The weights of a network as files hold them: in half precision."""
    import torch

    return {
        name: tensor.detach().cpu().to(torch.float16).contiguous().numpy()
        for name, tensor in net.state_dict().items()
    }


def fill(net: nn.Module, weights: Mapping[str, Array]) -> None:
    """Put weights into a network; inside `fitting`."""
    import torch

    net.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})


@contextmanager
def fitting(path: Path) -> Iterator[None]:
    """Where a network is built from a file's configuration and filled with its weights: what does
    not fit together is one error."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError, ZeroDivisionError):
        raise LorariumError("its weights do not fit its configuration", where=str(path)) from None


def _header(path: Path, kind: FileKind) -> tuple[dict[str, str], Card]:
    """The header's text by key, and the card; refused without the marks of the kind."""
    if not exists(path):
        raise LorariumError(
            f"there is no such {kind.noun}", where=str(path), hint=_hint(path, kind)
        )
    try:
        metadata = container.load_header(path).metadata
    except LorariumError as error:
        raise _unreadable(path, kind, error.what) from None
    header = {
        key.removeprefix(kind.prefix): text
        for key, text in metadata.items()
        if key.startswith(kind.prefix)
    }
    card = _card(header.get("card", "")) if kind.card else {}
    if card is None or any(header.get(key) != text for key, text in kind.marks.items()):
        what = f"this is not {kind.with_article}"
        if "format" in kind.marks:
            what += f" of format {kind.marks['format']}"
        raise LorariumError(what, where=str(path), hint=_hint(path, kind))
    return header, card


def _card(text: str) -> Card | None:
    try:
        card = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return card if isinstance(card, dict) else None


def _unreadable(path: Path, kind: FileKind, reason: str) -> LorariumError:
    what = f"cannot be read as {kind.with_article} ({reason})"
    return LorariumError(what, where=str(path), hint=_hint(path, kind))


def _hint(path: Path, kind: FileKind) -> str:
    """What ships can be made again; of a file that somebody names that helps nobody."""
    return kind.again if path.parent == ASSETS else ""
