"""`lorarium evaluate files`, from the command line, with judge B and with a chat server process."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

pytest.importorskip("torch")
pytest.importorskip("sklearn")

from lorarium.cli import cli
from lorarium.errors import LorariumError
from lorarium.evaluation.synth.targets import pool
from lorarium.library.samples import sample
from lorarium.pictures import write_png
from lorarium.training.manifest import UNSEEN
from tests.evaluation.judging.serving import Server, serving

pytestmark = pytest.mark.slow
KEY = "sk-marked-27c9b1f4"
OF = ("blueprint", 0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """References, strangers of the same genre, and prompts for an adapter that comes along."""
    folder = tmp_path_factory.mktemp("files")
    for name, of, count in (("refs", OF, 4), ("strangers", (OF[0], 77), 8)):
        (folder / name).mkdir()
        pictures, _ = pool("style", of, "test", range(UNSEEN, UNSEEN + count), 48)
        for i, picture in enumerate(pictures):
            write_png(folder / name / f"{i}.png", picture)
    (folder / "prompts.txt").write_text(
        "# what is drawn\n\n" + "\n".join(f"a {k} in sty1" for k in ("cat", "house", "cup", "tree"))
    )
    return folder


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("server") / "log") as running:
        yield running


def adapter() -> str:
    return str(sample().of("style", OF)[0].path)


def arguments(folder: Path, *more: str) -> list[str]:
    return [
        "evaluate", "files", f"{adapter()}:1", f"{adapter()}:0.15",
        "--style-refs", str(folder / "refs"), "--prompts", str(folder / "prompts.txt"),
        "-n", "2", "--steps", "6", "-o", str(folder / "out"), "--force", *more,
    ]  # fmt: skip


def ran(folder: Path, *more: str) -> dict[str, Any]:
    done = CliRunner().invoke(cli, arguments(folder, "--json", *more), catch_exceptions=False)
    assert done.exit_code == 0
    return json.loads(done.stdout)


def test_the_stronger_adapter_is_told_from_the_weaker(folder: Path) -> None:
    document = ran(folder, "--strangers", str(folder / "strangers"))
    assert document["schema"] == "lorarium/1"
    (judge,) = document["judges"]
    strong, weak = document["files"][0]["name"], document["files"][1]["name"]
    assert weak == f"{strong}:0.15" and judge["ranking"] == [strong, weak]
    assert judge["sentence"] == f"{strong} is the best"
    pair = next(p for p in judge["pairs"] if (p["better"], p["worse"]) == (strong, weak))
    assert pair["told"] and pair["difference"]["low"] > 0
    controls = judge["controls"]["style"]
    assert controls["references"] > controls["strangers"] and not controls["accepts_strangers"]
    saved = json.loads((folder / "out" / "files.json").read_text())
    assert saved == {k: v for k, v in document.items() if k not in ("schema", "folder")}
    assert (folder / "out" / "files.html").read_text().startswith("<!doctype html>")
    assert (folder / "out" / "files.png").read_bytes().startswith(b"\x89PNG")
    drawn = {p: p.stat().st_mtime_ns for p in (folder / "out" / "drawn").iterdir()}
    assert len(drawn) == 3
    assert ran(folder)["judges"][0]["ranking"] == judge["ranking"]
    assert {p: p.stat().st_mtime_ns for p in (folder / "out" / "drawn").iterdir()} == drawn


def test_a_file_against_itself(folder: Path, tmp_path: Path) -> None:
    twin = tmp_path / "<script>twin.safetensors"
    twin.write_bytes(Path(adapter()).read_bytes())
    document = ran(folder, "--judge", "b", str(twin))
    judge = document["judges"][0]
    strong = document["files"][0]["name"]
    assert set(judge["leaders"]) == {strong, "<script>twin"}
    assert f"no difference can be told to {judge['leaders'][1]}" in judge["sentence"]
    page = (folder / "out" / "files.html").read_text()
    assert "<script>" not in page and "&lt;script&gt;twin" in page


def test_a_wrong_judge_is_said_before_anything_is_read(tmp_path: Path) -> None:
    """Neither the base nor the references are there: the judge's name is what comes first."""
    (tmp_path / "prompts.txt").write_text("a cat\na dog\na cup\na tree\n")
    done = CliRunner().invoke(cli, [
        "evaluate", "files", adapter(), "--style-refs", str(tmp_path / "nowhere"),
        "--prompts", str(tmp_path / "prompts.txt"), "--base", str(tmp_path / "none"),
        "--judge", "embeding:x", "-o", str(tmp_path / "out"),
    ])  # fmt: skip
    assert isinstance(done.exception, LorariumError)
    assert "--judge: no judge" in str(done.exception) and not (tmp_path / "out").exists()


def test_copies_of_references_are_flagged(folder: Path, tmp_path: Path) -> None:
    """References that are what the adapter draws: as if it had learned them by heart."""
    ran(folder)
    from lorarium.bases.base import open_base
    from lorarium.evaluation.files import drawing

    prompts = drawing.read_prompts(folder / "prompts.txt")
    settings = drawing.DrawSettings(prompts, 2, 6, None, None, 0)
    drawn = drawing.DrawnPictures(open_base(), folder / "out" / "drawn", settings)
    row = drawing.contenders([(adapter(), 1.0)])[0]
    for i, picture in enumerate(drawn[row][:4]):
        write_png(tmp_path / f"{i}.png", picture[:, ::-1])
    document = ran(folder, "--style-refs", str(tmp_path))
    copies = document["files"][0]["copies"]
    assert {c["picture"] for c in copies} >= {0, 1, 2, 3}
    assert {c["reference"] for c in copies} <= {f"{i}.png" for i in range(4)}
    assert "<td>pixels</td>" in (folder / "out" / "files.html").read_text()


def test_a_chat_judge_beside_ours(folder: Path, server: Server) -> None:
    name = server.judge_name("colours")
    plan = CliRunner().invoke(
        cli, arguments(folder, "--judge", name, "--dry-run", "--json"), catch_exceptions=False
    )
    before = len(server.asked)
    document = ran(folder, "--judge", "b", "--judge", name)
    chat = document["judges"][1]
    assert json.loads(plan.stdout)["plans"][0]["questions"] >= len(server.asked) - before > 0
    assert chat["books"]["requests"] == chat["books"]["answered"] == len(server.asked) - before
    assert chat["readings"]["failures"] == 0 and chat["judge"] == "chat:colours"
    assert document["kappa"][0]["judges"] == ["b", "chat:colours"]
    exact = CliRunner().invoke(
        cli, arguments(folder, "--judge", name, "--dry-run", "--json"), catch_exceptions=False
    )
    (plan_after,) = json.loads(exact.stdout)["plans"]
    assert plan_after["exact"] and plan_after["unpaid"] == 0
    assert plan_after["questions"] == chat["books"]["requests"]


def test_a_judge_that_says_yes_to_everything_is_named(folder: Path, server: Server) -> None:
    document = ran(folder, "--judge", server.judge_name("yes"))
    (judge,) = document["judges"]
    assert judge["sentence"] == "no difference can be told"
    assert any("says yes to strangers (1.00 as style)" in note for note in judge["notes"])
    assert any("cannot be told from the base alone" in note for note in judge["notes"])


def test_nonsense_is_never_a_yes(folder: Path, server: Server) -> None:
    document = ran(folder, "--judge", server.judge_name("nonsense"))
    (judge,) = document["judges"]
    assert all(row["passes"] == 0 == row["grade"] for row in judge["rows"])
    assert any("brought no answer" in note for note in judge["notes"])


def test_the_budget_and_the_marked_key(folder: Path, server: Server, tmp_path: Path) -> None:
    """A process of its own, so that all it prints is seen."""
    environment = {**os.environ, "LORARIUM_CHAT_KEY": KEY}
    ran(folder)
    shutil.copytree(folder / "out" / "drawn", tmp_path / "out" / "drawn")
    outputs = []
    for model, more, code, words in (
        ("echo", ("--budget", "requests=9"), 2, "budget of requests (9)"),
        ("echo", (), 0, "chat:echo: style"),
        ("echo-error", (), 2, "wrong key: Bearer [key]"),
    ):
        out = tmp_path / "out"
        done = subprocess.run(
            [sys.executable, "-m", "lorarium",
             *arguments(folder, "--judge", server.judge_name(model), "-o", str(out), *more)],
            env=environment, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        assert done.returncode == code and words in done.stderr
        outputs += [done.stdout, done.stderr]
    assert (tmp_path / "out" / "files.html").exists()
    texts = [p.read_bytes().decode("latin-1") for p in tmp_path.rglob("*") if p.is_file()]
    assert any("[key]" in text for text in texts) and texts
    assert not any(KEY in text for text in [*outputs, *texts])


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--budget", "money=1"), "--price"),
        (("--budget", "apples=1"), "no budget"),
        (("--price", "1"), "two"),
        (("--chat-option", "top_p"), "NAME=JSON"),
        (("--judge", "embedding:nowhere"), "no such folder"),
        (("--prompts", "nowhere.txt"), "nowhere.txt"),
    ],
)
def test_errors_are_sentences(folder: Path, more: tuple[str, ...], words: str) -> None:
    with pytest.raises(LorariumError) as caught:
        CliRunner().invoke(cli, arguments(folder, *more), catch_exceptions=False)
    assert words in str(caught.value) and "\n" not in str(caught.value)
