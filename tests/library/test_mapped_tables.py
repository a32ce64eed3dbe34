"""Small libraries are read from mapped tables: fast, and never other than what the store holds."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

import lorarium
from lorarium.library import Library
from lorarium.library.mapped_tables import FOLDER
from lorarium.library.schema import SCHEMA
from lorarium.library.spaces import FILES
from lorarium.library.store import PLACE, Store
from tests.library.zoo import ink, write

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(lorarium.__file__).parent.parent)}


@pytest.fixture
def made(tmp_path: Path) -> Library:
    write(tmp_path / "loras", {name: ink(i) for i, name in enumerate("abcd")})
    library = Library(tmp_path / "library")
    library.index([tmp_path / "loras"], workers=0)
    return library


def paths(store: Store) -> list[str]:
    return sorted(Path(p).stem for p in store.read(FILES, ["path"])["path"].to_pylist())


def without(library: Library) -> Store:
    """The store as LanceDB has it."""
    store = Store(library.store.home)
    store._mapped = dict.fromkeys(store.names())
    return store


def test_every_question_has_one_answer(made: Library) -> None:
    fast, slow = Store(made.store.home), without(made)
    assert fast.names() == slow.names()
    for name in fast.names():
        key = "key" if name == FILES else "name" if name == "calibrations" else "id"
        columns = [n for n in slow._open(name).schema.names]
        one, two = fast.read(name, columns, places=True), slow.read(name, columns, places=True)
        assert one.schema.names == two.schema.names and len(fast._tables) == 0
        assert one.sort_by(key).to_pylist() == two.sort_by(key).to_pylist()
        assert fast.count(name) == slow.count(name)
        places = one[PLACE].to_pylist()[::-1]
        assert fast.at(name, places, [key]).equals(slow.at(name, places, [key]))
        assert len(fast.at(name, [], [key])) == 0
        if key != "name":
            some = one[key].to_pylist()[:2]
            assert sorted(fast.pick(name, key, some, [key])[key].to_pylist()) == sorted(some)


def test_a_search_imports_neither_lancedb_nor_pandas(made: Library, tmp_path: Path) -> None:
    program = (
        "import sys\nsys.argv[0] = 'lorarium'\nfrom lorarium.cli import main\n"
        "try:\n    main()\nexcept SystemExit as left:\n    assert not left.code\n"
        "heavy = {'lancedb', 'pandas', 'sklearn', 'torch', 'ray', 's3fs'} & set(sys.modules)\n"
        "sys.exit(' '.join(heavy) or 0)\n"
    )
    for query in ([str(tmp_path / "loras" / "a.safetensors")], ["--where", "rank >= 2"]):
        done = subprocess.run(
            [sys.executable, "-c", program, "search", *query, "--library", str(made.folder)],
            capture_output=True, text=True, env=ENVIRONMENT,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "b.safetensors" in done.stdout


def test_what_is_written_later_is_seen(made: Library, tmp_path: Path) -> None:
    reader = Store(made.store.home)
    assert paths(reader) == ["a", "b", "c", "d"]
    writer = without(made)  # killed before it could write mapped tables
    row = writer.read(FILES, SCHEMA.names).slice(0, 1).to_pylist()[0]
    row |= {"key": "00ff", "path": "/new.safetensors"}
    writer.put(FILES, "key", pa.Table.from_pylist([row], SCHEMA))
    assert paths(reader) == ["a", "b", "c", "d"]  # one state until the next refresh
    reader.refresh()
    assert paths(reader) == ["a", "b", "c", "d", "new"]
    writer.remove(FILES, "key", ["00ff"])
    assert paths(Store(made.store.home)) == ["a", "b", "c", "d"]
    assert paths(writer) == ["a", "b", "c", "d"]
    # the same rows, but another state: the mapped table is not asked
    fresh = Store(made.store.home)
    assert fresh._mapped_table(FILES) is None
    made.index([tmp_path / "loras"], workers=0)
    assert Store(made.store.home)._mapped_table(FILES) is not None


def test_a_table_made_anew_is_another(made: Library) -> None:
    writer = without(made)
    rows = writer.read(FILES, SCHEMA.names).slice(0, 2)
    writer.drop(FILES)
    writer.put(FILES, "key", rows)
    assert len(paths(Store(made.store.home))) == 2


@pytest.mark.parametrize("damage", [b"", b"ARROW1\0\0", None, "cut"])
def test_a_damaged_mapped_table_is_passed_over(made: Library, damage: bytes | str | None) -> None:
    for path in (made.folder / FOLDER).iterdir():
        content = path.read_bytes()
        path.unlink()
        if damage is not None:
            path.write_bytes(content[: len(content) // 2] if isinstance(damage, str) else damage)
    assert paths(Store(made.store.home)) == ["a", "b", "c", "d"]


def test_large_tables_have_none(
    made: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lorarium.library.store.MOST_ROWS", 4)
    write(tmp_path / "loras", {"e": ink(9)})
    made.index([tmp_path / "loras"], workers=0)
    assert not (made.folder / FOLDER / f"{FILES}.arrow").exists()
    assert len(made) == 5


def test_a_library_that_cannot_be_written_is_read(made: Library) -> None:
    (made.folder / FOLDER / f"{FILES}.arrow").unlink()
    (made.folder / FOLDER).chmod(0o500)
    try:
        made.refresh()
        assert len(made) == 4
    finally:
        (made.folder / FOLDER).chmod(0o700)


def test_data_frames_are_served_all_the_same(made: Library) -> None:
    pytest.importorskip("pandas")
    assert list(made.to_pandas()["family"]) == ["micro-1"] * 4
