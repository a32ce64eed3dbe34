"""Judges by the words of `--judge`: a, b, a world judge's file or its folder,
embedding:FOLDER, chat:MODEL@URL.

All chat judges of a folder share one journal, and with it one budget.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from lorarium.errors import LorariumError, quoted
from lorarium.evaluation.judging.asking import Patience, Progress
from lorarium.evaluation.judging.budget import Budget, Price
from lorarium.evaluation.judging.chat_judge import ChatSettings
from lorarium.evaluation.judging.comparison import PictureJudge
from lorarium.evaluation.judging.endpoint import KEY_VARIABLE
from lorarium.evaluation.judging.journal import Journal
from lorarium.evaluation.judging.ledger import Ledger
from lorarium.files import exists

CHAT = "chat:"
JOURNAL = "chat.jsonl"


@dataclass(frozen=True)
class ChatAccess:
    """How chat judges are reached, and what they may cost."""

    key_variable: str = KEY_VARIABLE
    budget: Budget = field(default_factory=Budget)
    price: Price = field(default_factory=Price)
    timeout: float = 120.0
    parallel: int = 4
    ask_again: bool = False  # what may have been paid and brought no answer
    patience: Patience = field(default_factory=Patience)
    settings: ChatSettings = field(default_factory=ChatSettings)
    progress: Progress = lambda *_: None


@dataclass(frozen=True)
class JudgeContext:
    """What a kind of judge may use; `ledger` is there when a chat judge was named."""

    access: ChatAccess
    ledger: Ledger | None
    device: str
    download: bool


@contextmanager
def open_judges(
    names: Sequence[str], folder: Path, access: ChatAccess | None = None, *,
    device: str = "cpu", download: bool = False,
) -> Iterator[list[PictureJudge]]:  # fmt: skip
    """The judges, in order. The journal of chat judges is `chat.jsonl` in the folder."""
    access = access or ChatAccess()
    if len(set(names)) < len(names):
        raise LorariumError("a judge is named twice", where="--judge")
    journal = None
    if any(name.startswith(CHAT) for name in names):
        journal = Journal(folder / JOURNAL)
    try:
        ledger = (
            Ledger(journal, access.budget, access.price, ask_again=access.ask_again)
            if journal
            else None
        )
        context = JudgeContext(access, ledger, device, download)
        yield [_open(name, context) for name in names]
    finally:
        if journal is not None:
            journal.close()


def _open(name: str, context: JudgeContext) -> PictureJudge:
    """`KIND:REST` is opened by KIND_judge.py in this room; what has no kind is a world judge."""
    kind, colon, rest = name.partition(":")
    module = f"{__package__}.{kind}_judge"
    if colon and kind.isidentifier() and importlib.util.find_spec(module):
        judge: PictureJudge = importlib.import_module(module).open_named(rest, context)
        return judge
    from lorarium.evaluation.judges import NAMES
    from lorarium.evaluation.judging.world_judge import load_world_judge

    if name not in NAMES and not exists(Path(name)):
        raise LorariumError(
            f"no judge {quoted(name)}", where="--judge",
            hint=f"{', '.join(NAMES)}, a file or folder, embedding:FOLDER or chat:MODEL@URL",
        )  # fmt: skip
    return load_world_judge(name, context.device)
