"""What judging may cost and what it has cost: requests, tokens and money, in whole numbers."""

from __future__ import annotations

from dataclasses import dataclass, fields
from decimal import Decimal, InvalidOperation
from typing import Any

from lorarium.errors import LorariumError, quoted

MILLION = 1_000_000


@dataclass(frozen=True)
class Price:
    """Of a million tokens of questions (pictures included) and of answers."""

    question: Decimal = Decimal(0)
    answer: Decimal = Decimal(0)

    def of(self, tokens: Tokens) -> Decimal:
        return (self.question * tokens.question + self.answer * tokens.answer) / MILLION


@dataclass(frozen=True)
class Tokens:
    question: int = 0
    answer: int = 0

    def __add__(self, other: Tokens) -> Tokens:
        return Tokens(self.question + other.question, self.answer + other.answer)

    def __sub__(self, other: Tokens) -> Tokens:
        return Tokens(self.question - other.question, self.answer - other.answer)

    @property
    def total(self) -> int:
        return self.question + self.answer


@dataclass(frozen=True)
class Budget:
    """The most that a journal may hold, over all runs that share it; None: no limit."""

    requests: int | None = None
    tokens: int | None = None
    money: Decimal | None = None

    def check(self, requests: int, tokens: Tokens, price: Price) -> None:
        """Refuse what would go beyond."""
        _within("requests", requests, self.requests)
        _within("tokens", tokens.total, self.tokens)
        _within("money", price.of(tokens), self.money)


class BudgetSpent(LorariumError):
    """The next request might cost more than is left."""


def _within(name: str, wanted: int | Decimal, limit: int | Decimal | None) -> None:
    if limit is not None and wanted > limit:
        raise BudgetSpent(
            f"the budget of {name} ({limit}) does not cover the next request ({wanted} in all)",
            where="judge", hint="what was answered is kept: raise --budget and run again",
        )  # fmt: skip


def parse_budget(text: str, price: Price | None = None) -> Budget:
    """`requests=500,tokens=2000000,money=1.50`, or some of these."""
    limits: dict[str, Any] = {}
    for part in filter(None, (p.strip() for p in text.split(","))):
        name, _, number = part.partition("=")
        if name not in {f.name for f in fields(Budget)} or name in limits:
            raise LorariumError(
                f"{quoted(part)} is no budget", where="--budget",
                hint="say requests=500,tokens=2000000,money=1.50, or some of these",
            )  # fmt: skip
        value = _amount(number, "--budget")
        if name != "money" and value != int(value):
            raise LorariumError(f"{name} are whole, not {value}", where="--budget")
        limits[name] = value if name == "money" else int(value)
    if "money" in limits and price is None:
        raise LorariumError(
            "money needs a price", where="--budget", hint="add --price, per million tokens"
        )
    return Budget(**limits)


def parse_price(text: str) -> Price:
    """`0.15,0.60`: of a million tokens of questions, and of answers."""
    parts = [_amount(part, "--price") for part in text.split(",")]
    if len(parts) != 2:
        raise LorariumError(
            f"{len(parts)} numbers", where="--price", hint="two: of questions, and of answers"
        )
    return Price(*parts)


def _amount(text: str, where: str) -> Decimal:
    try:
        value = Decimal(text.strip())
    except InvalidOperation:
        value = Decimal(-1)
    if not value.is_finite() or not 0 <= value <= 10**15:
        raise LorariumError(f"{quoted(text)} is no amount", where=where, hint="a number from 0 on")
    return value
