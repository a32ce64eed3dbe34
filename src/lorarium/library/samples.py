"""The sample library: adapters of micro-1 that come with the package, to try things on.

>>> Library("play").index([sample().folder])  # doctest: +SKIP
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lorarium.errors import LorariumError

FOLDER = Path(__file__).parent.parent / "assets" / "library"
CARD, FORMAT = "card.json", "lorarium-sample/1"
AGAIN = "pack it from a minted zoo: python -m lorarium.recipes sample"


@dataclass(frozen=True)
class Sampled:
    """One adapter: what it was trained on, and which pictures of the pool it saw."""

    path: Path
    kind: str  # style or subject
    of: tuple[str, int]  # genre or class, and number
    recipe: str
    pictures: tuple[int, ...]


@dataclass(frozen=True)
class Sample:
    """The adapters of a folder; all stand on the base of this hash."""

    folder: Path
    base_hash: str
    adapters: tuple[Sampled, ...]

    def of(self, kind: str, of: tuple[str, int] | None = None) -> tuple[Sampled, ...]:
        """Those of a kind, or of one artist or individual."""
        return tuple(a for a in self.adapters if a.kind == kind and of in (None, a.of))


def sample(folder: Path | None = None) -> Sample:
    """What is in the sample library; every file that its card names is there."""
    folder = folder or FOLDER
    card = folder / CARD
    if not card.is_file():
        raise LorariumError("there is no sample library here", where=str(folder), hint=AGAIN)
    try:
        table = json.loads(card.read_text("utf-8"))
        if table["format"] != FORMAT:
            raise ValueError("another format")
        adapters = tuple(_sampled(folder, row) for row in table["adapters"])
        library = Sample(folder, str(table["base_hash"]), adapters)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise LorariumError(f"the card is damaged ({error})", where=str(card), hint=AGAIN) from None
    for one in library.adapters:
        if not one.path.is_file():
            raise LorariumError("a file is missing", where=str(one.path), hint=AGAIN)
    return library


def _sampled(folder: Path, row: dict[str, Any]) -> Sampled:
    name, (word, number) = str(row["file"]), row["of"]
    if name != Path(name).name:
        raise ValueError("a name that is no file of this folder")
    pictures = tuple(int(n) for n in row["pictures"])
    return Sampled(
        folder / name, str(row["kind"]), (str(word), int(number)), str(row["recipe"]), pictures
    )
