"""The books of a chat judge: which requests were sent, what became of each, what they cost.

A request is on the disk before its first byte leaves, and its outcome before anybody reads it. So
whatever is killed when, the books hold all that may have been paid: a request without an outcome
is lost, counts at what was set aside for it, and is not sent again unless that is asked for.
"""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass
from typing import Any

from lorarium.errors import LorariumError
from lorarium.evaluation.judging.budget import Budget, BudgetSpent, Price, Tokens
from lorarium.evaluation.judging.journal import Journal

# what may have been paid, so that it is final; a refusal is free and may be tried again
PAID = ("answered", "malformed", "timeout", "broken")
OUTCOMES = (*PAID, "refused")


@dataclass(frozen=True)
class Outcome:
    """What became of a request. Tokens are None where the server did not say."""

    kind: str  # one of OUTCOMES
    text: str = ""  # of an answer
    tokens: Tokens | None = None
    reason: str = ""  # of anything but an answer

    def __post_init__(self) -> None:
        assert self.kind in OUTCOMES


@dataclass
class Books:
    """Counts that add up: every request has one outcome, or is lost or under way."""

    requests: int = 0
    answered: int = 0
    malformed: int = 0
    timeout: int = 0
    broken: int = 0
    refused: int = 0
    lost: int = 0
    under_way: int = 0
    unreported: int = 0  # paid requests whose cost the server did not say: counted as set aside
    overrun: int = 0  # tokens beyond what had been set aside for their request

    @property
    def balanced(self) -> bool:
        ended = self.answered + self.malformed + self.timeout + self.broken + self.refused
        return self.requests == ended + self.lost + self.under_way


class Ledger:
    """Books over a journal; safe to use from several threads."""

    def __init__(
        self, journal: Journal, budget: Budget | None = None, price: Price | None = None,
        *, ask_again: bool = False,
    ) -> None:  # fmt: skip
        self.journal, self.price = journal, price or Price()
        self.budget = budget or Budget()
        self.books, self.tokens = Books(), Tokens()
        self._reserved = 0  # requests that are about to be sent
        self._set_aside = Tokens()  # for these and for those under way
        self._dearest: int | None = None  # tokens of the dearest question so far
        self._open: dict[int, tuple[str, Tokens]] = {}
        self._outcomes: dict[str, Outcome] = {}
        self._changed = threading.Condition()
        try:
            self._replay(ask_again)
        except (KeyError, TypeError, ValueError, AssertionError):
            raise LorariumError(
                "this is no journal of a judge", where=str(journal.path), hint="move it away"
            ) from None

    def outcome(self, question: str) -> Outcome | None:
        """What is known of a question for good, from this run or an earlier one."""
        with self._changed:
            return self._outcomes.get(question)

    def reserve(self, limit: Tokens) -> Tokens:
        """Set aside what a request may cost: the most, or twice what any cost so far if that is
        less. Waits while requests under way may still free some of the budget."""
        with self._changed:
            while True:
                set_aside = limit
                if self._dearest is not None:  # which others may have told while we waited
                    set_aside = Tokens(min(limit.question, 2 * self._dearest), limit.answer)
                try:
                    self.budget.check(
                        self.books.requests + self._reserved + 1,
                        self.tokens + self._set_aside + set_aside, self.price,
                    )  # fmt: skip
                    break
                except BudgetSpent:
                    if self._reserved + self.books.under_way == 0:
                        raise
                    self._changed.wait()
            self._reserved += 1
            self._set_aside = self._set_aside + set_aside
            return set_aside

    def release(self, set_aside: Tokens) -> None:
        """Give back what a request does not need that is never sent."""
        with self._changed:
            self._reserved -= 1
            self._set_aside = self._set_aside - set_aside
            self._changed.notify_all()

    def send(self, question: str, set_aside: Tokens) -> int:
        """Write down that a request for which this was reserved goes out now."""
        with self._changed:
            number = self.books.requests + 1
            self.journal.append(
                {"event": "sent", "request": number, "question": question,
                 "set_aside": [set_aside.question, set_aside.answer]}
            )  # fmt: skip
            self._reserved -= 1
            self._sent(number, question, set_aside)
            return number

    def settle(self, number: int, outcome: Outcome) -> None:
        """Write down what became of a request."""
        record: dict[str, Any] = {"event": outcome.kind, "request": number}
        if outcome.tokens is not None:
            record["tokens"] = [outcome.tokens.question, outcome.tokens.answer]
        record |= {k: v for k in ("text", "reason") if (v := getattr(outcome, k))}
        with self._changed:
            try:
                self.journal.append(record)
                set_aside = self._settled(number, outcome)
            except LorariumError:  # as if we were killed here
                _, set_aside = self._open.pop(number)
                self.books.under_way -= 1
                self.books.lost += 1
                self.tokens = self.tokens + set_aside
                raise
            finally:
                self._set_aside = self._set_aside - set_aside
                self._changed.notify_all()

    def report(self) -> dict[str, Any]:
        """The books as JSON; money as text, since it is exact."""
        with self._changed:
            return {
                **asdict(self.books),
                "question_tokens": self.tokens.question,
                "answer_tokens": self.tokens.answer,
                "money": str(self.price.of(self.tokens)),
            }

    def _sent(self, number: int, question: str, set_aside: Tokens) -> None:
        self.books.requests += 1
        self.books.under_way += 1
        self._open[number] = (question, set_aside)

    def _settled(self, number: int, outcome: Outcome) -> Tokens:
        """What had been set aside."""
        question, set_aside = self._open.pop(number)
        self.books.under_way -= 1
        setattr(self.books, outcome.kind, getattr(self.books, outcome.kind) + 1)
        if outcome.kind not in PAID:
            return set_aside
        self._outcomes[question] = outcome
        if outcome.tokens is None:
            self.books.unreported += 1
        else:
            self._dearest = max(self._dearest or 0, outcome.tokens.question)
        spent = outcome.tokens or set_aside
        self.tokens = self.tokens + spent
        self.books.overrun += max(0, spent.total - set_aside.total)
        return set_aside

    def _replay(self, ask_again: bool) -> None:
        for record in self.journal.records:
            number, event = int(record["request"]), record["event"]
            if event == "sent":
                if number != self.books.requests + 1:
                    raise ValueError
                self._sent(number, str(record["question"]), Tokens(*map(int, record["set_aside"])))
                continue
            tokens = Tokens(*map(int, record["tokens"])) if "tokens" in record else None
            texts = (str(record.get(key, "")) for key in ("text", "reason"))
            text, reason = texts
            self._settled(number, Outcome(event, text, tokens, reason))
        for question, set_aside in self._open.values():
            self._outcomes.setdefault(question, Outcome("broken", reason="lost when a run ended"))
            self.tokens = self.tokens + set_aside
        self.books.lost, self.books.under_way = len(self._open), 0
        self._open = {}
        if ask_again:
            self._outcomes = {q: o for q, o in self._outcomes.items() if o.kind == "answered"}
