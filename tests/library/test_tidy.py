"""Tidying: what is planned, what stays whatever the plan says, and back again."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from lorarium import formats
from lorarium.adapter import Adapter
from lorarium.algebra import cast, recompress, scale
from lorarium.errors import LorariumError
from lorarium.library import Library
from lorarium.library.tidy_plan import Item, Plan
from tests.library.zoo import each, ink, library, write


def few(a: Adapter) -> Adapter:
    return a.with_(deltas=dict(list(a.items())[:4]))


@pytest.fixture
def made(tmp_path: Path) -> Library:
    """Copies of every sort beside their originals, and files of no use."""
    loras = tmp_path / "loras"
    a = few(ink(1, 8, dtype=np.float32))
    half = each(lambda d: cast(d, np.float16))(a)
    write(loras, {"a": a, "half": half, "cut": recompress(a, rank=3)[0], "weak": scale(a, 0.5)})
    shutil.copyfile(loras / "half.safetensors", loras / "half (1).safetensors")
    (loras / "half (1).preview.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (loras / "half (1).civitai.info").write_text('{"name": "half"}')
    (loras / "half.txt").write_text("goes with half")
    write(loras, {"zero": each(lambda d: replace(d, scale=0.0))(few(ink(2)))})
    write(loras, {"other": few(ink(3)), "named": few(ink(4))})
    os.rename(loras / "named.safetensors", loras / "named.ckpt")
    (loras / "broken.safetensors").write_bytes(b"oops" * 100)
    (loras / "pointer.safetensors").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    for place, name in enumerate(("a", "half", "half (1)")):
        os.utime(loras / f"{name}.safetensors", (10**9 + 100 * place,) * 2)
    return library(tmp_path / "library", loras)


def by_name(plan: Plan) -> dict[str, Item]:
    return {Path(item.path).name: item for item in plan.items}


def disk(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_what_is_planned(made: Library) -> None:
    plan = made.tidy_plan()
    reasons = {name: (item.why, item.chosen) for name, item in by_name(plan).items()}
    assert reasons == {
        "half (1).safetensors": ("identical bytes", True),
        "half.safetensors": ("same weights", True),
        "cut.safetensors": ("cut down", False),
        "zero.safetensors": ("dead", True),
        "broken.safetensors": ("broken", True),
        "pointer.safetensors": ("broken", False),
        "named.ckpt": ("wrong suffix", True),
    }
    items = by_name(plan)
    assert Path(items["half.safetensors"].keeper).name == "a.safetensors"
    assert {Path(p).name for p in items["half (1).safetensors"].beside} == {
        "half (1).preview.png",
        "half (1).civitai.info",
    }
    assert plan.bytes_to_win == sum(
        Path(i.path).stat().st_size for i in plan.chosen if i.why != "wrong suffix"
    )


def test_a_plan_can_be_written_down_and_read(made: Library, tmp_path: Path) -> None:
    plan = made.tidy_plan()
    plan.save(tmp_path / "plan.json")
    assert Plan.load(tmp_path / "plan.json") == plan


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"kind": "x"}',
        '{"kind": "tidy-plan", "items": [{}]}',
        '{"kind": "tidy-plan", "items": [3]}',
    ],
)
def test_other_files_are_no_plans(tmp_path: Path, text: str) -> None:
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(LorariumError, match="this plan cannot be read"):
        Plan.load(tmp_path / "plan.json")


@pytest.mark.parametrize(
    "change",
    [{"chosen": "yes"}, {"to": "/elsewhere"}, {"why": "because"}, {"path": 3}, {"more": 1}],
)
def test_a_plan_with_a_wrong_item_is_refused(
    made: Library, tmp_path: Path, change: dict[str, object]
) -> None:
    document = made.tidy_plan().to_json()
    document["items"][0] |= change
    (tmp_path / "plan.json").write_text(json.dumps(document))
    with pytest.raises(LorariumError, match="this plan cannot be read"):
        Plan.load(tmp_path / "plan.json")


def test_there_and_back(made: Library, tmp_path: Path) -> None:
    before = disk(tmp_path / "loras")
    done = made.tidy(made.tidy_plan())
    assert done.problems == () and len(done.moved) == 8  # three of them lie beside another
    left = disk(tmp_path / "loras")
    assert set(left) == {
        *("a.safetensors", "cut.safetensors", "weak.safetensors", "other.safetensors"),
        *("pointer.safetensors", "named.safetensors"),
    }
    assert left["named.safetensors"] == before["named.ckpt"]
    # nothing is lost, and the library knows that they are gone
    assert set(before.values()) == {*left.values(), *disk(tmp_path / "library/trash").values()} - {
        p.read_bytes() for p in (tmp_path / "library/trash").glob("*.journal")
    }
    assert {g.name for g in made.duplicates()} == {"cut down", "scaled or negated"}
    back = made.untidy()
    assert back.problems == () and set(back.moved) == set(done.moved)
    assert disk(tmp_path / "loras") == before
    assert [p.name for p in (tmp_path / "library/trash").rglob("*") if p.is_file()] == [
        f"{done.run}.journal"
    ]
    with pytest.raises(LorariumError, match="nothing has been tidied away"):
        made.untidy()
    made.index([tmp_path / "loras"], workers=0)
    assert len(made.tidy_plan().chosen) == 5


def test_what_changed_since_the_plan_stays(made: Library, tmp_path: Path) -> None:
    loras = tmp_path / "loras"
    plan = made.tidy_plan()
    write(loras, {"half": few(ink(9))})  # another file now
    (loras / "zero.safetensors").unlink()
    problems = {Path(path).name: problem for path, problem in made.tidy(plan).problems}
    assert set(problems) == {"half.safetensors", "zero.safetensors", "half (1).safetensors"}
    # the one that it was a copy of is not there any more
    assert "has changed or gone" in problems["half (1).safetensors"]
    assert (loras / "half (1).safetensors").exists() and (loras / "half.safetensors").exists()


def test_the_last_of_the_same_weights_never_goes(made: Library, tmp_path: Path) -> None:
    plan = made.tidy_plan()
    items = by_name(plan)
    original = Path(items["half.safetensors"].keeper)
    now = original.stat()
    state = (now.st_size, now.st_mtime_ns, now.st_ino)
    # an edited plan in which each stands for the other, and one in which the keeper just goes
    ring = replace(
        items["half.safetensors"],
        path=str(original),
        state=state,
        keeper=items["half.safetensors"].path,
        keeper_state=items["half.safetensors"].state,
    )
    gone = replace(ring, why="dead", keeper="")
    for extra in (ring, gone):
        edited = replace(plan, items=(*plan.items, extra))
        refused = [path for path, _ in made.tidy(edited).problems]
        assert items["half.safetensors"].path in refused
        assert original.exists() or Path(items["half.safetensors"].path).exists()
        made.untidy()
        made.index([tmp_path / "loras"], workers=0)


def test_identical_is_looked_at_once_more(made: Library, tmp_path: Path) -> None:
    plan = made.tidy_plan()
    copy = tmp_path / "loras" / "half (1).safetensors"
    times = copy.stat()
    with open(copy, "r+b") as file:  # as a dying disk does it
        file.seek(-1, os.SEEK_END)
        file.write(b"\x55")
    os.utime(copy, ns=(times.st_atime_ns, times.st_mtime_ns))
    problems = {Path(path).name: problem for path, problem in made.tidy(plan).problems}
    assert "it differs from" in problems["half (1).safetensors"] and copy.exists()


def test_a_configuration_that_changed_keeps_both(tmp_path: Path) -> None:
    loras = tmp_path / "loras"
    loras.mkdir()
    for name in ("one", "two"):
        formats.write(few(ink(1)), loras / name, "peft")
    made = library(tmp_path / "library", loras)
    plan = made.tidy_plan()
    (item,) = plan.chosen
    assert {Path(p).name for p in item.beside} == {"adapter_config.json"}
    config = Path(item.keeper).parent / "adapter_config.json"
    config.write_text(config.read_text().replace('"r"', '"r" '))
    ((_, problem),) = made.tidy(plan).problems
    assert "a configuration" in problem and Path(item.path).exists()
    assert made.tidy_plan().items == ()  # not as it was indexed
    made.index([loras], workers=0)
    assert len(made.tidy_plan().chosen) == 1


def test_torch_files_under_another_name_are_for_their_owner_to_judge(tmp_path: Path) -> None:
    loras = tmp_path / "loras"
    loras.mkdir()
    (loras / "x.safetensors").write_bytes(b"\x80\x02}q\0." + bytes(20))
    (loras / "z.safetensors").write_bytes(b"PK\x03\x04" + bytes(20))
    write(loras, {"y": few(ink(1))})
    items = library(tmp_path / "library", loras).tidy_plan().items
    assert [(i.why, i.chosen, Path(i.path).name) for i in items] == [
        ("broken", False, "x.safetensors"),
        ("broken", False, "z.safetensors"),
    ]


def test_links_are_left_alone_and_win_nothing(tmp_path: Path) -> None:
    loras = tmp_path / "loras"
    write(tmp_path / "store", {"blob": ink(1)})
    loras.mkdir()
    write(loras, {"a": ink(1), "b": each(lambda d: cast(d, ml_dtypes.bfloat16))(ink(1))})
    os.link(loras / "a.safetensors", loras / "a-copy.safetensors")
    os.rename(loras / "b.safetensors", loras / "b.blob")
    os.symlink("b.blob", loras / "b.safetensors")
    plan = library(tmp_path / "library", loras).tidy_plan()
    rows = [(Path(i.path).name, i.why, i.bytes_to_win) for i in plan.items]
    assert rows == [("a-copy.safetensors", "identical bytes", 0)]
