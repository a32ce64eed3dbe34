"""`Library`: a collection of adapter files, kept in a folder of its own."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lorarium.errors import LorariumError
from lorarium.library import folder as place
from lorarium.remote import as_place

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from lorarium.adapter import Adapter
    from lorarium.library.answer import Answer
    from lorarium.library.clusters import Cluster
    from lorarium.library.copies import Group
    from lorarium.library.indexing import Indexed, Progress
    from lorarium.library.lineage_answer import Lineage
    from lorarium.library.page import Drawn
    from lorarium.library.query import Query
    from lorarium.library.snapshot import Snapshot
    from lorarium.library.spaces import VectorSpace
    from lorarium.library.tidy import OnMove, Tidied
    from lorarium.library.tidy_plan import Plan
    from lorarium.library.where import Mask

PathLike = str | os.PathLike[str]


class Library:
    """Adapters of any number of folders: indexed once, then searched without their files.

    >>> library = Library("my-library")
    >>> library.index(["loras/"])  # doctest: +SKIP
    >>> library.search("ink.safetensors", k=5).to_pandas()  # doctest: +SKIP

    Nothing is opened before it is needed. What other processes write is seen after `refresh`.
    """

    def __init__(
        self, path: PathLike | None = None, encoders: Mapping[str, VectorSpace] | None = None
    ) -> None:
        place.need_library()
        from lorarium.library.learned import default_encoders
        from lorarium.library.store import Store

        self.folder = as_place(path) if path is not None else place.default_folder()
        self.encoders = default_encoders() if encoders is None else dict(encoders)
        self.store = Store(self.folder)
        self._snapshot: Snapshot | None = None

    def register(self, encoder: VectorSpace) -> None:
        """Add a vector space; `index` fills it."""
        self.encoders[encoder.name] = encoder
        self.refresh()

    def __repr__(self) -> str:
        return f"Library({str(self.folder)!r})"

    def index(
        self,
        folders: PathLike | Iterable[PathLike],
        *,
        workers: int | None = None,
        ray: str | None = None,
        previews: str | None = None,
        progress: Progress | None = None,
    ) -> Indexed:
        """Bring the library up to date with a folder or several; see `indexing`.

        `previews` is a CLIP or a SigLIP that the library reads previews with from now on: a folder
        as transformers saves it or a name in the hub's cache; "none" forgets it.
        """
        from lorarium.library.indexing import index

        if isinstance(folders, str | os.PathLike):
            folders = [folders]
        try:
            return index(
                self.store,
                [as_place(folder) for folder in folders],
                self.encoders,
                workers=workers,
                ray=ray,
                previews=previews,
                progress=progress or (lambda done, total, words: None),
            )
        finally:
            self.refresh()

    def watch(
        self, folders: Iterable[PathLike], on_report: Callable[[Indexed], None], **options: Any
    ) -> None:
        """`index` again whenever something changed, until Ctrl-C; see `watch`."""
        from lorarium.library.watch import watch

        places = [as_place(folder) for folder in folders]
        here = [folder for folder in places if isinstance(folder, Path)]
        if len(here) < len(places):
            raise LorariumError("only folders of this machine can be watched")
        watch(self.store, here, self.encoders, on_report, **options)

    def refresh(self) -> None:
        """See what has been written since; answers before that come from one state."""
        self._snapshot = None
        self.store.refresh()

    @property
    def snapshot(self) -> Snapshot:
        """The state that all questions are answered from."""
        if self._snapshot is None:
            from lorarium.library.snapshot import Snapshot

            place.check(self.folder)
            self._snapshot = Snapshot(self.store, self.encoders)
        return self._snapshot

    def __len__(self) -> int:
        return len(self.snapshot.files)

    def families(self) -> Counter[str]:
        """How many files of each family, bad ones left out."""
        return self.snapshot.families()

    def to_arrow(self, where: str | None = None) -> pa.Table:
        """One row for each file, bad ones too; vectors and sketches left out."""
        table = self.snapshot.files
        return table if where is None else table.filter(self.snapshot.mask(where))

    def to_pandas(self, where: str | None = None) -> pd.DataFrame:
        return frame(self.to_arrow(where))

    def search(
        self,
        *queries: Query | Adapter | PathLike,
        k: int = 10,
        where: str | Mask | None = None,
        space: str = "",
        relate: bool = False,
    ) -> Answer:
        """What fits words, files, pictures and filters together, best first; see `answer`.

        >>> library.search("pokemon")  # doctest: +SKIP
        >>> library.search('ink "night city" -anime tag:style rank>8')  # doctest: +SKIP
        >>> library.search("ink.safetensors", "watercolour")  # doctest: +SKIP

        A text that names a file or a folder is that; `Query("words", text)` is words whatever it
        says, which is how text from a stranger is to be asked.
        """
        from lorarium.library.query import as_query
        from lorarium.library.search import search

        asked = [as_query(query) for query in queries]
        return search(self.snapshot, asked, k=k, where=where, space=space, relate=relate)

    def duplicates(self, where: str | None = None) -> list[Group]:
        """Groups of files that are one adapter; see `duplicates`."""
        from lorarium.library.duplicates import duplicates

        return duplicates(self.snapshot, where)

    def tidy_plan(self, *, program: str = "", pattern: str = "") -> Plan:
        """Copies, cuts, dead, broken and misnamed files, to look at; see `tidy_items`.

        >>> library.tidy_plan(program="comfyui", pattern="{title} r{rank}")  # doctest: +SKIP
        """
        from lorarium.library.tidy_items import make_plan

        return make_plan(self.snapshot, program=program, pattern=pattern)

    def tidy(self, plan: Plan, on_move: OnMove = lambda path, problem: None) -> Tidied:
        """Move what is chosen in a plan to the trash, to be taken back by `untidy`."""
        from lorarium.library.tidy import apply_plan

        try:
            return apply_plan(self.store, plan, on_move)
        finally:
            self.refresh()

    def untidy(self, run: str = "", on_move: OnMove = lambda path, problem: None) -> Tidied:
        """Put back what a run of `tidy` moved, the last one unless named. `index` sees it again."""
        from lorarium.library.tidy import undo_run

        return undo_run(self.store, run, on_move)

    def lineage(self, path: PathLike) -> Lineage:
        """Where an adapter comes from, as far as the library knows; see `lineage`."""
        from lorarium.library.lineage import lineage

        return lineage(self.snapshot, as_place(path))

    def clusters(self, where: str | None = None, *, least: int = 3) -> list[Cluster]:
        """Groups of like adapters with names from their metadata; see `clusters`."""
        from lorarium.library.clusters import clusters

        return clusters(self.snapshot, where, min_size=least)

    def map(
        self,
        out: PathLike,
        *,
        color: str = "cluster",
        where: str | None = None,
        marked: Iterable[PathLike] = (),
        seed: int = 0,
        force: bool = False,
    ) -> Drawn:
        """Draw every adapter as a point, near ones together, as .html or .png; see `page`."""
        from lorarium.formats.target import check_target
        from lorarium.library.page import SUFFIXES, draw

        paths = [Path(path) for path in marked]
        target = check_target(out, force=force, suffixes=SUFFIXES)
        return draw(
            self.snapshot, target, color=color, where=where, marked=paths, seed=seed, force=force
        )


def frame(table: pa.Table) -> pd.DataFrame:
    try:
        import pandas  # noqa: F401
    except ImportError:
        raise LorariumError("a data frame needs pandas", hint="pip install pandas") from None
    return table.to_pandas()
