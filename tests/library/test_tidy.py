"""Tidying: what is planned, what stays whatever the plan says, and back again."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from lorarium import formats
from lorarium.adapter import Adapter, Hadamard
from lorarium.algebra import cast, recompress, scale
from lorarium.errors import LorariumError
from lorarium.formats.example import example
from lorarium.library import Library
from lorarium.library.journal import AWAY, SUFFIX, Journal
from lorarium.library.tidy import TRASH
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


def titled(seed: int, title: str) -> Adapter:
    return few(ink(seed, **{"modelspec.title": title}))


@pytest.fixture
def other(tmp_path: Path) -> Library:
    """FLUX files in ComfyUI's dialect and in others, with titles."""
    loras = tmp_path / "loras"
    loras.mkdir()
    for seed, (name, dialect) in enumerate(
        {"one": "kohya", "two": "comfy", "three": "peft"}.items()
    ):
        out = loras / (name if dialect == "peft" else f"{name}.safetensors")
        about = {"modelspec.title": f"Title: {name}"} if name != "two" else {}
        formats.write(few(example(family="flux1", seed=seed, metadata=about)), out, dialect)
    (loras / "one.civitai.info").write_text('{"name": "one"}')
    return library(tmp_path / "library", loras)


def test_conversions_for_a_program_and_back(other: Library, tmp_path: Path) -> None:
    loras = tmp_path / "loras"
    before = disk(loras)
    assert other.tidy_plan().items == ()  # only where they are asked for
    (item,) = other.tidy_plan(program="comfyui").items
    assert (item.why, Path(item.path).name, item.to) == (
        "other dialect", "one.safetensors", item.path
    )  # fmt: skip
    done = other.tidy(other.tidy_plan(program="comfyui"))
    assert done.problems == () and done.moved == (item.path,)
    adapter, report = formats.read_report(loras / "one.safetensors")
    assert report.dialect == "comfy"
    (kept,) = (tmp_path / "library/trash").rglob("one.safetensors")
    old = formats.read(kept)
    assert [m for m, _ in adapter.items()] == [m for m, _ in old.items()]
    assert kept.read_bytes() == before["one.safetensors"]
    assert {k: v for k, v in disk(loras).items() if k != "one.safetensors"} == {
        k: v for k, v in before.items() if k != "one.safetensors"
    }
    other.index([loras], workers=0)
    assert other.tidy_plan(program="comfyui").items == ()
    assert other.untidy().moved == (item.path,)
    assert disk(loras) == before


def test_a_conversion_that_would_lose_something_is_not_made(other: Library, tmp_path: Path) -> None:
    path = tmp_path / "loras" / "loha.safetensors"
    a = few(example(family="flux1", seed=7))
    hadamard = {m: Hadamard(d.up, d.down, d.up, d.down) for m, d in a.items()}
    formats.write(a.with_(deltas=hadamard), path)
    other.index([tmp_path / "loras"], workers=0)
    before = disk(tmp_path / "loras")
    plan = other.tidy_plan(program="diffusers")
    (item,) = [item for item in plan.items if item.path == str(path)]
    ((_, problem),) = other.tidy(replace(plan, items=(item,))).problems
    assert problem and disk(tmp_path / "loras") == before
    assert list((tmp_path / "library" / "trash").rglob("*")) == []


def test_names_by_a_pattern_take_along_what_is_beside(other: Library, tmp_path: Path) -> None:
    loras = tmp_path / "loras"
    before = disk(loras)
    plan = other.tidy_plan(pattern="{title} r{rank}")
    (item,) = plan.items  # "two" has no title, a folder keeps its name
    assert Path(item.to).name == "Title- one r4.safetensors"
    done = other.tidy(plan)
    assert done.problems == () and len(done.moved) == 2
    names = {"Title- one r4.safetensors", "Title- one r4.civitai.info", "two.safetensors"}
    assert names <= set(disk(loras)) and "one.safetensors" not in disk(loras)
    other.index([loras], workers=0)
    assert other.tidy_plan(pattern="{title} r{rank}").items == ()
    other.untidy()
    assert disk(loras) == before


def test_names_that_are_taken_are_not_given(tmp_path: Path) -> None:
    loras = tmp_path / "loras"
    write(loras, {"a": titled(1, "same"), "b": titled(2, "same"), "c": titled(3, "taken"),
                  "taken": titled(4, "-../.free/")})  # fmt: skip
    made = library(tmp_path / "library", loras)
    items = by_name(made.tidy_plan(pattern="{title}"))
    assert {name: item.chosen for name, item in items.items()} == {
        "a.safetensors": False, "b.safetensors": False, "c.safetensors": False,
        "taken.safetensors": True,
    }  # fmt: skip
    assert Path(items["taken.safetensors"].to).parent == loras  # no text leads out of the folder
    assert Path(items["taken.safetensors"].to).name == "free.safetensors"


@pytest.mark.parametrize("pattern", ["plain", "{nothing}", "{title", "a/{title}", "{title}}", "{}"])
def test_patterns_that_make_no_sense(other: Library, pattern: str) -> None:
    with pytest.raises(LorariumError):
        other.tidy_plan(pattern=pattern)


def test_a_copy_goes_though_its_keeper_gets_another_name(tmp_path: Path) -> None:
    loras = tmp_path / "loras"
    write(loras, {"a": titled(1, "better"), "copy": titled(1, "better")})
    made = library(tmp_path / "library", loras)
    plan = made.tidy_plan(pattern="{title}")
    assert [item.why for item in plan.chosen] == ["identical bytes", "other name"]
    assert made.tidy(plan).problems == ()
    assert set(disk(loras)) == {"better.safetensors"}


@pytest.mark.parametrize("written", [True, False])
def test_what_a_kill_left_half_done_is_done_by_the_same_plan(
    written: bool, other: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A conversion whose file is away and whose result is not there yet; a name of which only the
    description was changed. The kill came before the move was `written` down, or after it."""
    loras, before = tmp_path / "loras", disk(tmp_path / "loras")
    for options in ({"program": "comfyui"}, {"pattern": "{title}"}):
        plan = other.tidy_plan(**options)
        with monkeypatch.context() as patch:
            patch.setattr(Journal, "apply", stopped_after_one(Journal.apply))
            with pytest.raises(KeyboardInterrupt):
                other.tidy(plan)
        assert disk(loras) != before
        if not written:
            (journal,) = [
                path
                for path in (tmp_path / "library" / TRASH).glob("*" + SUFFIX)
                if AWAY in Journal(path).places()
            ]
            journal.write_text(journal.read_text("utf-8").splitlines()[0] + "\n", "utf-8")
        done = other.tidy(plan)
        assert done.problems == ()
        if "program" in options:
            assert formats.read_report(loras / "one.safetensors")[1].dialect == "comfy"
        else:
            assert {"Title- one.safetensors", "Title- one.civitai.info"} <= set(disk(loras))
        while done.run or options:
            try:
                other.untidy()
            except LorariumError:
                break
        assert disk(loras) == before
        other.index([loras], workers=0)


def stopped_after_one(apply: Callable[..., Any]) -> Callable[..., Any]:
    def stopped(journal: Journal, only: Any = None) -> Any:
        yield next(iter(apply(journal, only)))
        raise KeyboardInterrupt

    return stopped
