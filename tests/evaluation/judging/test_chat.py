"""A chat judge against a server process over real HTTP: the books balance, no failure is a yes,
and nothing is paid twice."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("PIL")

from lorarium.errors import LorariumError
from lorarium.evaluation.judging.asking import Patience
from lorarium.evaluation.judging.budget import Budget, BudgetSpent, Price
from lorarium.evaluation.judging.chat_judge import ChatSettings
from lorarium.evaluation.judging.endpoint import Endpoint
from tests.evaluation.judging.chat_server import STALL
from tests.evaluation.judging.serving import QUICK, Server, chat_judge, quick, serving, squares

PICTURES, REFERENCES = squares(3), squares(2, seed=1)
QUESTIONS = 3 * 2 * 2  # two votes


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path / "log") as running:
        yield running


@pytest.mark.parametrize(
    ("model", "rate"), [("yes", 1.0), ("no", 0.0), ("429-once", 1.0), ("lies", 1.0)]
)
def test_answers_are_counted_and_kept(
    server: Server, tmp_path: Path, model: str, rate: float
) -> None:
    with chat_judge(server, model, tmp_path / "out") as judge:
        comparison = judge.compare("style", PICTURES, REFERENCES)
        books = judge.asker.ledger.books
    assert comparison.yes is not None and comparison.yes.mean() == rate
    assert comparison.unanswered == 0 and books.answered == QUESTIONS
    assert books.balanced and books.requests == len(server.asked)
    with chat_judge(server, model, tmp_path / "out") as judge:
        again = judge.compare("style", PICTURES, REFERENCES)
        assert judge.asker.ledger.books == books
    assert np.array_equal(again.yes, comparison.yes) and len(server.asked) == books.requests


def test_pairs_that_are_alike_are_told_from_others(server: Server, tmp_path: Path) -> None:
    pictures = np.stack([np.full((8, 8, 3), v, np.uint8) for v in (10, 120, 240)])
    with chat_judge(server, "colours", tmp_path / "out") as judge:
        comparison = judge.compare("subject", pictures, pictures[:2] + np.uint8(4))
        effect = judge.readings.order_effect
    assert comparison.yes is not None
    assert comparison.yes.tolist() == [[True, False], [False, True], [False, False]]
    assert effect is not None and abs(effect) < 0.7


def test_what_cannot_be_read_is_never_a_yes(server: Server, tmp_path: Path) -> None:
    with chat_judge(server, "nonsense", tmp_path / "out") as judge:
        comparison = judge.compare("style", PICTURES, REFERENCES)
        assert judge.readings.unreadable == QUESTIONS == judge.readings.failures
    assert comparison.yes is not None and not comparison.yes.any() and not comparison.grades.any()
    assert comparison.unanswered == 6 and comparison.passes is not None
    assert not comparison.passes.any()


@pytest.mark.parametrize("model", ["half", "cut", "not-json", "deep", "no-choices"])
def test_replies_that_are_none_end_a_run_and_are_not_paid_again(
    server: Server, tmp_path: Path, model: str
) -> None:
    access = quick(patience=Patience(pause=0.01, failures=100))
    with chat_judge(server, model, tmp_path / "out") as judge:
        with pytest.raises(LorariumError, match="5 failures in a row"):
            judge.compare("style", PICTURES, REFERENCES)
        assert judge.asker.ledger.books.balanced
    with chat_judge(server, model, tmp_path / "out", access) as judge:
        comparison = judge.compare("style", PICTURES, REFERENCES)
        books = judge.asker.ledger.books
        assert judge.readings.without_answer == QUESTIONS
    assert comparison.yes is not None and not comparison.yes.any()
    assert books.malformed + books.broken == QUESTIONS == books.requests and books.balanced
    assert max(Counter(server.asked).values()) == 1


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("429", r"status 429 \(slow down\)"),
        ("500", "status 500"),
        ("429-long", "asks to wait 86400 s"),
        ("redirect", "status 307"),
        ("unknown", "no such model"),
    ],
)
def test_an_endpoint_that_refuses_ends_the_run(
    server: Server, tmp_path: Path, model: str, words: str
) -> None:
    with chat_judge(server, model, tmp_path / "out") as judge:
        with pytest.raises(LorariumError, match=words) as caught:
            judge.compare("style", PICTURES, REFERENCES)
        books = judge.asker.ledger.books
    assert "\n" not in str(caught.value)
    assert books.balanced and books.refused == books.requests == len(server.asked)
    tries = Counter(server.asked).values()
    assert max(tries) <= (QUICK.attempts if model in ("429", "500") else 1)
    assert judge.asker.ledger.tokens.total == 0


@pytest.mark.parametrize("model", ["stall", "drip"])
def test_a_server_that_stalls_is_left_in_time(server: Server, tmp_path: Path, model: str) -> None:
    access = quick(timeout=0.4, parallel=1, patience=Patience(pause=0.01, failures=2))
    started = time.monotonic()
    with chat_judge(server, model, tmp_path / "out", access) as judge:
        with pytest.raises(LorariumError, match=r"no whole reply in 0\.4 s"):
            judge.compare("style", PICTURES, REFERENCES)
        books = judge.asker.ledger.books
    assert time.monotonic() - started < STALL / 2
    assert books.timeout == 2 == books.requests == books.unreported and books.balanced


def test_nobody_there(tmp_path: Path) -> None:
    access = quick(patience=Patience(attempts=2, pause=0.01))
    with serving(tmp_path / "log") as gone:
        pass
    with chat_judge(gone, "yes", tmp_path / "out", access) as judge:
        with pytest.raises(LorariumError, match="unreachable"):
            judge.compare("style", PICTURES, REFERENCES)
        assert judge.asker.ledger.books.requests == 0
        assert judge.asker.ledger.journal.records == []


def test_all_kinds_of_trouble_at_once(server: Server, tmp_path: Path) -> None:
    access = quick(patience=Patience(pause=0.01, failures=1000), parallel=6)
    pictures, references = squares(10), squares(6, seed=1)
    with chat_judge(server, "mixed", tmp_path / "out", access) as judge:
        comparison = judge.compare("style", pictures, references)
        books, readings = judge.asker.ledger.books, judge.readings
        tokens = judge.asker.ledger.tokens
    assert books.balanced and books.requests == len(server.asked)
    assert books.answered + books.malformed == 120 == readings.asked == server.answered
    assert books.malformed > 0 < books.refused and readings.failures > books.malformed
    assert comparison.yes is not None and comparison.answered is not None
    assert not (comparison.yes & ~comparison.answered).any()
    reported = books.answered + books.malformed - books.unreported
    assert tokens.answer == 5 * reported + 256 * books.unreported


def test_the_budget_of_requests_is_exact_over_runs(server: Server, tmp_path: Path) -> None:
    for limit in (5, 5, 8):
        access = quick(budget=Budget(requests=limit), parallel=3)
        with chat_judge(server, "yes", tmp_path / "out", access) as judge:
            with pytest.raises(BudgetSpent, match=rf"requests \({limit}\)"):
                judge.compare("style", PICTURES, REFERENCES)
            assert judge.asker.ledger.books.requests == limit == len(server.asked)


@pytest.mark.parametrize("parallel", [1, 4])
def test_tokens_and_money_stay_within(server: Server, tmp_path: Path, parallel: int) -> None:
    price = Price(Decimal("2"), Decimal("10"))
    access = quick(budget=Budget(money=Decimal("0.016")), price=price, parallel=parallel)
    with chat_judge(server, "yes", tmp_path / "out", access) as judge:
        with pytest.raises(BudgetSpent, match="money"):
            judge.compare("style", PICTURES, REFERENCES)
        ledger = judge.asker.ledger
        spent = price.of(ledger.tokens)
    each = (700 * price.question + 5 * price.answer) / 1_000_000
    assert spent == each * ledger.books.answered <= Decimal("0.016")
    # another one would not have fitted, at twice the dearest so far
    assert spent + (1400 * price.question + 256 * price.answer) / 1_000_000 > Decimal("0.016")
    assert ledger.books.answered == 8 and ledger.report()["money"] == str(spent)


def test_a_bill_beyond_what_was_set_aside_is_named(server: Server, tmp_path: Path) -> None:
    with chat_judge(server, "dear", tmp_path / "out", quick(parallel=1)) as judge:
        judge.compare("style", PICTURES, REFERENCES[:1])
        books, limit = judge.asker.ledger.books, judge.max_tokens("style").total
    # twice the dearest so far had been set aside for the first dear one, then the most
    assert books.overrun == 4 * 90_005 - (2 * 700 + 256) - 3 * limit


ASK = """
import sys
from pathlib import Path
from lorarium.evaluation.judging.open_judge import ChatAccess, open_judges
from tests.evaluation.judging.serving import squares
with open_judges([sys.argv[1]], Path(sys.argv[2]), ChatAccess(timeout=5)) as (judge,):
    yes = judge.compare("style", squares(10), squares(6, seed=1)).yes
    print("lost", judge.asker.ledger.books.lost, "yes", int(yes.sum()))
"""


def test_killed_and_resumed_nothing_is_paid_twice(server: Server, tmp_path: Path) -> None:
    command = [sys.executable, "-c", ASK, server.judge_name("slow"), str(tmp_path / "out")]
    root = Path(__file__).parents[3]
    environment = {**os.environ, "PYTHONPATH": f"{root / 'src'}{os.pathsep}{root}"}
    kills = 0
    for stop_at in (7, 40, 90):
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)
        while len(server.asked) < stop_at and process.poll() is None:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        kills += process.wait(10) == -signal.SIGKILL
        assert process.stdout
        process.stdout.close()
    assert kills == 3
    with open(tmp_path / "out" / "chat.jsonl", "ab") as file:
        file.write(b'{"event":"sent","requ')  # as a kill may leave it
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    counts = re.fullmatch(r"lost (\d+) yes (\d+)\n", done.stdout)
    assert counts
    lost, yes = int(counts[1]), int(counts[2])
    assert max(Counter(server.asked).values()) == 1
    assert 0 <= lost <= 4 * kills  # as many as are under way at once
    assert 120 - lost <= server.answered <= 120
    assert 60 - lost <= yes <= 60  # a lost vote is no yes
    before = len(server.asked)
    access = quick(ask_again=True)
    with chat_judge(server, "slow", tmp_path / "out", access) as judge:
        comparison = judge.compare("style", squares(10), squares(6, seed=1))
        books = judge.asker.ledger.books
    assert comparison.yes is not None and comparison.yes.all()
    assert books.balanced and books.answered == 120 and len(server.asked) == before + lost


def test_two_runs_do_not_share_a_journal(server: Server, tmp_path: Path) -> None:
    with chat_judge(server, "yes", tmp_path / "out"):
        with pytest.raises(LorariumError, match="another run writes here"):
            with chat_judge(server, "yes", tmp_path / "out"):
                pass


@pytest.mark.parametrize(
    "line", ["[]", "{", '{"event":"sent"}', '{"event":"yes","request":1}', '{"request":"x"}', "{}"]
)
def test_a_damaged_journal_is_one_sentence(server: Server, tmp_path: Path, line: str) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "chat.jsonl").write_text(line + "\n")
    with pytest.raises(LorariumError, match=r"damaged|no journal"):
        with chat_judge(server, "yes", tmp_path / "out"):
            pass


def test_a_full_disk_ends_the_run_and_nobody_waits_for_ever(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = os.fsync, 0

    def full(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls >= 6:
            raise OSError(28, "No space left on device")
        real(descriptor)

    # so tight that others wait for what is under way
    access = quick(budget=Budget(tokens=8_000), parallel=4)
    with chat_judge(server, "yes", tmp_path / "out", access) as judge:
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(LorariumError, match="No space left"):
            judge.compare("style", PICTURES, REFERENCES)
        books = judge.asker.ledger.books
    assert books.balanced and books.lost >= 1 and books.under_way == 0


def test_the_environments_proxy_is_used_for_other_machines(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{server.port}")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    exchange = Endpoint("http://judge.example/v1").post(b'{"model": "yes"}')
    assert exchange.status == 200
    assert '"path": "http://judge.example/v1/chat/completions"' in server.log.read_text()


KEY = "sk-marked-5e1f9a77c0"


@pytest.mark.parametrize("model", ["echo", "echo-error", "500", "cut", "redirect"])
def test_the_key_is_nowhere(
    server: Server, tmp_path: Path, model: str, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("LORARIUM_CHAT_KEY", KEY)
    texts = []
    with chat_judge(server, model, tmp_path / "out") as judge:
        try:
            judge.compare("style", PICTURES, REFERENCES)
        except LorariumError as error:
            texts += [str(error), repr(error), repr(error.__dict__)]
        texts += [repr(judge.card), repr(vars(judge)), repr(judge.asker.endpoint.key)]
        texts += [repr(vars(judge.asker.endpoint)), repr(judge.asker.ledger.journal.records)]
    texts += [*capfd.readouterr()]
    texts += [p.read_bytes().decode("latin-1") for p in tmp_path.rglob("*") if p.is_file()]
    assert any('"auth": true' in text for text in texts)  # it was sent
    assert not any(KEY in text for text in texts)
    if model == "echo":
        assert any("[key]" in text for text in texts)


@pytest.mark.parametrize(
    "url",
    ["ftp://x/v1", "http://", "http://me:secret@host/v1", "http://h:99999/v1", "http://h/a b",
     "http://h/#x", "http://[::1/v1"],
)  # fmt: skip
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(LorariumError) as caught:
        Endpoint(url)
    assert "secret" not in str(caught.value)


def test_a_key_no_header_can_carry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LORARIUM_CHAT_KEY", "sk-a\nb")
    with pytest.raises(LorariumError) as caught:
        with chat_judge(Server(1, tmp_path), "yes", tmp_path):
            pass
    assert "sk-a" not in str(caught.value)


def test_every_setting_is_part_of_what_an_answer_is_kept_by(server: Server, tmp_path: Path) -> None:
    counts = []
    for settings in (
        ChatSettings(), ChatSettings(), ChatSettings(votes=3), ChatSettings(style="ink"),
        ChatSettings(paper=True), ChatSettings(scale="0-100"), ChatSettings(options={"top_p": 0.5}),
    ):  # fmt: skip
        with chat_judge(server, "points", tmp_path / "out", quick(settings=settings)) as judge:
            every, unpaid = judge.count("style", PICTURES, REFERENCES)
            comparison = judge.compare("style", PICTURES, REFERENCES)
            assert judge.count("style", PICTURES, REFERENCES) == (every, 0)
        counts.append(unpaid)
    assert counts == [12, 0, 18, 12, 12, 12, 12]
    assert comparison.yes is not None and not comparison.yes.any()  # 80 is no yes or no


def test_points(server: Server, tmp_path: Path) -> None:
    access = quick(settings=ChatSettings(scale="0-100"))
    with chat_judge(server, "points", tmp_path / "out", access) as judge:
        comparison = judge.compare("subject", PICTURES, REFERENCES)
    assert comparison.grades == pytest.approx([0.8] * 3)
    assert comparison.yes is not None and comparison.yes.all()
