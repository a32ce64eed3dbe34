"""Notes and tags of one's own: beside the library, by content, so that moved files keep them."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lorarium.errors import LorariumError, one_line
from lorarium.files import exists, read_text
from lorarium.formats.target import write_atomically

KIND = "lorarium-notes"
LONGEST, LONGEST_TAG, MOST_TAGS = 20_000, 60, 50


class Notes:
    """`{content: {"note": text, "tags": [...], "names": [...]}}` in one file, written whole."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._entries = self._load()

    def _load(self) -> dict[str, dict[str, Any]]:
        if not exists(self.path):
            return {}
        try:
            document = json.loads(read_text(self.path, "the notes", 256 << 20))
            if document["kind"] != KIND:
                raise ValueError("another kind")
            return {str(k): _clean(e) for k, e in document["notes"].items()}
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            what = f"the notes cannot be read ({type(error).__name__})"
            hint = "mend the file, or move it away"
            raise LorariumError(what, where=str(self.path), hint=hint) from None

    def of(self, content: str) -> dict[str, Any]:
        return self._entries.get(content, {"note": "", "tags": []})

    def put(self, content: str, name: str, note: str, tags: Iterable[str]) -> dict[str, Any]:
        entry = _clean({"note": note, "tags": list(tags), "names": [name]})
        with self._lock:
            entries = {**self._entries, content: entry}
            if not entry["note"] and not entry["tags"]:
                del entries[content]
            document = {"schema": "lorarium/1", "kind": KIND, "notes": entries}
            data = json.dumps(document, ensure_ascii=True, indent=1).encode()
            write_atomically(self.path, [data], force=True)
            self._entries = entries
        return entry

    def tags(self) -> list[list[Any]]:
        counts = Counter(tag for entry in self._entries.values() for tag in entry["tags"])
        return [[tag, count] for tag, count in counts.most_common()]

    def tagged(self, tag: str) -> list[str]:
        return [content for content, entry in self._entries.items() if tag in entry["tags"]]

    def export(self) -> dict[str, Any]:
        return {"schema": "lorarium/1", "kind": KIND, "notes": dict(self._entries)}


def _clean(entry: dict[str, Any]) -> dict[str, Any]:
    note, tags = entry.get("note", ""), entry.get("tags", [])
    if not isinstance(note, str) or not isinstance(tags, list):
        raise LorariumError("a note is text, and its tags are a list")
    if len(note) > LONGEST or len(tags) > MOST_TAGS:
        what = "the note is too long" if len(note) > LONGEST else "these are too many tags"
        raise LorariumError(what, hint=f"{LONGEST} characters and {MOST_TAGS} tags at most")
    lines = [one_line(str(tag), LONGEST_TAG) for tag in tags]
    names = [one_line(str(name), 200) for name in entry.get("names", [])][:5]
    return {"note": note, "tags": [t for t in dict.fromkeys(lines) if t], "names": names}
