"""What a search answers, for programs, notebooks and tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lorarium.errors import one_line
from lorarium.formats.inspection.sidecars import find_preview
from lorarium.notebook import html_table

if TYPE_CHECKING:
    import pandas as pd

FACTS = ("family", "title", "names", "tags", "words", "rank", "size", "dialect", "dtype", "norm")


@dataclass(frozen=True)
class Match:
    """One content of the library.

    `paths` are its files, the one that was asked for first; `facts` the row of that one, by the
    columns of `schema`. `why` says what brought it here: "name", "title", "trigger words", "tag",
    "folder", "base model", "author", "description" for words, "weights", "filter", and at the end
    "typing: aniem → anime" for each word that was taken for another, and "preview". The answer is
    in order of `score`: `likeness` (the cosine of its vector with the query's, from -1 to 1),
    `text_score` (how much of the words its texts have, from 0 to 1) and, where "preview" is among
    the reasons, `preview_likeness` (the cosine of its preview with the query) added up, as far as
    they are there; beside a file or pictures those come first that have every word, and previews
    come behind what texts say outright.
    """

    score: float
    paths: tuple[str, ...]
    facts: Mapping[str, Any]
    relation: str = ""  # to an adapter that was asked for, where they share weights
    why: tuple[str, ...] = ()
    likeness: float | None = None
    text_score: float | None = None
    preview_likeness: float | None = None

    @property
    def path(self) -> str:
        return self.paths[0]

    @property
    def preview(self) -> Path | None:
        """The picture that lies beside the first of its files now, if any."""
        return find_preview(Path(self.path))

    def to_json(self) -> dict[str, Any]:
        return {
            "path": self.paths[0],
            "also": list(self.paths[1:]),
            "score": round(self.score, 6),
            "why": list(self.why),
            "likeness": _rounded(self.likeness),
            "text_score": _rounded(self.text_score),
            "preview_likeness": _rounded(self.preview_likeness),
            "relation": self.relation or None,
            **{name: self.facts.get(name) for name in FACTS},
        }


@dataclass(frozen=True, repr=False)
class Answer(Sequence[Match]):
    """Matches, best first.

    `close` says whether the best is near; None where nobody can say: with too few adapters, and
    for a list by filters alone. `family` and `space` are those of the weights that were compared,
    empty where none were; the space is "previews" where these alone were. `corrections` are words
    that nobody here uses, with those they were taken for. `more` further files fit as well. `note`
    says what was left out, and why.

    >>> for match in library.search("ink.safetensors"):  # doctest: +SKIP
    ...     print(match.score, match.path, match.why)
    """

    family: str
    space: str
    matches: tuple[Match, ...]
    close: bool | None = None
    threshold: float | None = None  # of the score from which on the best counts as close
    nearer_than: float | None = None  # the share of the library's own nearest neighbours
    more: int = 0
    corrections: Mapping[str, str] = field(default_factory=dict)
    note: str = ""

    def __len__(self) -> int:
        return len(self.matches)

    def __getitem__(self, index: Any) -> Any:
        return self.matches[index]

    def _rows(self) -> list[tuple[str, str, str]]:
        return [(f"{m.score:.3f}", str(m.facts.get("title") or ""), m.path) for m in self.matches]

    def __repr__(self) -> str:
        what = self.space or ("words" if any(m.text_score for m in self) else "facts")
        lines = [f"Answer({len(self)} of {self.family or 'any family'}, by {what})"]
        return "\n".join([*lines, *(one_line("  ".join(filter(None, r))) for r in self._rows())])

    def _repr_html_(self) -> str:
        return html_table(self._rows(), ("score", "title", "file"))

    def to_json(self) -> dict[str, Any]:
        return {
            "family": self.family,
            "space": self.space,
            "close": self.close,
            "threshold": _rounded(self.threshold),
            "nearer_than": None if self.nearer_than is None else round(self.nearer_than, 4),
            "more": self.more,
            "corrections": dict(self.corrections),
            "note": self.note,
            "matches": [match.to_json() for match in self.matches],
        }

    def to_arrow(self) -> pa.Table:
        return pa.Table.from_pylist([match.to_json() for match in self.matches])

    def to_pandas(self) -> pd.DataFrame:
        from lorarium.library.library import frame

        return frame(self.to_arrow())


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
