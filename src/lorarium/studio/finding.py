"""One box: words, a file, pictures, in any mixture, among what the filters let through."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lorarium.errors import LorariumError
from lorarium.library.query import Query
from lorarium.studio.shelf import ShelfQuery, among
from lorarium.studio.state import StudioState


def find(
    studio: StudioState, wanted: ShelfQuery, keys: Sequence[str], uploads: Sequence[str], count: int
) -> dict[str, Any]:
    """Cards with `score` and `why`, best first, and what is to be said of the whole answer."""
    queries = [Query("adapter", studio.file(key)) for key in keys]
    for name in uploads:
        kind = "adapter" if studio.uploads.kind(name) == "adapter" else "pictures"
        queries.append(Query(kind, studio.uploads.path(name)))  # type: ignore[arg-type]
    if wanted.words.strip():
        queries.append(Query("words", wanted.words))
    if not queries:
        raise LorariumError("what should be searched for?", hint="words, a file, a picture")
    shelf = studio.shelf
    passing = shelf.passing(wanted)
    with studio.lock:
        some = among(passing) if len(passing) < len(studio.library) else None
        answer = studio.library.search(*queries, k=count, where=some)
    rows = []
    for match in answer.matches:
        copies = [card for card in shelf.rows_of(match.paths) if card["key"] in passing]
        rows += [
            {**card, "score": round(match.score, 4), "why": why_words(match)} for card in copies[:1]
        ]
    for row in rows:
        row["own"] = studio.notes.of(row["content"])["tags"]
    return {"rows": rows, "note": note(answer), "family": answer.family, "space": answer.space}


def why_words(match: Any) -> str:
    """Why a file is among the answers, short enough for its card."""
    reasons = [why for why in match.why if why != "filter"]
    if match.likeness is not None:
        reasons = [*(why for why in reasons if why != "weights"), f"alike {match.likeness:.2f}"]
    if len(match.paths) > 1:
        reasons.append(f"{len(match.paths)} copies")
    return ", ".join(reasons) or match.relation


def note(answer: Any) -> str:
    """What is to be known of the answer as a whole."""
    words = [f"Searched for {right} instead of {wrong}." for wrong, right in corrections(answer)]
    if answer.close is False:
        words.append("Nothing is close to it; these are the nearest.")
    if answer.note:
        words.append(f"{answer.note[:1].upper()}{answer.note[1:]}.")
    return " ".join(words)


def corrections(answer: Any) -> list[tuple[str, str]]:
    return [(str(a), str(b)) for a, b in dict(answer.corrections).items()]
