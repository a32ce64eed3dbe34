"""Questions to an endpoint: several at a time, patient where that is free, never paid twice.

A refusal (429, 5xx) costs nothing and is tried again after a pause, the one the server asks for
or a growing one. What may have been paid (a reply that is none, a time-out, a connection that
broke) is never sent again by itself. An endpoint that keeps failing ends the run.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from lorarium.errors import LorariumError, one_line, plain
from lorarium.evaluation.judging.budget import Tokens
from lorarium.evaluation.judging.endpoint import Endpoint, Exchange
from lorarium.evaluation.judging.ledger import Ledger, Outcome

LONGEST_TEXT = 4_000
MOST_TOKENS = 10**8  # beyond it a server's count is a lie
FINAL = (400, 413, 422)  # this question is refused, others may not be
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Patience:
    attempts: int = 5  # of one question, while it is refused
    pause: float = 1.0  # seconds after the first refusal, then doubled
    longest: float = 120.0  # a longer pause ends the run instead
    failures: int = 5  # in a row, of whatever kind, end the run


@dataclass(frozen=True)
class Question:
    id: str  # of everything that decides the answer
    body: Callable[[], bytes]
    max_tokens: Tokens  # that it may cost


class Asker:
    """Sends questions and keeps the books; outcomes of earlier runs are taken as they are."""

    def __init__(
        self, endpoint: Endpoint, ledger: Ledger, *, parallel: int = 4,
        patience: Patience | None = None,
    ) -> None:  # fmt: skip
        self.endpoint, self.ledger, self.parallel = endpoint, ledger, parallel
        self.patience = patience or Patience()
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._not_before = 0.0
        self._failures = 0
        self._error: BaseException | None = None  # the first one, which ends the run

    def ask(
        self, questions: Mapping[str, Question], progress: Progress = lambda *_: None
    ) -> dict[str, Outcome]:
        """The outcome of each, by id. What fails for good is an outcome, not an exception; a
        spent budget or an endpoint that is down is one."""
        outcomes = {q: o for q in questions if (o := self.ledger.outcome(q)) is not None}
        waiting = [question for q, question in questions.items() if q not in outcomes]
        progress(len(outcomes), len(questions))
        self._stop.clear()
        self._error, self._failures = None, 0
        pool = ThreadPoolExecutor(self.parallel)
        try:
            running = {pool.submit(self._ask_one, question): question.id for question in waiting}
            for future in as_completed(running):
                outcomes[running[future]] = future.result()
                progress(len(outcomes), len(questions))
        except LorariumError as error:
            raise self._error or error from None
        finally:
            self._stop.set()  # those under way still write down what became of them
            pool.shutdown(cancel_futures=True)
        return outcomes

    def _ask_one(self, question: Question) -> Outcome:
        try:
            return self._ask_patiently(question)
        except BaseException as error:
            with self._lock:
                if self._error is None and not self._stop.is_set():
                    self._error = error
                self._stop.set()  # at once: the next question must not go out
            raise

    def _ask_patiently(self, question: Question) -> Outcome:
        body, refusal = question.body(), ""
        for attempt in range(self.patience.attempts):
            self._wait()
            if self._stop.is_set():
                raise LorariumError("stopped")
            outcome, pause = self._exchange(question, body, attempt)
            if outcome is not None:
                return outcome
            refusal = pause.reason
            self._hold(pause)
        raise self._down(refusal)

    def _exchange(
        self, question: Question, body: bytes, attempt: int
    ) -> tuple[Outcome | None, Pause]:
        """One request: its outcome, or a pause before the next try."""
        numbers: list[int] = []
        set_aside = self.ledger.reserve(question.max_tokens)
        try:
            if self._stop.is_set():  # while it waited for the budget
                raise LorariumError("stopped")
            exchange = self.endpoint.post(
                body, lambda: numbers.append(self.ledger.send(question.id, set_aside))
            )
        except BaseException:
            if numbers:
                self.ledger.settle(numbers[0], Outcome("broken", reason="interrupted"))
            raise
        finally:
            if not numbers:
                self.ledger.release(set_aside)
        if exchange.kind == "unreachable":
            return None, self._pause(exchange, attempt, f"unreachable ({exchange.reason})")
        outcome = self._read(exchange)
        self.ledger.settle(numbers[0], outcome)
        if outcome.kind == "answered":
            with self._lock:
                self._failures = 0
            return outcome, Pause(0.0, "")
        if outcome.kind != "refused" or exchange.status in FINAL:
            with self._lock:
                self._failures += 1
                failures = self._failures
            if failures >= self.patience.failures:
                reason = f"{failures} failures in a row, the last: {outcome.reason}"
                raise self._down(reason, "run again to go on; --ask-again asks the failed ones too")
            return outcome, Pause(0.0, "")
        if exchange.status not in (408, 425, 429) and exchange.status < 500:
            hint = "is the key in the environment?" if exchange.status in (401, 403) else ""
            raise self._down(outcome.reason, hint)
        return None, self._pause(exchange, attempt, outcome.reason)

    def _read(self, exchange: Exchange) -> Outcome:
        if exchange.kind != "reply":
            return Outcome(exchange.kind, reason=self._safe(exchange.reason, 200))
        try:
            reply = json.loads(exchange.body)
        except (ValueError, RecursionError):
            reply = None
        if not 200 <= exchange.status < 300:
            return Outcome("refused", reason=self._safe(_refusal(exchange.status, reply), 300))
        text, tokens = completion(reply), usage(reply)
        if text is None:
            return Outcome("malformed", tokens=tokens, reason="the reply is no chat completion")
        # the end of a long answer is where the verdict stands
        return Outcome("answered", plain(self.endpoint.key.redacted(text))[-LONGEST_TEXT:], tokens)

    def _safe(self, text: str, limit: int) -> str:
        return one_line(self.endpoint.key.redacted(text), limit)

    def _pause(self, exchange: Exchange, attempt: int, reason: str) -> Pause:
        asked = seconds_asked(exchange.retry_after)
        grown = self.patience.pause * 2**attempt * (1 + random.random() / 4)
        seconds = grown if asked is None else asked
        if seconds > self.patience.longest and asked is not None:
            raise self._down(f"{reason}; it asks to wait {seconds:.0f} s")
        return Pause(min(seconds, self.patience.longest), reason)

    def _hold(self, pause: Pause) -> None:
        with self._lock:
            self._not_before = max(self._not_before, time.monotonic() + pause.seconds)

    def _wait(self) -> None:
        """A pause that one request was told holds for all of them."""
        while not self._stop.is_set():
            with self._lock:
                left = self._not_before - time.monotonic()
            if left <= 0:
                return
            self._stop.wait(left)

    def _down(self, reason: str, hint: str = "") -> LorariumError:
        return LorariumError(
            self._safe(f"the endpoint fails: {reason}", 400), where=self.endpoint.display_url,
            hint=hint or "what was answered is kept: run again to go on",
        )  # fmt: skip


@dataclass(frozen=True)
class Pause:
    seconds: float
    reason: str


def completion(reply: object) -> str | None:
    """The text of a chat completion's first choice."""
    try:
        content = reply["choices"][0]["message"]["content"]  # type: ignore[index]
        if isinstance(content, list):
            content = "".join(part["text"] for part in content if part["type"] == "text")
    except (KeyError, IndexError, TypeError):
        return None
    return content if isinstance(content, str) else None


def usage(reply: object) -> Tokens | None:
    """What the server says that it took; None where that cannot be so."""
    try:
        counts = [reply["usage"][key] for key in ("prompt_tokens", "completion_tokens")]  # type: ignore[index]
    except (KeyError, IndexError, TypeError):
        return None
    valid = all(type(n) is int and 0 <= n <= MOST_TOKENS for n in counts)
    return Tokens(*counts) if valid and counts[0] > 0 else None


def seconds_asked(header: str | None) -> float | None:
    """`Retry-After`: seconds or a date; None where it is neither."""
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(header).timestamp() - time.time()
        except (ValueError, TypeError, OverflowError):
            return None
    return max(0.0, seconds) if seconds < 10**9 else None


def _refusal(status: int, reply: object) -> str:
    message = ""
    if isinstance(reply, dict):
        error = reply.get("error")
        message = error.get("message", "") if isinstance(error, dict) else error or ""
    return f"status {status}" + (f" ({one_line(str(message), 200)})" if message else "")
