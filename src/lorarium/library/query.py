"""What can be searched for: an adapter, pictures, or words with filters among them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lorarium.adapter import Adapter
from lorarium.errors import LorariumError
from lorarium.files import exists, files_inside, is_folder
from lorarium.formats import peft
from lorarium.formats.header import LORA_SUFFIXES
from lorarium.pictures import SUFFIXES
from lorarium.remote import RemotePath, as_place

Kind = Literal["adapter", "pictures", "words"]
LONGEST = 1000  # of words


@dataclass(frozen=True)
class Query:
    """`content` is an adapter or a path for `adapter`, a path for `pictures`, else words.

    Words from a stranger go in as `Query("words", text)`, which opens no file, whatever they say.
    """

    kind: Kind
    content: Any


def as_query(query: Query | Adapter | str | os.PathLike[str], kind: Kind | None = None) -> Query:
    """Guess what a query is: a file or folder by its suffix and content, else words."""
    if isinstance(query, Query):
        return query
    if isinstance(query, Adapter):
        return Query("adapter", query)
    text = query if isinstance(query, str) else os.fspath(query)
    path = as_place(text)
    if isinstance(path, RemotePath) and kind in (None, "adapter"):
        return Query("adapter", path)
    path = Path(text)
    kind = kind or _guess(path, isinstance(query, str))
    if kind == "words":
        if not text.strip() or len(text) > LONGEST:
            raise LorariumError(f"words to search for: 1 to {LONGEST} characters")
        return Query(kind, text)
    if not exists(path):
        what = "there is no such file" if path.suffix else "there is no such file or folder"
        raise LorariumError(what, where=text, hint="are these words? --text says so")
    return Query(kind, path)


def _guess(path: Path, is_text: bool) -> Kind:
    suffix = path.suffix.lower()
    if suffix in LORA_SUFFIXES or _is_peft(path):
        return "adapter"
    if suffix in SUFFIXES:
        return "pictures"
    if is_folder(path):
        # a word may be the name of a folder that happens to lie here
        plain_word = is_text and len(path.parts) == 1 and path.name not in (".", "..")
        return "words" if plain_word and not files_inside(path, SUFFIXES) else "pictures"
    return "words"


def _is_peft(path: Path) -> bool:
    """A PEFT folder, or a folder of them."""
    return is_folder(path) and any(any(path.glob(p + peft.CONFIG)) for p in ("", "*/"))
