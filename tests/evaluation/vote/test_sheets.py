"""Blind sheets: every picture once, at the place that the key says, and nothing told."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lorarium.errors import LorariumError
from lorarium.evaluation.vote.answers import read_key, read_sheets
from lorarium.evaluation.vote.ballots import Array, Ballot, Candidates
from lorarium.evaluation.vote.layout import HEAD, LARGEST
from lorarium.evaluation.vote.sheets import make_sheets
from tests.evaluation.vote.examples import ballot, flat, made

ONE_OF_EACH = [ballot("a", "style"), ballot("a", "subject"), ballot("b", "merge")]


def pixels(path: Path) -> Array:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def test_every_picture_stands_where_the_key_says(tmp_path: Path) -> None:
    public, key = made(tmp_path, ONE_OF_EACH)
    assert sorted(public) == ["merge-01", "style-01", "subject-01"]
    of_kind = {b.kind: b for b in ONE_OF_EACH}
    for name, sheet in public.items():
        drawn = pixels(tmp_path / "sheets" / sheet["picture"])
        rows = {row.source: row for row in of_kind[sheet["kind"]].rows}
        seen = set()
        for cell, (left, top, width, height) in sheet["cells"].items():
            sealed = key[name]["cells"][cell]
            seen.add((sealed["source"], sealed["picture"]))
            tile = drawn[top + HEAD : top + height, left : left + width]
            assert tile.shape == (160, 160, 3)
            assert (tile == rows[sealed["source"]].pictures[sealed["picture"], 0, 0]).all()
        assert seen == {(s, n) for s, row in rows.items() for n in range(len(row.pictures))}


def test_nothing_that_voters_see_names_a_source_or_target(tmp_path: Path) -> None:
    made(tmp_path, [ballot("ink-17", "style"), ballot("ink-17", "merge", held=True)])
    for path in (tmp_path / "sheets").iterdir():
        content = path.read_bytes().lower()
        for word in (b"true renders", b"strangers", b"our way", b"ink-17", b"held", b"salt"):
            assert word not in content, f"{path.name} has {word!r}"
        if path.suffix == ".png":
            with Image.open(path) as picture:
                assert picture.info == {}


def test_one_seed_makes_the_same_bytes_and_none_makes_others(tmp_path: Path) -> None:
    def content(name: str, seed: int | None) -> dict[str, bytes]:
        made(tmp_path / name, ONE_OF_EACH, seed=seed)
        return {
            str(path.relative_to(tmp_path / name)): path.read_bytes()
            for path in (tmp_path / name).rglob("*") if path.is_file()
        }  # fmt: skip

    assert content("one", 1) == content("again", 1)
    assert content("first", None)["key.json"] != content("second", None)["key.json"]


def test_the_order_is_random(tmp_path: Path) -> None:
    _, key = made(tmp_path, [ballot(f"t{i}") for i in range(6)])
    orders = [
        tuple((of["source"], of["picture"]) for of in entry["cells"].values())
        for entry in key.values()
    ]
    assert len(set(orders)) == 6 and all(list(order) != sorted(order) for order in orders)
    assert [entry["target"] for entry in key.values()] != [f"t{i}" for i in range(6)]


@pytest.mark.parametrize("change", ["source", "salt", "held"])
def test_a_key_that_was_changed_is_refused(tmp_path: Path, change: str) -> None:
    made(tmp_path, [ballot("a")])
    path = tmp_path / "key.json"
    document = json.loads(path.read_text())
    entry = document["sheets"]["style-01"]
    if change == "source":
        entry["cells"]["1"]["source"] = "another"
    else:
        entry[change] = "00" if change == "salt" else True
    path.write_text(json.dumps(document))
    with pytest.raises(LorariumError, match="not the key that was sealed"):
        read_key(path, read_sheets(tmp_path / "sheets"))


def test_the_key_may_not_lie_among_the_sheets(tmp_path: Path) -> None:
    with pytest.raises(LorariumError, match="outside"):
        make_sheets([ballot("a")], tmp_path / "sheets", tmp_path / "sheets" / "key.json")
    made(tmp_path, [ballot("a")])
    with pytest.raises(LorariumError, match="not an empty folder"):
        make_sheets([ballot("a")], tmp_path / "sheets", tmp_path / "other.json")
    with pytest.raises(LorariumError, match="a key already"):
        make_sheets([ballot("a")], tmp_path / "new", tmp_path / "key.json")


@pytest.mark.parametrize(
    ("kind", "tile"), [("style", 160), ("merge", 160), ("pair", 160), ("merge", 320)]
)
def test_what_does_not_fit_goes_on_further_sheets_with_its_share_of_each_row(
    tmp_path: Path, kind: str, tile: int
) -> None:
    public, key = made(tmp_path, [ballot("a", kind, pictures=31)], tile=tile)
    assert len(public) > 1
    counts = []
    for name, sheet in public.items():
        shape = pixels(tmp_path / "sheets" / sheet["picture"]).shape
        assert max(shape) <= LARGEST
        cells = key[name]["cells"].values()
        sources = [tuple(sorted(of.get(side, of)["source"] for side in "ab")) for of in cells]
        counts.append([sources.count(source) for source in sorted(set(sources))])
    table = np.array(counts)
    assert table.shape[1] == 3 and table.sum() == 93
    assert np.ptp(table, axis=0).max() <= 1


def test_pairs_are_of_one_number_and_change_sides(tmp_path: Path) -> None:
    _, key = made(tmp_path, [ballot("a", "pair", 60, ["true renders", "strangers"])])
    pairs = [pair for entry in key.values() for pair in entry["cells"].values()]
    assert {p["a"]["picture"] for p in pairs} == set(range(60))
    assert all(p["a"]["picture"] == p["b"]["picture"] for p in pairs)
    assert all({p["a"]["source"], p["b"]["source"]} == {"true renders", "strangers"} for p in pairs)
    assert 15 < sum(p["a"]["source"] == "true renders" for p in pairs) < 45


def test_small_pictures_are_enlarged_smoothly_and_long_ones_kept_whole(tmp_path: Path) -> None:
    step = np.zeros((1, 48, 48, 3), np.uint8)
    step[:, :, 24:] = 200
    wide = np.full((1, 20, 80, 3), 90, np.uint8)
    rows = (Candidates("step", step), Candidates("wide", wide))
    public, key = made(tmp_path, [Ballot("a", "style", {"style": flat(9)}, rows)])
    drawn = pixels(tmp_path / "sheets" / "style-01.png")
    for cell, (left, top, width, height) in public["style-01"]["cells"].items():
        tile = drawn[top + HEAD : top + height, left : left + width]
        if key["style-01"]["cells"][cell]["source"] == "step":
            assert len(np.unique(tile)) > 4  # nearest neighbours would have two
        else:
            assert (tile[80] == 90).all() and (tile[0] == 255).all()


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (Ballot("x", "style", {}, ballot("x").rows), "references"),
        (Ballot("x", "merge", {"style": flat(1)}, ballot("x").rows), "references"),
        (Ballot("x", "style", {"style": flat(1)}, ()), "too few rows"),
        (Ballot("x", "style", {"style": flat(1)}, ballot("x").rows * 2), "one name"),
        (Ballot("x", "style", {"style": flat(1)}, (Candidates("r", flat(1), "so"),)), "no answer"),
        (Ballot("x", "style", {"style": flat(1) / 2}, ballot("x").rows), "uint8"),
        (Ballot("x", "vibe", {"style": flat(1)}, ballot("x").rows), "no sheets are of kind"),
    ],
)
def test_ballots_that_cannot_stand_on_a_sheet(tmp_path: Path, bad: Ballot, words: str) -> None:
    with pytest.raises(LorariumError, match=words):
        make_sheets([bad], tmp_path / "sheets", tmp_path / "key.json")
    assert not (tmp_path / "sheets").exists() and not (tmp_path / "key.json").exists()


def test_one_target_is_put_to_the_vote_once(tmp_path: Path) -> None:
    with pytest.raises(LorariumError, match="one target"):
        make_sheets([ballot("a"), ballot("a")], tmp_path / "sheets", tmp_path / "key.json")
