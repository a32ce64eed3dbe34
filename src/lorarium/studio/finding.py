"""One box: words, a file, pictures, a filter, in any mixture; each answer says why it is there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lorarium.errors import LorariumError
from lorarium.library.search import Query
from lorarium.studio.house import House
from lorarium.studio.shelf import Wanted

MOST = 200


def find(
    house: House, text: str, where: str, keys: Sequence[str], uploads: Sequence[str], count: int
) -> dict[str, Any]:
    """Cards with `score` and `why`, best first, and what is to be said of the whole answer."""
    queries = [Query("adapter", house.file(key)) for key in keys]
    for name in uploads:
        kind = "adapter" if house.uploads.kind(name) == "adapter" else "pictures"
        queries.append(Query(kind, house.uploads.path(name)))
    count = max(1, min(count, MOST))
    if not queries:
        return _by_words(house, text, where, count)
    if text.strip():
        queries.append(Query("words", text))
    with house.lock:
        answer = house.library.search(*queries, k=count, where=where or None)
    shelf = house.shelf
    rows = []
    for match in answer.matches:
        for card in shelf.rows_of(match.paths[:1]):
            rows.append({**card, "score": round(match.score, 4), "why": _why(match, answer.space)})
    note = "nothing is close" if answer.close is False else ""
    return {"rows": rows, "note": note, "family": answer.family, "space": answer.space}


def _why(match: Any, space: str) -> str:
    return match.relation or f"alike {match.score:.2f} ({space})"


def _by_words(house: House, text: str, where: str, count: int) -> dict[str, Any]:
    if not text.strip() and not where.strip():
        raise LorariumError("what should be searched for?", hint="words, a file, a picture")
    page = house.shelf.page(Wanted(words=text, where=where), 0, count)
    rows = [{**row, "score": None, "why": "the words are in it"} for row in page["rows"]]
    return {"rows": rows, "note": "" if rows else "nothing has these words", "total": page["total"]}
