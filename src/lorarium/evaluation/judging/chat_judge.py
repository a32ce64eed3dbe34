"""A vision model behind any OpenAI-compatible endpoint as a judge: every picture beside every
reference, in random order, several votes, each answer kept by its content."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from lorarium.errors import LorariumError, quoted
from lorarium.evaluation.judging import wording
from lorarium.evaluation.judging.asking import Asker, Progress, Question
from lorarium.evaluation.judging.budget import Tokens
from lorarium.evaluation.judging.comparison import Array, Aspect, Comparison
from lorarium.evaluation.judging.endpoint import Endpoint, key_from_environment
from lorarium.evaluation.judging.ledger import Outcome

if TYPE_CHECKING:
    from lorarium.evaluation.judging.open_judge import JudgeContext

TOKENS_OF_A_PICTURE = 3_000  # more than known models take for one of 512 pixels


@dataclass(frozen=True)
class ChatSettings:
    """How questions are put; every one of these is part of what an answer is kept by."""

    scale: str = wording.YES_NO
    votes: int = 2  # every second one in the other order
    paper: bool = False  # the wording and the fixed order of MARS2
    subject: str = ""  # what the subject is called, where the question may say so
    style: str = ""
    long_side: int = 512  # pixels
    pass_points: float = 51.0  # what counts as a yes on the scale of points
    answer_tokens: int = 256
    temperature: float = 0.7  # of the votes after the first two
    seed: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)  # more of the request; None removes

    @property
    def card(self) -> dict[str, Any]:
        return {**asdict(self), "options": dict(self.options)}


@dataclass
class Readings:
    """What came of the questions so far, each counted once; `first` is the reference's place."""

    asked: int = 0
    unreadable: int = 0  # answers that say neither
    without_answer: int = 0  # no text came
    yes_reference_first: list[int] = field(default_factory=lambda: [0, 0])  # yes, of readable
    yes_reference_second: list[int] = field(default_factory=lambda: [0, 0])

    @property
    def failures(self) -> int:
        return self.unreadable + self.without_answer

    @property
    def order_effect(self) -> float | None:
        """How much more often it says yes when the reference comes first."""
        first, second = self.yes_reference_first, self.yes_reference_second
        if not first[1] or not second[1]:
            return None
        return first[0] / first[1] - second[0] / second[1]


@dataclass(frozen=True)
class Vote:
    """One question about one pair."""

    id: str
    reference_first: bool
    picture: bytes = field(repr=False)
    reference: bytes = field(repr=False)
    number: int


def open_named(rest: str, context: JudgeContext) -> ChatJudge:
    """`MODEL@URL`."""
    model, at, url = rest.rpartition("@http")
    if not model or not at:
        raise LorariumError(
            f"{quoted('chat:' + rest)} names no endpoint", where="--judge",
            hint="say chat:MODEL@http://localhost:8000/v1",
        )  # fmt: skip
    assert context.ledger is not None
    access = context.access
    endpoint = Endpoint(f"http{url}", key_from_environment(access.key_variable), access.timeout)
    asker = Asker(endpoint, context.ledger, parallel=access.parallel, patience=access.patience)
    return ChatJudge(model, asker, access.settings, access.progress)


class ChatJudge:
    def __init__(
        self, model: str, asker: Asker, settings: ChatSettings | None = None,
        progress: Progress = lambda *_: None,
    ) -> None:  # fmt: skip
        self.model, self.asker = model, asker
        self.settings = settings or ChatSettings()
        self.progress = progress
        self.readings = Readings()
        self._counted: set[str] = set()

    @property
    def name(self) -> str:
        return f"chat:{self.model}"

    @property
    def card(self) -> dict[str, Any]:
        return {
            "kind": "chat", "model": self.model, "endpoint": self.asker.endpoint.display_url,
            "settings": self.settings.card,
        }  # fmt: skip

    def compare(self, aspect: Aspect, pictures: Array, references: Array) -> Comparison:
        votes = self._votes(aspect, pictures, references)
        questions = {
            vote.id: self._question(aspect, vote) for row in votes for pair in row for vote in pair
        }
        outcomes = self.asker.ask(questions, self.progress)
        points = np.array([[self._points(pair, outcomes) for pair in row] for row in votes])
        values, readable = points[..., 0], points[..., 1].astype(bool)
        threshold = 50.0 if self.settings.scale == wording.YES_NO else self.settings.pass_points
        # of two votes that differ none wins: a yes is more than half
        yes = (values > threshold) if self.settings.scale == wording.YES_NO else values >= threshold
        yes &= readable
        grades = yes.mean(1) if self.settings.scale == wording.YES_NO else values.mean(1) / 100
        return Comparison(grades, yes, readable)

    def count(self, aspect: Aspect, pictures: Array, references: Array) -> tuple[int, int]:
        """Questions in all, and those that no earlier run has paid for; asks nothing."""
        ids = {
            vote.id
            for row in self._votes(aspect, pictures, references)
            for pair in row
            for vote in pair
        }
        known = sum(self.asker.ledger.outcome(q) is not None for q in ids)
        return len(ids), len(ids) - known

    def max_tokens(self, aspect: Aspect) -> Tokens:
        words = len(self._words(aspect).encode())
        return Tokens(words + 2 * TOKENS_OF_A_PICTURE, self.settings.answer_tokens)

    def _votes(self, aspect: Aspect, pictures: Array, references: Array) -> list[list[list[Vote]]]:
        pngs = [png(picture, self.settings.long_side) for picture in pictures]
        known = [png(picture, self.settings.long_side) for picture in references]
        about = json.dumps([aspect, self._words(aspect), self.card], sort_keys=True)
        digests = [[hashlib.sha256(data).hexdigest() for data in side] for side in (pngs, known)]
        return [
            [
                [
                    self._vote(about, pngs[i], known[j], digests[0][i], digests[1][j], number)
                    for number in range(self.settings.votes)
                ]
                for j in range(len(known))
            ]
            for i in range(len(pngs))
        ]

    def _vote(
        self, about: str, picture: bytes, reference: bytes, a: str, b: str, number: int
    ) -> Vote:
        pair = hashlib.sha256(f"{about}\n{a}\n{b}".encode())
        chance = bool(pair.digest()[0] & 1)
        first = True if self.settings.paper else chance ^ bool(number % 2)
        pair.update(f"\n{number}".encode())
        return Vote(pair.hexdigest(), first, picture, reference, number)

    def _words(self, aspect: Aspect) -> str:
        s = self.settings
        return wording.question(aspect, s.scale, paper=s.paper, subject=s.subject, style=s.style)

    def _question(self, aspect: Aspect, vote: Vote) -> Question:
        return Question(vote.id, lambda: self._body(aspect, vote), self.max_tokens(aspect))

    def _body(self, aspect: Aspect, vote: Vote) -> bytes:
        order = (vote.reference, vote.picture)
        content: list[dict[str, Any]] = [
            {"type": "image_url", "image_url": {"url": data_url(data)}}
            for data in (order if vote.reference_first else order[::-1])
        ]
        content.append({"type": "text", "text": self._words(aspect)})
        request: dict[str, Any] = {
            "model": self.model,
            "messages": [{"role": "user", "content": content}],
            "max_tokens": self.settings.answer_tokens,
            "temperature": 0.0 if vote.number < 2 else self.settings.temperature,
            "seed": self.settings.seed + vote.number,
        }
        request |= self.settings.options
        return json.dumps({k: v for k, v in request.items() if v is not None}).encode()

    def _points(self, pair: list[Vote], outcomes: Mapping[str, Outcome]) -> tuple[float, bool]:
        """A pair's mean of 0 to 100 over all votes, a failure being 0, and whether most of them
        could be read."""
        values = [self._value(outcomes[vote.id]) for vote in pair]
        for vote, value in zip(pair, values, strict=True):
            self._count(vote, outcomes[vote.id], value)
        mean = sum(value or 0.0 for value in values) / len(values)
        return mean, 2 * sum(value is not None for value in values) > len(values)

    def _value(self, outcome: Outcome) -> float | None:
        if outcome.kind != "answered":
            return None
        if self.settings.scale == wording.POINTS:
            return wording.read_points(outcome.text)
        verdict = wording.read_yes_no(outcome.text)
        return None if verdict is None else 100.0 * verdict

    def _count(self, vote: Vote, outcome: Outcome, value: float | None) -> None:
        if vote.id in self._counted:
            return
        self._counted.add(vote.id)
        self.readings.asked += 1
        if value is None:
            self.readings.unreadable += outcome.kind == "answered"
            self.readings.without_answer += outcome.kind != "answered"
            return
        threshold = 50.0 if self.settings.scale == wording.YES_NO else self.settings.pass_points
        place = (
            self.readings.yes_reference_first
            if vote.reference_first
            else self.readings.yes_reference_second
        )
        place[0] += value >= threshold
        place[1] += 1


def png(picture: Array, long_side: int) -> bytes:
    """A picture as PNG: larger ones shrunk, small ones enlarged by a whole number."""
    image = Image.fromarray(picture)
    longest = max(image.size)
    if longest > long_side:
        share = long_side / longest
        size = (max(1, round(image.width * share)), max(1, round(image.height * share)))
        image = image.resize(size, Image.Resampling.LANCZOS)
    elif (times := long_side // longest) > 1:
        image = image.resize((image.width * times, image.height * times), Image.Resampling.NEAREST)
    held = io.BytesIO()
    image.save(held, "PNG")
    return held.getvalue()


def data_url(data: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(data).decode()
