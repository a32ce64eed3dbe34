"""Answers are read strictly: one thing and nothing else."""

from __future__ import annotations

import pytest

from lorarium.evaluation.judging.wording import question, read_points, read_yes_no


@pytest.mark.parametrize(
    "text",
    ["yes", "Yes.", " **Yes**", '"Yes"', "ANSWER: yes", "The ears agree.\n**ANSWER:** Yes.",
     "Answer : YES", "Yes, the same ears and tail.", "<think>no, or</think>\nANSWER: yes",
     "The ears differ not at all, no doubt.\nANSWER: yes"],
)  # fmt: skip
def test_yes(text: str) -> None:
    assert read_yes_no(text) is True


@pytest.mark.parametrize("text", ["no", "No, another tail.", "Yes it seems.\nANSWER: no"])
def test_no(text: str) -> None:
    assert read_yes_no(text) is False


@pytest.mark.parametrize(
    "text",
    ["", "   ", "maybe", "Yesterday", "yes and no", "ANSWER: yes or no", "ANSWER: yes/no",
     "ANSWER: yes\nANSWER: no", "I would not say yes", "Yes is wrong", "ANSWER: maybe. yes",
     "<think>yes", "eyes", "Not yes", "ANSWER:", "ANSWER: 80", "Yes? Hardly.", "y", "oui",
     "ANSWER: yes, or ANSWER: no.", "Yes.\nANSWER: I cannot say"],
)  # fmt: skip
def test_neither(text: str) -> None:
    assert read_yes_no(text) is None


@pytest.mark.parametrize(
    ("text", "points"),
    [("80", 80), ("ANSWER: 80", 80), ("Alike.\nANSWER: 73/100", 73), ("99.5", 99.5),
     ("ANSWER: 0", 0), ("**ANSWER: 100**", 100)],
)  # fmt: skip
def test_points(text: str, points: float) -> None:
    assert read_points(text) == points


@pytest.mark.parametrize(
    "text",
    ["", "101", "-5", "ANSWER: -5", "ANSWER: yes", "about 80", "ANSWER: 80 or 90", "1e2", "nan",
     "ANSWER: 80\nANSWER: 20", "ANSWER: 1000", "٨٠"],
)  # fmt: skip
def test_no_points(text: str) -> None:
    assert read_points(text) is None


def test_the_words_say_what_is_asked() -> None:
    assert "the same cat" in question("subject", "yes-no", subject="cat")
    assert "ink" in question("style", "0-100", paper=True, style="ink")
    texts = {
        question(aspect, scale, paper=paper)
        for aspect in ("subject", "style")
        for scale in ("yes-no", "0-100")
        for paper in (False, True)
    }
    assert len(texts) == 8 and all("ANSWER:" in text for text in texts)
