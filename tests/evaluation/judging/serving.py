"""The server process for tests, judges that ask it, and what its log says."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lorarium.evaluation.judging.asking import Patience
from lorarium.evaluation.judging.chat_judge import ChatJudge
from lorarium.evaluation.judging.open_judge import ChatAccess, open_judges

PROGRAM = Path(__file__).with_name("chat_server.py")
QUICK = Patience(pause=0.01)


@dataclass(frozen=True)
class Server:
    port: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def judge_name(self, model: str) -> str:
        return f"chat:{model}@{self.url}"

    @property
    def asked(self) -> list[str]:
        """Digests of the requests that arrived."""
        return [line["asked"] for line in self._lines() if "asked" in line]

    @property
    def answered(self) -> int:
        return sum("answered" in line for line in self._lines())

    def _lines(self) -> list[dict]:
        text = self.log.read_text() if self.log.exists() else ""
        return [json.loads(line) for line in text.splitlines()]


@contextmanager
def serving(log: Path) -> Iterator[Server]:
    process = subprocess.Popen(
        [sys.executable, str(PROGRAM), str(log)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdin and process.stdout
    try:
        yield Server(int(process.stdout.readline()), log)
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait(10)


@contextmanager
def chat_judge(
    server: Server, model: str, folder: Path, access: ChatAccess | None = None
) -> Iterator[ChatJudge]:
    access = access or ChatAccess(timeout=5, patience=QUICK)
    with open_judges([server.judge_name(model)], folder, access) as (judge,):
        assert isinstance(judge, ChatJudge)
        yield judge


def quick(**changes: object) -> ChatAccess:
    return replace(ChatAccess(timeout=5, patience=QUICK), **changes)


def squares(count: int, seed: int = 0) -> np.ndarray:
    """Pictures that all differ."""
    random = np.random.default_rng(seed)
    return random.integers(0, 256, (count, 8, 8, 3), np.uint8)
