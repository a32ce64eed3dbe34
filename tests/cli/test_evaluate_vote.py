"""`lorarium evaluate vote`, from folders of pictures to figures."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("PIL")
pytest.importorskip("sklearn")

from lorarium.pictures import write_png
from tests.evaluation.vote.examples import flat


def lorarium(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-m", "lorarium", "evaluate", "vote", *arguments]
    return subprocess.run(program, capture_output=True, text=True, timeout=300, cwd=folder)


@pytest.fixture
def drawn(tmp_path: Path) -> Path:
    """Two targets with references, true pictures, strangers and one row of our own."""
    for target in ("one", "two"):
        for r, name in enumerate(("reference-style", "true", "strangers", "ours")):
            inside = tmp_path / "drawn" / target / name
            inside.mkdir(parents=True)
            for i, picture in enumerate(flat(50 * r, 50 * r + 9)):
                write_png(inside / f"{i}.png", picture)
    return tmp_path


def test_from_pictures_to_figures(drawn: Path) -> None:
    made = lorarium("make", "drawn", "-o", "sheets", "--json", folder=drawn)
    assert made.returncode == 0 and made.stderr == "", made.stderr
    report = json.loads(made.stdout)
    assert report["key"] == "sheets-key.json" and len(report["sheets"]) == 2
    key = json.loads((drawn / "sheets-key.json").read_text())["sheets"]
    (drawn / "answers").mkdir()
    for voter, wish in (("a", "true"), ("b", "ours")):
        votes = [
            {"sheet": name, "voter": voter, "kind_of_voter": "vision model", "answers": {
                cell: "yes" if of["source"] in ("true", wish) else "no"
                for cell, of in entry["cells"].items()
            }}
            for name, entry in key.items()
        ]  # fmt: skip
        (drawn / "answers" / f"{voter}.json").write_text(json.dumps(votes))
    verdicts = {t: {"true": [1, 1], "strangers": [0, 0], "ours": [1, 1]} for t in ("one", "two")}
    (drawn / "judge.json").write_text(json.dumps({"judge": "j", "verdicts": verdicts}))
    asked = ("tally", "sheets", "answers", "--key", "sheets-key.json")
    done = lorarium(*asked, "--judge", "judge.json", "-o", "tally.json", "--json", folder=drawn)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    document = json.loads(done.stdout)
    rows = {row["source"]: row["mean"] for row in document["kinds"]["style"]["rows"]}
    assert rows == {"true": 1, "strangers": 0, "ours": 0.5}
    assert document["by"] == {"vision model": ["a", "b"]}
    assert document["judges"][0]["kinds"]["style"]["mean difference"] > 0.1
    assert json.loads((drawn / "tally.json").read_text())["kinds"] == document["kinds"]
    printed = lorarium(*asked, folder=drawn).stdout
    assert "vision models: a, b" in printed and "a and b: kappa" in printed
    page = lorarium("page", "sheets", "-o", "vote.html", folder=drawn)
    assert page.returncode == 0 and (drawn / "vote.html").stat().st_size > 1000


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["make", "nowhere"], "no such folder"),
        (["make", "drawn/one"], "needs reference-style"),
        (["make", "drawn", "--kind", "merge"], "needs reference-subject and reference-style"),
        (["make", "drawn", "--key", "sheets/key.json"], "outside of the sheets"),
        (["page", "drawn"], "cannot be read"),
        (["tally", "drawn", "answers", "--key", "key.json"], "cannot be read"),
    ],
)
def test_errors_are_one_line(drawn: Path, arguments: list[str], words: str) -> None:
    done = lorarium(*arguments, folder=drawn)
    assert done.returncode == 2 and words in done.stderr, done.stderr
    assert len(done.stderr.splitlines()) == 1 and done.stdout == ""
