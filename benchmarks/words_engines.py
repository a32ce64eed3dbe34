"""Which engine for words? LanceDB's full-text index, sqlite's FTS5 by trigrams, and ours on FTS5.

    python benchmarks/words_engines.py     # 70,000 rows: results/words_engines.json, some minutes

Seconds are of the processor. The queries are the thirty that limits were chosen on (`words.py`),
among 70,000 made-up names. LanceDB and trigrams get what they are made for: one text for each file,
none to two edits of a word, the trigrams of the query joined by OR.
"""

from __future__ import annotations

import functools
import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from machine import machine, save
from words import FIRST, add_rows, ask, made_up, make_library, read_collection

from lorarium.library import Library
from lorarium.library.schema import SCHEMA
from lorarium.library.spaces import FILES
from lorarium.library.terms import split_terms
from lorarium.library.text_index import NAME, terms_by_field, update

ROWS = 70_000


def one_text(row: dict[str, Any]) -> str:
    return " ".join(term for terms in terms_by_field(row) for term in terms)


def measured(names: Sequence[str], ask_engine: Callable[[str], list[int]]) -> dict[str, Any]:
    """Of the queries that limits were chosen on."""
    seconds, near = [], 0
    queries = read_collection()["tuning"]
    for text, right in queries:
        started = time.process_time()
        places = ask_engine(text)
        seconds.append(time.process_time() - started)
        near += right in [names[place] for place in places[:FIRST]]
    return {
        "median_ms": round(1000 * float(np.median(seconds)), 1),
        "worst_ms": round(1000 * max(seconds), 1),
        "among_first_three": near,
        "queries": len(queries),
    }


def lance(folder: Path, names: list[str], texts: list[str]) -> dict[str, Any]:
    import lancedb
    from lancedb.index import FTS
    from lancedb.query import MatchQuery

    connection = lancedb.connect(folder)
    table = connection.create_table(
        "texts", pa.table({"place": pa.array(range(len(texts))), "text": texts})
    )
    before = bytes_of(folder)
    started = time.process_time()
    table.create_index("text", config=FTS(stem=False, remove_stop_words=False))
    built = time.process_time() - started

    def asked(text: str, edits: int) -> list[int]:
        query = MatchQuery(" ".join(split_terms(text)), "text", fuzziness=edits)
        return table.search(query).limit(FIRST).to_arrow()["place"].to_pylist()

    result: dict[str, Any] = {"build_s": round(built, 1), "bytes": bytes_of(folder) - before}
    for edits in (0, 1, 2):
        result[f"{edits} edits"] = measured(names, functools.partial(asked, edits=edits))
    return result


def trigrams(folder: Path, names: list[str], texts: list[str]) -> dict[str, Any]:
    path = folder / "trigrams.sqlite"
    started = time.process_time()
    connection = sqlite3.connect(path)
    connection.execute("CREATE VIRTUAL TABLE texts USING fts5(text, tokenize=trigram)")
    connection.executemany("INSERT INTO texts(rowid, text) VALUES (?, ?)", enumerate(texts))
    connection.commit()
    built = time.process_time() - started

    def asked(text: str) -> list[int]:
        plain = " ".join(split_terms(text))
        parts = " OR ".join('"' + plain[i : i + 3] + '"' for i in range(len(plain) - 2))
        if not parts:
            return []
        one = "SELECT rowid FROM texts WHERE texts MATCH ? ORDER BY rank LIMIT ?"
        return [row for (row,) in connection.execute(one, (parts, FIRST))]

    return {"build_s": round(built, 1), "bytes": bytes_of(path), **measured(names, asked)}


def ours(library: Library) -> dict[str, Any]:
    path = Path(str(library.folder)) / NAME
    path.unlink()
    started = time.process_time()
    update(library.store, path)
    built = time.process_time() - started
    size = bytes_of(path)
    started = time.process_time()
    add_rows(library, list(made_up(1, seed=9)))
    added = time.process_time() - started
    result = ask(library, read_collection()["tuning"])
    keys = ("median_ms", "among_first_three", "queries")
    return {
        "build_s": round(built, 1), "one_file_more_s": round(added, 2), "bytes": size,
        **{key: result[key] for key in keys},
    }  # fmt: skip


def start_seconds(program: str, *words: str) -> float:
    """Processor seconds of a process, from its start to its end, the best of five."""
    program = (
        f"import resource, sys\n{program}\n"
        "used = resource.getrusage(resource.RUSAGE_SELF)\n"
        "print(used.ru_utime + used.ru_stime, file=sys.stderr)"
    )
    runs = [
        subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True)
        for _ in range(5)
    ]
    return round(min(float(run.stderr.split()[-1]) for run in runs), 2)


def bytes_of(path: Path) -> int:
    files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    return sum(file.stat().st_size for file in files)


def main() -> None:
    results: dict[str, Any] = {"rows": ROWS}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        library = make_library(folder, 0)
        made = list(made_up(ROWS - 30))
        rows = [*library.to_arrow().to_pylist(), *made]
        library.store.put(FILES, "key", pa.Table.from_pylist(made, SCHEMA))
        names = [Path(row["path"]).stem for row in rows]
        texts = [one_text(row) for row in rows]
        results["text_bytes"] = sum(len(text.encode()) for text in texts)
        engines = {"sqlite FTS5, trigrams": trigrams, "LanceDB FTS": lance}
        results["lorarium on sqlite FTS5"] = ours(library)
        print(json.dumps(results), flush=True)
        for label, run in engines.items():
            results[label] = run(folder, names, texts)
            print(label, json.dumps(results[label]), flush=True)
        command = "from lorarium.cli import cli; cli(sys.argv[1:], standalone_mode=False)"
        results["lorarium search, all of it, s"] = start_seconds(
            command, "search", "pokmeon", "--library", str(library.folder)
        )
        results["import lancedb, s"] = start_seconds("import lancedb")
        print(json.dumps(results, indent=1))
    save("words_engines", {**results, "machine": machine()})


if __name__ == "__main__":
    main()
