"""Judges by the words of `--judge`: a, b, a world judge's file, embedding:FOLDER, chat:MODEL@URL.

All chat judges of a folder share one journal, and with it one budget.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from lorarium.errors import LorariumError, quoted
from lorarium.evaluation.judging.asking import Asker, Patience, Progress
from lorarium.evaluation.judging.budget import Budget, Price
from lorarium.evaluation.judging.chat_judge import ChatJudge, ChatSettings
from lorarium.evaluation.judging.comparison import PictureJudge
from lorarium.evaluation.judging.endpoint import KEY_VARIABLE, Endpoint, key_from_environment
from lorarium.evaluation.judging.journal import Journal
from lorarium.evaluation.judging.ledger import Ledger

CHAT, EMBEDDING = "chat:", "embedding:"
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
        yield [_open(name, ledger, access, device, download) for name in names]
    finally:
        if journal is not None:
            journal.close()


def _open(
    name: str, ledger: Ledger | None, access: ChatAccess, device: str, download: bool
) -> PictureJudge:
    if name.startswith(CHAT) and ledger is not None:
        model, at, url = name.removeprefix(CHAT).rpartition("@http")
        if not model or not at:
            raise LorariumError(
                f"{quoted(name)} names no endpoint", where="--judge",
                hint="say chat:MODEL@http://localhost:8000/v1",
            )  # fmt: skip
        key = key_from_environment(access.key_variable)
        endpoint = Endpoint(f"http{url}", key, access.timeout)
        asker = Asker(endpoint, ledger, parallel=access.parallel, patience=access.patience)
        return ChatJudge(model, asker, access.settings, access.progress)
    if name.startswith(EMBEDDING):
        from lorarium.evaluation.judging.embedding_judge import load_embedding_judge

        return load_embedding_judge(name.removeprefix(EMBEDDING), device, download=download)
    from lorarium.evaluation.judging.world_judge import load_world_judge

    if name not in ("a", "b") and not Path(name).is_file():
        raise LorariumError(
            f"no judge {quoted(name)}", where="--judge",
            hint="a, b, a judge's file, embedding:FOLDER or chat:MODEL@URL",
        )  # fmt: skip
    return load_world_judge(name, device)
