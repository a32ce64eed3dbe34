"""One box: words, a file, pictures, in any mixture, among what the filters let through."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lorarium.errors import LorariumError
from lorarium.library.search import Query
from lorarium.studio.house import House
from lorarium.studio.shelf import Wanted


def find(
    house: House, wanted: Wanted, keys: Sequence[str], uploads: Sequence[str], count: int
) -> dict[str, Any]:
    """Cards with `score` and `why`, best first, and what is to be said of the whole answer."""
    queries = [Query("adapter", house.file(key)) for key in keys]
    for name in uploads:
        kind = "adapter" if house.uploads.kind(name) == "adapter" else "pictures"
        queries.append(Query(kind, house.uploads.path(name)))  # type: ignore[arg-type]
    if not queries:
        return _by_words(house, wanted, count)
    if wanted.words.strip():
        queries.append(Query("words", wanted.words))
    with house.lock:
        where = wanted.where or None
        answer = house.library.search(*queries, k=count, where=where)
    shelf = house.shelf
    passing = shelf.passing(wanted)
    rows = [
        {**card, "score": round(match.score, 4), "why": f"alike {match.score:.2f}"}
        for match in answer.matches
        for card in shelf.rows_of(match.paths)[:1]
        if card["key"] in passing
    ]
    note = "Nothing is close to it; these are the nearest." if answer.close is False else ""
    return {"rows": rows, "note": note, "family": answer.family, "space": answer.space}


def _by_words(house: House, wanted: Wanted, count: int) -> dict[str, Any]:
    if not wanted.words.strip():
        raise LorariumError("what should be searched for?", hint="words, a file, a picture")
    page = house.shelf.page(wanted, 0, count)
    rows = [{**row, "score": None, "why": "has these words"} for row in page["rows"]]
    return {"rows": rows, "note": "", "total": page["total"]}
