"""`evaluate merge` on a zoo minted on a tiny base."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from lorarium.bases.micro2 import Micro2Base  # noqa: E402
from lorarium.bases.sampling import sample  # noqa: E402
from lorarium.errors import LorariumError  # noqa: E402
from lorarium.evaluation.describe.zoo import read_zoo  # noqa: E402
from lorarium.evaluation.merge import (  # noqa: E402
    Options,
    drawing,
    evaluate_merge,
)
from lorarium.evaluation.merge.cells import (  # noqa: E402
    crowded,
    members,
    spread,
    strangers,
    table,
    true_pictures,
)
from lorarium.evaluation.merge.page import page, summary  # noqa: E402
from lorarium.evaluation.merge.rows import (  # noqa: E402
    CONTROLS,
    MERGES,
    NETWORKS,
    draw,
    named,
    rows_for,
)
from lorarium.formats import read  # noqa: E402
from lorarium.mergers import METHODS  # noqa: E402
from tests.bases.tiny import micro  # noqa: E402
from tests.evaluation.merge.tiny_zoo import tiny_zoo  # noqa: E402

torch.set_num_threads(1)
ONLY = ("true renders", "words alone", "joint training", "sum", "np-lora", "k-lora")
SMALL = Options(side=2, screened=1, pictures=2, near=2, true=8, steps=2, only=ONLY)


@pytest.fixture(scope="module")
def minted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Micro2Base]:
    base = micro()
    return tiny_zoo(tmp_path_factory.mktemp("zoo"), base), base


@pytest.mark.slow
def test_one_document_and_nothing_is_drawn_twice(
    minted: tuple[Path, Micro2Base], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, base = minted
    sheet = tmp_path / "sheet.png"
    document = evaluate_merge(folder, tmp_path / "drawn", base, SMALL, sheet=sheet)
    json.dumps(document, allow_nan=False)
    rows = {row["name"]: row for row in document["headline"]["rows"]}
    assert document["headline"]["cells"] == [2, 2] and document["screening"]["cells"] == [1, 1]
    assert {"true renders", "sum"} <= set(rows)
    assert "joint training" in {row["name"] for row in document["screening"]["rows"]}
    # renders of the world pass more than what a random base draws
    assert rows["true renders"]["style"] > 0.5 > rows["sum"]["style"]
    assert all(row["both"] <= min(row["subject"], row["style"]) + 1e-9 for row in rows.values())
    for name in ("of three", "of four"):
        more = {row["name"] for row in document[name]["rows"]}
        assert {"true renders", "sum"} == more and name in page(document).lower()
    assert document["distances"]["true renders"] < document["distances"]["sum"]
    assert {c["row"] for c in document["curves"]["sum"]} >= {"sum", "sum at 1 and 0.5"}
    pairs = {(p["row"], p["less"]) for p in document["screening"]["paired"]}
    assert ("joint training", "sum") in pairs or ("joint training", "np-lora") in pairs
    assert any(text.startswith("b-lora") for text in document["skipped"])
    assert "np-lora" in page(document) and "sum" in summary(document)
    assert sheet.read_bytes().startswith(b"\x89PNG")

    def never(*_: object) -> None:
        raise AssertionError("drawn again")

    monkeypatch.setattr(drawing, "make", never)
    assert evaluate_merge(folder, tmp_path / "drawn", base, SMALL) == document


def test_every_method_is_a_row_or_says_why_not() -> None:
    unlearned = {"lora-rar", "roles"}  # for bases of others, until they are adopted
    for family, apart in (
        ("sd1", {"b-lora", *unlearned}), ("sdxl", unlearned), ("micro-1", {"b-lora"}),
    ):  # fmt: skip
        rows, skipped = rows_for(family)
        drawn = {row.method for row in rows}
        reasons = {text.partition(":")[0] for text in skipped}
        assert (
            reasons == {"cat", "auto"} | apart
            and METHODS.keys() == (drawn & METHODS.keys()) | reasons
        )
    assert len({row.name for row in MERGES}) == len(MERGES)
    assert set(NETWORKS) == {"lora-rar", "roles"}


def test_rows_share_noise_and_say_what_they_draw(minted: tuple[Path, Micro2Base]) -> None:
    folder, base = minted
    zoo = read_zoo(folder)
    cells = table(zoo, *(members(zoo, kind, "test", 2) for kind in ("subject", "style")))
    assert [c.prompt for c in cells][:2] == ["a sub1 cat in sty1", "a sub1 cat in sty1"]
    cell = cells[1]
    pair = [(read(path), 1.0) for path in cell.paths]
    seed = 1_000_000 + cell.seed
    expected = sample(base, [cell.prompt] * 2, adapters=pair, steps=2, seed=seed)
    made = draw(named(MERGES, "sum"), cell, base, 2, 2, 0).pictures
    assert np.abs(made.astype(int) - expected).max() <= 1
    words = draw(named(CONTROLS, "words alone"), cell, base, 2, 2, 0).pictures
    prompt = f"a {cell.entries[0].of[0]} in {cell.entries[1].of[0]}"
    np.testing.assert_array_equal(words, sample(base, [prompt] * 2, steps=2, seed=seed))
    assert not np.array_equal(true_pictures(cell, 1, 24), strangers(cell, 1, 24))


def test_a_crowd_is_merged_and_a_pair_is_asked_for(minted: tuple[Path, Micro2Base]) -> None:
    folder, base = minted
    zoo = read_zoo(folder)
    cells = table(zoo, *(members(zoo, kind, "test", 2) for kind in ("subject", "style")))
    four = crowded(zoo, cells, ["style", "subject"], "test")[0]
    assert [e.kind for e, _ in four.everyone] == ["subject", "subject", "style", "style"]
    assert sorted(e.token for e, _ in four.everyone) == ["sty1", "sty2", "sub1", "sub2"]
    assert len({e.of for e, _ in four.everyone}) == 4 and four.prompt == cells[0].prompt
    stack = [(read(path), 1.0) for _, path in four.everyone]
    expected = sample(base, [four.prompt], adapters=stack, steps=2, seed=1_000_000 + four.seed)
    made = draw(named(MERGES, "sum"), four, base, 1, 2, 0).pictures
    assert np.abs(made.astype(int) - expected).max() <= 1
    assert crowded(zoo, cells, ["style"], "validation") == []


def test_members_take_each_genre_before_a_second_artist(minted: tuple[Path, Micro2Base]) -> None:
    zoo = read_zoo(minted[0])
    assert [e.of[0] for e in members(zoo, "style", "test", 5)] == ["ink", "oil"]
    assert len(members(zoo, "style", "test", 1)) == 1
    with pytest.raises(LorariumError, match="in R9"):
        members(zoo, "style", "test", 2, "R9")
    assert spread(3, 9) == [0, 4, 8] and spread(9, 2) == [0, 1]


def test_damaged_files_are_drawn_again(minted: tuple[Path, Micro2Base], tmp_path: Path) -> None:
    folder, base = minted
    zoo = read_zoo(folder)
    cells = table(zoo, *(members(zoo, kind, "test", 1) for kind in ("subject", "style")))
    gallery = drawing.PictureCache(base, tmp_path)
    task = (named(MERGES, "sum"), cells[0], 1, 2, 0)
    gallery.fill([task])
    before = gallery[task].pictures
    gallery.place(task).write_bytes(b"PK broken")
    gallery.fill([task])
    np.testing.assert_array_equal(gallery[task].pictures, before)


def test_errors(minted: tuple[Path, Micro2Base], tmp_path: Path) -> None:
    folder, base = minted
    with pytest.raises(LorariumError, match="another base"):
        evaluate_merge(folder, tmp_path, micro(seed=3))
    with pytest.raises(LorariumError, match="no row of these names"):
        evaluate_merge(folder, tmp_path, base, Options(only=("b-lora",)))
