"""What one server holds: the library, the chosen folders, and what the page keeps beside them."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lorarium.errors import LorariumError
from lorarium.formats.families.embedded import SHIPPED
from lorarium.library import Library
from lorarium.library import folder as place
from lorarium.library.lineage import lineage
from lorarium.library.spaces import FILES
from lorarium.library.tidy import local_folder
from lorarium.studio.allowed import AllowedFolders
from lorarium.studio.notes import Notes
from lorarium.studio.previews import energies
from lorarium.studio.shelf import Shelf
from lorarium.studio.uploads import Uploads

KEPT = "studio"  # in the library's folder: notes, jobs, previews, pictures
MOST_ENERGIES = 20_000  # contents
MOST_KEPT = {"pictures": 2_000, "previews": 150_000}  # files; the oldest go when a server starts


class StudioState:
    """`lock` is held by whoever asks the library: its state is read when first needed."""

    def __init__(
        self,
        library: Library,
        folders: Sequence[Path],
        asked: AllowedFolders,
        bases: Mapping[str, str] | None = None,
    ) -> None:
        self.library = library
        self.bases = {SHIPPED: "", **(bases or {})}  # family -> what `open_base` opens
        # lineage takes its time; others do not wait for it
        self._descent = Library(local_folder(library.store))
        self._descent_lock = threading.Lock()
        self.folders = tuple(folders)  # to be indexed, as they were named
        self.asked = asked
        self.lock = threading.RLock()
        self.home = local_folder(library.store) / KEPT
        self.examples = self.home / "examples"
        for name in ("jobs", "previews", "pictures", "uploads"):
            (self.home / name).mkdir(parents=True, exist_ok=True)
        for name, most in MOST_KEPT.items():
            forget_oldest(self.home / name, most)
        self.notes = Notes(self.home / "notes.json")
        self.uploads = Uploads(self.home / "uploads")
        self._shelf: Shelf | None = None
        self._stale = False
        self._energies: dict[str, list[float]] = {}
        self._allowed: AllowedFolders | None = None

    @classmethod
    def open(
        cls,
        library: Library,
        folders: Sequence[str | Path],
        bases: Mapping[str, str] | None = None,
    ) -> StudioState:
        """The library is made when there is none yet."""
        home = local_folder(library.store)
        asked = AllowedFolders.of(folders)
        if not (home / place.CARD).exists():
            with place.writing(home):
                pass
        place.check(home)
        return cls(library, [Path(f).absolute() for f in folders], asked, bases)

    def refresh(self) -> None:
        """See what a job has written."""
        with self.lock:
            self.library.refresh()
            self._shelf = self._allowed = None
            self._stale = True

    @property
    def empty(self) -> bool:
        with self.lock:
            return FILES not in self.library.store.names()

    @property
    def allowed(self) -> AllowedFolders:
        """The chosen folders; those of the library's files when none were named."""
        allowed = self._allowed
        if allowed is not None:
            return allowed
        with self.lock:
            if self._allowed is None:
                folders = self.asked.folders
                if not folders and not self.empty:
                    paths = self.library.to_arrow()["path"].to_pylist()
                    folders = AllowedFolders.around([p for p in paths if os.path.isabs(p)]).folders
                if self.examples.is_dir():
                    folders = (*folders, self.examples.resolve())
                self._allowed = AllowedFolders(tuple(dict.fromkeys(folders)))
            return self._allowed

    def to_index(self) -> list[Path]:
        """The folders to read again: those that were named, or else those of the library."""
        return list(self.folders) or list(self.allowed.folders)

    @property
    def shelf(self) -> Shelf:
        shelf = self._shelf
        if shelf is not None:
            return shelf
        with self.lock:
            if self._shelf is None:
                if self.empty:
                    self._shelf = Shelf.without_files()
                else:
                    spelled = [*map(str, self.allowed.folders), *map(str, self.folders)]
                    snapshot = self.library.snapshot
                    self._shelf = Shelf(snapshot.files, spelled, self.state())
            return self._shelf

    def state(self) -> str:
        """Another one whenever the table of files, or what may be seen of it, is another."""
        with self.lock:
            version = 0 if self.empty else self.library.store.version(FILES)
            seen = "\0".join(map(str, self.allowed.folders))
            return f"{version}:{hashlib.blake2b(seen.encode(), digest_size=8).hexdigest()}"

    def row(self, key: str) -> dict[str, Any]:
        """The row of a file that may be seen."""
        row = self.shelf.row(key)
        if row is None:
            raise LorariumError("there is no such file here", hint="has it gone? index again")
        return row

    def file(self, key: str) -> Path:
        """The file of a row, to be opened."""
        return self.allowed.file(self.row(key)["path"])

    def base_for(self, family: str) -> str | None:
        """The base model at hand for a family, as `open_base` takes it."""
        if family not in self.bases:
            hint = f"lorarium studio --base {family}=FOLDER names one"
            raise LorariumError(f"no base model for {family or 'it'} is at hand", hint=hint)
        return self.bases[family] or None

    def energies(self, row: Mapping[str, Any]) -> list[float]:
        """Energies of a content by block, in the order of the network."""
        if not row["described"]:
            return []
        if row["id"] not in self._energies:
            with self.lock:
                sketches = self.library.snapshot.sketches([row["id"]])
            if len(self._energies) >= MOST_ENERGIES:
                self._energies.clear()
            values = [energies(sketch) for sketch in sketches.values()]
            self._energies[row["id"]] = values[0] if values else []
        return self._energies[row["id"]]

    def relatives(self, key: str) -> dict[str, Any]:
        """What the library says of a file's descent, its copies and what is like it."""
        row = self.row(key)
        path = self.file(key)
        document: dict[str, Any] = {"near": [], "lineage": None, "why": ""}
        if row["error"] or not row["described"]:
            document["why"] = "it cannot be compared with others"
            return document
        with self._descent_lock:
            if self._stale:
                self._descent.refresh()
                self._stale = False
            document["lineage"] = lineage(self._descent.snapshot, path).to_json()
            answer = self._descent.search(path, k=12)
        document |= {"close": answer.close, "space": answer.space}
        near = [(m.path, round(m.score, 4)) for m in answer.matches]
        shelf = self.shelf
        document["near"] = [
            {**shelf.short(path), "score": score} for path, score in near if shelf.knows(path)
        ]
        names: dict[str, Any] = {}
        for path_text in _paths(document["lineage"]):
            names[path_text] = shelf.short(path_text)
        document["names"] = names
        return document


def forget_oldest(folder: Path, most: int) -> None:
    """Delete the oldest files of a folder that holds only what can be made again."""
    with os.scandir(folder) as entries:
        files = [entry for entry in entries if entry.is_file(follow_symlinks=False)]
    if len(files) > most:
        files.sort(key=lambda entry: entry.stat(follow_symlinks=False).st_mtime_ns)
        for entry in files[: len(files) - most]:
            os.unlink(entry)


def _paths(lineage: dict[str, Any]) -> list[str]:
    merge = lineage["merge"] or {"parents": []}
    lists = [*(lineage[n] for n in ("copies", "run", "start", "children")), merge["parents"]]
    return [item["path"] for items in lists for item in items]
