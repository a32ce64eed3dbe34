"""Search by words: is the right file among the first three?

    python benchmarks/words.py             # 30 files among 3,000 made-up ones: results/words.json

`words_collection.json` has thirty LoRAs by their public names, and sixty queries, two in five with
typing mistakes or words run together, written before anything was tuned: `tuning` is what limits
were chosen on, nothing was chosen on `untouched`, though faults were mended after it was seen. The
files are written with their sidecars and indexed; the made-up ones share their common words (style,
anime, xl, pixel, logo, dark) and go into the library as rows.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from lorarium import formats
from lorarium.formats.example import example
from lorarium.library import Library, Query
from lorarium.library import folder as place
from lorarium.library.scan import key_of
from lorarium.library.schema import SCHEMA
from lorarium.library.spaces import FILES
from lorarium.library.text_index import TextIndex

COLLECTION = Path(__file__).with_name("words_collection.json")
DISTRACTORS, FIRST = 3000, 3

# of made-up names; the first list is of words that the thirty files have too
COMMON = (
    "style anime xl sdxl pixel logo dark detail retro cute film photo illustration portrait art "
    "manga sketch ink watercolor neon cyberpunk game character noise text lines toy clay paper "
    "card night light realistic cinematic offset lora v1 v2 flux pony sd15 concept clothing"
).split()
SUBJECTS = (
    "falcon orchid harbor lantern meadow dragonfly samurai viking robot mermaid castle lighthouse "
    "tundra canyon desert jungle monsoon aurora glacier volcano temple market subway kitchen "
    "library garage armor kimono hoodie corset turban braid freckles tattoo goggles umbrella "
    "teapot violin motorbike zeppelin submarine locomotive bonsai cactus octopus raven "
    "badger lynx moth"
).split()
MANNERS = (
    "gouache charcoal linocut risograph etching fresco mosaic stained impasto pastel crayon "
    "blueprint lowpoly origami embroidery graffiti vaporwave brutalist baroque rococo cubist "
    "fauvist dreamy gritty glossy matte faded grainy vivid muted golden crimson teal ivory"
).split()
SYLLABLES = "ka ri mo ve lun dor sha tel bri zan qu ost yel fen gar mi nor pha rux sil tov".split()


def read_collection() -> dict[str, Any]:
    return json.loads(COLLECTION.read_text("utf-8"))


def write_files(folder: Path, files: Sequence[dict[str, Any]]) -> None:
    """Each as a small LoRA of its own with what lies beside it."""
    for seed, file in enumerate(files):
        path = folder / file["folder"] / f"{file['file']}.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        adapter = example(family="micro-1", seed=seed, rank=1, metadata=file["header"])
        formats.write(adapter, path, "kohya", force=True)
        stem = path.parent / file["file"]
        if civitai := file.get("civitai"):
            tags = civitai.get("tags", [])
            info = {**civitai, "model": {**civitai["model"], "tags": tags}}
            _write(f"{stem}.civitai.info", {k: v for k, v in info.items() if k != "tags"})
        if "manager" in file:
            _write(f"{stem}.metadata.json", file["manager"])
        if "webui" in file:
            _write(f"{stem}.json", file["webui"])
        if "text" in file:
            Path(f"{stem}.txt").write_text(file["text"], "utf-8")


def _write(path: str, document: dict[str, Any]) -> None:
    Path(path).write_text(json.dumps(document, ensure_ascii=False), "utf-8")


def made_up(count: int, seed: int = 0) -> Iterator[dict[str, Any]]:
    """Rows of files that nobody has."""
    rng = np.random.default_rng(seed)

    def some(words: Sequence[str], n: int) -> list[str]:
        return [words[i] for i in rng.integers(len(words), size=n)]

    for number in range(count):
        proper = "".join(some(SYLLABLES, int(rng.integers(2, 4))))
        name = [*some([*SUBJECTS, proper], 1), *some(MANNERS, 1), *some(COMMON, 1)]
        if rng.random() < 0.4:
            name.insert(0, proper)
        spelled = ("_".join(name), "".join(w.title() for w in name), "-".join(name))
        stem = spelled[int(rng.integers(3))] + ("" if rng.random() < 0.5 else f"_{number % 97}")
        path = f"/loras/{some(COMMON, 1)[0]}/{number}/{stem}.safetensors"
        yield dict.fromkeys(SCHEMA.names) | {
            "key": key_of(path), "path": path, "id": f"{number:032x}", "fingerprint": "",
            "size": int(rng.integers(2**20, 2**28)), "modified": number, "changed": number,
            "inode": number, "beside": "", "reader": "made up", "family": "unknown",
            "title": " ".join(name).title() if rng.random() < 0.7 else "",
            "names": [], "tags": some(COMMON, 3) + some(MANNERS, 2), "kinds": ["lora"],
            "words": [" ".join(some([*name, *COMMON], 2))], "parts": [], "health": [],
            "about": " ".join(some([*COMMON, *SUBJECTS, *MANNERS], 12)), "error": "",
            "rank": float(2 ** rng.integers(2, 8)), "described": False,
        }  # fmt: skip


def add_rows(library: Library, rows: Sequence[dict[str, Any]]) -> None:
    with place.writing(library.folder):  # type: ignore[arg-type]
        library.store.put(FILES, "key", pa.Table.from_pylist(list(rows), SCHEMA))
        TextIndex(library.store).write()
    library.refresh()


def make_library(folder: Path, distractors: int = DISTRACTORS) -> Library:
    """The thirty files and the made-up ones, without any vectors."""
    write_files(folder / "loras", read_collection()["files"])
    library = Library(folder / "library", encoders={})
    library.index([folder / "loras"], workers=0)
    if distractors:
        add_rows(library, list(made_up(distractors)))
    return library


def ask(library: Library, queries: Sequence[Sequence[str]]) -> dict[str, Any]:
    """The share of queries whose file is among the first, and those whose is not; milliseconds
    are of the processor."""
    places, missed, seconds, close = [], [], [], 0
    for text, right in queries:
        started = time.process_time()
        answer = library.search(Query("words", text), k=20)
        seconds.append(time.process_time() - started)
        close += answer.close is True
        names = [Path(match.path).stem for match in answer]
        rank = names.index(right) + 1 if right in names else None
        places.append(rank)
        if rank is None or rank > FIRST:
            missed.append({"query": text, "right": right, "rank": rank, "first": names[:FIRST]})
    near = sum(rank is not None and rank <= FIRST for rank in places)
    return {
        "queries": len(places),
        "among_first_three": near,
        "first": places.count(1),
        "close": close,
        "share": round(near / len(places), 3),
        "median_ms": round(1000 * float(np.median(seconds)), 1),
        "missed": missed,
    }


def ask_for_absent(library: Library, texts: Sequence[str]) -> dict[str, Any]:
    """Of queries for what is not there: how many are answered by saying so."""
    answers = {text: library.search(Query("words", text), k=3) for text in texts}
    wrong = {t: [Path(m.path).stem for m in a] for t, a in answers.items() if a.close is not False}
    return {
        "absent": len(texts),
        "absent_called_so": len(texts) - len(wrong),
        "mistaken_for": wrong,
    }


def main() -> None:
    from machine import machine, save

    collection = read_collection()
    parts = ("tuning",) if sys.argv[1:] == ["tuning"] else ("tuning", "untouched")
    with tempfile.TemporaryDirectory() as folder:
        library = make_library(Path(folder))
        results = {part: ask(library, collection[part]) for part in parts}
        for part in parts:
            results[part] |= ask_for_absent(library, collection[f"absent_{part}"])
        total = len(library)
    for part, result in results.items():
        print(f"{part}: {result['among_first_three']} of {result['queries']} among the first three")
        for miss in result["missed"]:
            print(f"  {miss['query']}: {miss['right']} is {miss['rank']}, first {miss['first']}")
        print(f"  of {result['absent']} that are absent {result['absent_called_so']} are called so")
        print(f"  {result['mistaken_for']}, close of those that are here: {result['close']}")
    if "untouched" in results:
        save("words", {"files": total, **results, "machine": machine()})


if __name__ == "__main__":
    main()
