"""Words find files by what is written in and beside them, and the index of it survives anything."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pytest
from benchmarks.words import add_rows, ask, made_up, make_library, read_collection
from hypothesis import given, settings
from hypothesis import strategies as st

from lorarium.errors import LorariumError
from lorarium.library import Library, Query
from lorarium.library.schema import FACTS, SCHEMA
from lorarium.library.spaces import FILES
from lorarium.library.store import Store
from lorarium.library.text_index import NAME, TextIndex, update
from tests.library.zoo import ink, write

ROWS = 2500  # more than are mapped, so that the store is LanceDB's


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Library:
    return make_library(tmp_path_factory.mktemp("words"), ROWS)


def stems(library: Library, text: str, k: int = 3) -> list[str]:
    return [Path(match.path).stem for match in library.search(Query("words", text), k=k)]


def index_of(library: Library) -> Path:
    return Path(str(library.folder)) / NAME


@pytest.mark.parametrize("part", ["tuning", "untouched"])
def test_the_right_file_is_among_the_first_three(made: Library, part: str) -> None:
    result = ask(made, read_collection()[part])
    assert result["share"] >= 0.9, result["missed"]


def test_every_match_says_why_it_is_here(made: Library) -> None:
    answer = made.search("shuimobysm")
    assert Path(answer[0].path).stem == "MoXinV1" and answer.close
    assert answer[0].why == ("trigger words", "typing: shuimobysm → shuimobysim")
    assert answer.corrections == {"shuimobysm": "shuimobysim"}
    assert made.search("thelastben")[0].why == ("author",)
    assert made.search("nearest neighbour downscale")[0].why == ("description",)
    assert "folder" in made.search("effects")[0].why
    scores = [match.score for match in made.search("pixel style", k=50)]
    assert scores == sorted(scores, reverse=True) and all(0 < score <= 1 for score in scores)
    document = answer.to_json()
    assert document["matches"][0]["text_score"] == round(answer[0].score, 6)


def test_nothing_close_is_said(made: Library) -> None:
    answer = made.search("qwertzuiop")
    assert answer.close is False and answer.matches == () and answer.corrections == {}
    answer = made.search("zzyzx anime")
    assert answer.close is False and len(answer) == 10


def test_phrases_minus_words_and_filters(made: Library) -> None:
    assert stems(made, '"night city"') == ["edgerunners-style-v1"]
    assert stems(made, '"city night"') == []
    logos = stems(made, "logo", 2000)
    assert "Harrlogos_v2.0" in logos and "LogoRedmondV2-Logo-LogoRedmAF" in logos
    without = stems(made, "logo -redmond", 2000)
    assert "Harrlogos_v2.0" in without and "LogoRedmondV2-Logo-LogoRedmAF" not in without
    assert stems(made, "logo family:micro-1 tag:branding") == ["LogoRedmondV2-Logo-LogoRedmAF"]
    assert stems(made, "pixel rank>900") == []
    facts = [match.facts for match in made.search("neon rank>=64 size<100MB", k=50)]
    assert len(facts) > 5 and all(f["rank"] >= 64 and f["size"] < 1e8 for f in facts)
    listed = made.search("family:micro-1 folder:flux", k=50)
    assert {Path(m.path).parent.parent.name for m in listed} == {"flux"} and len(listed) == 4
    listed = made.search("family:micro-1 folder:flux -tarot", k=50)
    assert len(listed) == 3 and not any("tarot" in match.path for match in listed)
    both = made.search("style", where="family = micro-1", k=50)
    assert {match.facts["family"] for match in both} == {"micro-1"}


def test_what_is_left_out_is_counted(made: Library) -> None:
    rows = made.to_arrow("text ~ bonsai").to_pylist()
    answer = made.search("bonsai", k=5)
    assert len(answer) == 5 and answer.more == len(rows) - 5
    few = [row for row in rows if row["rank"] >= 32]
    assert made.search("bonsai rank>=32", k=5).more == len(few) - 5
    styled = made.to_arrow("text ~ style").num_rows
    assert styled > 500  # more than are scored
    answer = made.search("style", k=7)
    assert len(answer) == 7 and styled * 0.95 < answer.more + 7 <= styled * 1.05


@settings(max_examples=60, deadline=None)
@given(st.text(min_size=1, max_size=80) | st.lists(st.sampled_from(
    ['"', "*", "(", ")", "NEAR", "OR", "AND", "NOT", "-", "^", ":", "ink", "{", "+", "\0"]
), min_size=1).map(" ".join))  # fmt: skip
def test_no_text_is_a_query_language(made: Library, text: str) -> None:
    try:
        made.search(Query("words", text), k=2)
    except LorariumError as error:
        assert "\n" not in str(error)


def test_long_text_is_refused_or_cut(made: Library) -> None:
    started = time.process_time()
    made.search(Query("words", " ".join(f"w{i}" for i in range(200))))
    assert time.process_time() - started < 5
    with pytest.raises(LorariumError, match="at most 1000"):
        made.search(Query("words", "ink " * 300))


def test_a_search_by_words_needs_no_lancedb(made: Library) -> None:
    program = (
        "import sys\nfrom lorarium.library import Library\n"
        f"answer = Library({str(made.folder)!r}).search('pokmeon')\n"
        "assert answer[0].path.endswith('pokemon_v3_offset.safetensors'), answer\n"
        "sys.exit(' '.join({'lancedb', 'sklearn', 'torch', 'pandas'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_index_is_made_again_from_the_store(made: Library) -> None:
    path = index_of(made)
    first = stems(made, "ghibly style", 5)
    for harm in ("gone", "damaged", "cut short", "another version"):
        if harm == "gone":
            path.unlink()
        elif harm == "damaged":
            path.write_bytes(b"no database" * 1000)
        elif harm == "cut short":
            os.truncate(path, path.stat().st_size // 2)
        else:
            connection = sqlite3.connect(path)
            connection.execute("UPDATE about SET value = '0' WHERE name = 'version'")
            connection.commit()
            connection.close()
        assert stems(made, "ghibly style", 5) == first, harm


def test_what_a_kill_left_is_swept(made: Library) -> None:
    left, young = (index_of(made).with_name(f".{NAME}.{end}") for end in ("old", "new"))
    for path in (left, young):
        path.write_bytes(b"half")
    os.utime(left, (time.time() - 7200,) * 2)
    index_of(made).unlink()
    stems(made, "ink")
    assert not left.exists() and young.exists()
    young.unlink()


@pytest.fixture
def small(tmp_path: Path) -> Library:
    titled = {"modelspec.title": "Kestrel dreams"}
    write(tmp_path / "loras", {"a": ink(1).with_(metadata=titled), "b": ink(2), "c": ink(3)})
    library = Library(tmp_path / "library", encoders={})
    library.index([tmp_path / "loras"], workers=0)
    add_rows(library, list(made_up(300)))
    return library


def test_it_is_kept_up_to_date_by_differences(small: Library, tmp_path: Path) -> None:
    inode = index_of(small).stat().st_ino
    assert stems(small, "kestrel") == ["a"] and stems(small, "ospreys") == []
    loras = tmp_path / "loras"
    (loras / "a.safetensors").rename(loras / "renamed.safetensors")
    (loras / "b.safetensors").unlink()
    (loras / "c.txt").write_text("three ospreys over the lake")
    small.index([loras], workers=0)
    assert stems(small, "kestrel") == ["renamed"] and stems(small, "osprey") == ["c"]
    assert index_of(small).stat().st_ino == inode
    fresh = tmp_path / "fresh.sqlite"
    update(small.store, fresh)
    for table in ("docs", "texts"):
        ours, anew = (
            sorted(sqlite3.connect(path).execute(f"SELECT * FROM {table}").fetchall())
            for path in (index_of(small), fresh)
        )
        if table == "docs":
            ours, anew = (
                [row[1:] for row in sorted(rows, key=lambda r: r[1])] for rows in (ours, anew)
            )
        assert ours == anew


def test_a_reader_that_finds_it_behind_helps_itself(small: Library) -> None:
    behind = index_of(small).read_bytes()
    row = next(made_up(1, seed=7)) | {"title": "Whimbrel", "path": "/x/whimbrel.safetensors"}
    add_rows(small, [row])
    index_of(small).write_bytes(behind)
    assert stems(small, "whimbrel") == ["whimbrel"]
    index_of(small).unlink()
    index_of(small).mkdir()  # nothing can be written there
    assert stems(small, "whimbrel") == ["whimbrel"]


def test_copies_are_one_match(small: Library) -> None:
    rows = [
        next(made_up(1, seed=8)) | {"key": f"{i:032x}", "id": "ab" * 16, "path": path, "title": ""}
        for i, path in enumerate(("/x/zz/curlew.safetensors", "/x/aa/other.safetensors"))
    ]
    add_rows(small, rows)
    (match,) = small.search("curlew")
    assert match.paths == ("/x/zz/curlew.safetensors", "/x/aa/other.safetensors")


def test_a_library_of_an_older_version(tmp_path: Path) -> None:
    """Its table lacks columns: it is read as it is, and gets them when it is indexed again."""
    write(tmp_path / "loras", {"a": ink(1).with_(metadata={"modelspec.title": "Kestrel"})})
    library = Library(tmp_path / "library", encoders={})
    library.index([tmp_path / "loras"], workers=0)
    (tmp_path / "loras" / "a.txt").write_text("over the lake")
    old = library.store.read(FILES, SCHEMA.names).drop_columns(["names", "about"])
    older = old.set_column(old.schema.get_field_index("reader"), "reader", pa.array(["1.0"]))
    library.store.drop(FILES)
    library.store.put(FILES, "key", older)
    shutil.rmtree(tmp_path / "library" / "snapshot")
    library.refresh()
    assert stems(library, "kestrel") == ["a"] and library.search(where="rank = 4")
    assert set(FACTS) == set(library.to_arrow().schema.names)
    assert library.index([tmp_path / "loras"], workers=0).changed == 1
    assert library.search("lake")[0].why == ("description",)


def test_an_index_of_a_store_without_files(tmp_path: Path) -> None:
    TextIndex(Store(tmp_path)).write()
    assert list(tmp_path.iterdir()) == []
