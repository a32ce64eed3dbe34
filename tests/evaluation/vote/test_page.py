"""The page: it needs nothing else, trusts no text, and what it saves the tally reads."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from lorarium.errors import LorariumError
from lorarium.evaluation.vote.answers import read_sheets, votes_of
from lorarium.evaluation.vote.page import vote_page
from tests.evaluation.vote.examples import ballot, made

NODE = shutil.which("node")
SCRIPT = str(files("lorarium.evaluation.vote").joinpath("vote.js"))


def run_script(sheets: list[dict[str, Any]], steps: str) -> Any:
    """What `steps` print, with `sheet` an AnswerSheet of these sheets."""
    assert NODE
    program = (
        f"const {{AnswerSheet}} = require({json.dumps(SCRIPT)});"
        f"const sheet = new AnswerSheet({json.dumps(sheets)}); {steps}"
    )
    done = subprocess.run([NODE, "-e", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_page_needs_nothing_else(tmp_path: Path) -> None:
    made(tmp_path, [ballot("a"), ballot("b")])
    page = vote_page(tmp_path / "sheets")
    assert page.count("data:image/png;base64,") == 2
    assert not re.search(r"(src|href)=|https?://|@import|fetch\(", page)
    assert vote_page(tmp_path / "sheets", ["style-02"]).count("data:image/png;base64,") == 1
    with pytest.raises(LorariumError, match="no sheet is called"):
        vote_page(tmp_path / "sheets", ["style-09"])


def test_text_of_a_sheet_stays_text(tmp_path: Path) -> None:
    made(tmp_path, [ballot("a")])
    path = tmp_path / "sheets" / "sheets.json"
    document = json.loads(path.read_text())
    document["sheets"][0]["question"] = "</script><script>alert(1)</script>"
    path.write_text(json.dumps(document))
    page = vote_page(tmp_path / "sheets")
    assert page.count("<script") == page.count("</script>") == 2 and "alert(1)" in page


def test_a_sheet_whose_picture_is_gone(tmp_path: Path) -> None:
    made(tmp_path, [ballot("a")])
    (tmp_path / "sheets" / "style-01.png").unlink()
    with pytest.raises(LorariumError, match="cannot be read"):
        vote_page(tmp_path / "sheets")


@pytest.mark.skipif(NODE is None, reason="needs node")
def test_keys_answer_cell_by_cell_and_the_tally_reads_what_is_saved(tmp_path: Path) -> None:
    public, _ = made(tmp_path, [ballot("a"), ballot("b", "merge")])
    keys = [
        "b",
        "u",
        "t",
        "n",
        "1",
        "2",
        "Backspace",
        "ArrowLeft",
        "4",
        "x",
        "s",
        "PageDown",
        "Y",
        "o",
        "2",
    ]
    saved = run_script(
        list(public.values()),
        f"for (const key of {json.dumps(keys)}) sheet.press(key, 6);"
        "console.log(JSON.stringify(sheet.votes('me', 'person')))",
    )
    merge, style = votes_of(saved, read_sheets(tmp_path / "sheets"), "saved")
    assert merge.sheet == "merge-01" and style.sheet == "style-01"
    # 2 in cell 6; Backspace clears cell 7, where nothing is; back on 6, where 4 takes its place;
    # s could be two words, and o is no first letter
    assert merge.answers == {
        "1": "both", "2": "subject", "3": "style", "4": "neither", "5": "both", "6": "neither"
    }  # fmt: skip
    assert style.answers == {"1": "yes", "2": "no"} and style.voter == "me"


@pytest.mark.skipif(NODE is None, reason="needs node")
def test_saved_answers_load_again_and_foreign_ones_do_not(tmp_path: Path) -> None:
    public, _ = made(tmp_path, [ballot("a")])
    good = {"sheet": "style-01", "answers": {"1": "yes", "9": "no"}}
    foreign = [
        {"sheet": "style-01", "answers": {"1": "maybe", "77": "yes", "__proto__": "yes"}},
        {"sheet": "style-01", "answers": None}, {"sheet": "b", "answers": {"1": "yes"}}, None, 3,
    ]  # fmt: skip
    taken, votes = run_script(
        list(public.values()),
        f"const n = [sheet.load({json.dumps(good)}), sheet.load({json.dumps(foreign)})];"
        "console.log(JSON.stringify([n, sheet.votes('v', 'person')]))",
    )
    assert taken == [2, 0] and votes[0]["answers"] == good["answers"]


@pytest.mark.skipif(NODE is None, reason="needs node")
def test_moving_stays_on_the_sheets(tmp_path: Path) -> None:
    public, _ = made(tmp_path, [ballot("a"), ballot("b")])
    places = run_script(
        list(public.values()),
        "const seen = []; for (const key of ['ArrowUp', 'ArrowDown', 'ArrowDown', 'ArrowRight',"
        " 'PageUp', 'Enter', 'Enter']) {"
        "  sheet.press(key, 6); seen.push([sheet.place, sheet.cell]); }"
        "console.log(JSON.stringify(seen))",
    )
    assert places == [[0, 0], [0, 6], [0, 8], [0, 8], [0, 8], [1, 0], [1, 0]]
