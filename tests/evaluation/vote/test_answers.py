"""Answers of voters: read strictly, merged, and never guessed at."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lorarium.errors import LorariumError
from lorarium.evaluation.vote.answers import Vote, merge_votes, read_sheets, read_votes, votes_of
from tests.evaluation.vote.examples import ballot, made

SHEETS: dict[str, Any] = {
    "style-01": {"sheet": "style-01", "answers": ["yes", "no"], "cells": {"1": [], "2": []}}
}
GOOD = {"sheet": "style-01", "voter": "v", "kind_of_voter": "person", "answers": {"1": "yes"}}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*GOOD, "1", "about", "x"]), inner, max_size=5)
    ),
    max_leaves=12,
)


def test_files_of_several_voters_and_sheets_come_together(tmp_path: Path) -> None:
    public, _ = made(tmp_path, [ballot("a"), ballot("b")])
    answers = tmp_path / "answers"
    answers.mkdir()
    one = {**GOOD, "answers": {"1": " YES ", "2": "no"}, "about": "a trial"}
    (answers / "one.json").write_text(json.dumps(one))
    both = [{**GOOD, "voter": "w", "sheet": name} for name in public]
    (answers / "two.json").write_text(json.dumps(both))
    votes = read_votes([answers], public)
    assert [(v.voter, v.sheet) for v in votes] == [
        ("v", "style-01"), ("w", "style-01"), ("w", "style-02")
    ]  # fmt: skip
    assert votes[0].answers == {"1": "yes", "2": "no"} and votes[0].about == "a trial"
    assert votes_of(votes[0].as_json(), public, "again") == votes[:1]


def test_halves_of_a_sheet_become_one_vote_and_contradictions_none() -> None:
    first = Vote("s", "v", "person", {"1": "yes", "2": "no"})
    more = Vote("s", "v", "person", {"2": "no", "3": "yes"})
    (vote,) = merge_votes([first, more, more])
    assert vote.answers == {"1": "yes", "2": "no", "3": "yes"}
    with pytest.raises(LorariumError, match="in two ways"):
        merge_votes([first, Vote("s", "v", "person", {"1": "no"})])
    with pytest.raises(LorariumError, match="of two kinds"):
        merge_votes([first, Vote("t", "v", "vision model", {"1": "no"})])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sheet": "style-02"}, "no sheet is called"),
        ({"voter": " "}, "needs a name"),
        ({"kind_of_voter": "robot"}, "vision model or person"),
        ({"answers": ["yes"]}, "a word each"),
        ({"answers": {"3": "yes"}}, "no cell '3'"),
        ({"answers": {"1": "perhaps"}}, "'perhaps' is no answer to cell 1"),
        ({"answers": {"1": True}}, "'True' is no answer"),
        ({"answers": {"1": "\x1b[31m"}}, r"x1b"),
    ],
)
def test_what_is_no_answer_is_refused_in_one_line(change: dict[str, Any], words: str) -> None:
    with pytest.raises(LorariumError, match=words) as error:
        votes_of({**GOOD, **change}, SHEETS, "file.json")
    assert str(error.value).startswith("file.json") and len(str(error.value).splitlines()) == 1
    assert "\x1b" not in str(error.value)


def test_a_vote_without_a_field_is_refused() -> None:
    for field in GOOD:
        with pytest.raises(LorariumError, match="a vote has"):
            votes_of({k: v for k, v in GOOD.items() if k != field}, SHEETS, "file.json")


@given(JSON)
def test_any_json_is_votes_or_an_error(document: Any) -> None:
    try:
        votes = votes_of(document, SHEETS, "file.json")
    except LorariumError:
        return
    assert all(set(v.answers.values()) <= {"yes", "no"} for v in votes)


@pytest.mark.parametrize("content", [b"{", b"\xff", b"[" * 100_000, b""])
def test_files_that_are_not_json(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "votes.json"
    path.write_bytes(content)
    with pytest.raises(LorariumError, match="not JSON"):
        read_votes([path], SHEETS)


@pytest.mark.parametrize("change", [{"picture": "../key.json"}, {"answers": ["yes"]},
                                    {"cells": {"1": [1]}}, {"kind": "vibe"}])  # fmt: skip
def test_a_list_of_sheets_that_was_tampered_with(tmp_path: Path, change: dict[str, Any]) -> None:
    made(tmp_path, [ballot("a")])
    path = tmp_path / "sheets" / "sheets.json"
    document = json.loads(path.read_text())
    document["sheets"][0].update(change)
    path.write_text(json.dumps(document))
    with pytest.raises(LorariumError):
        read_sheets(tmp_path / "sheets")
