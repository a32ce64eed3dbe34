"""Work in processes: a death costs one item."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import lorarium
from lorarium.library.pool import Died, run


def square(x: int) -> int:
    return x * x


def deadly(x: int) -> int:
    if x == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return x * x


def test_here_and_in_processes() -> None:
    assert dict(run(square, range(5), workers=0)) == dict(run(square, range(5), workers=2))
    assert dict(run(square, [], workers=2)) == {}


def test_a_death_costs_one_item() -> None:
    results = dict(run(deadly, range(8), workers=2))
    assert isinstance(results.pop(3), Died)
    assert results == {x: x * x for x in range(8) if x != 3}


PARENT = """
import os, time
from lorarium.library.pool import run
from tests.library.test_pool import slow
if __name__ == "__main__":
    for _ in run(slow, range(100), workers=2):
        print(_[1], flush=True)
"""


def slow(x: int) -> int:
    import time

    time.sleep(0.05)
    return os.getpid()


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_workers_follow_a_killed_parent(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    source = Path(lorarium.__file__).parent.parent
    root = Path(__file__).parent.parent.parent
    environment = {**os.environ, "PYTHONPATH": f"{source}{os.pathsep}{root}"}
    parent = subprocess.Popen([sys.executable, script], env=environment, stdout=subprocess.PIPE)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    import time

    for _ in range(100):
        if not Path(f"/proc/{child}").exists():
            return
        time.sleep(0.1)
    raise AssertionError("the worker lives on")


def test_a_script_without_guard_is_told(tmp_path: Path) -> None:
    script = tmp_path / "bare.py"
    script.write_text(
        "from lorarium.errors import LorariumError\n"
        "from lorarium.library.pool import run\n"
        "try:\n"
        "    list(run(abs, [1, 2], workers=1))\n"
        "except LorariumError as error:\n"
        "    print(error)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(lorarium.__file__).parent.parent)}
    done = subprocess.run(
        [sys.executable, script], env=environment, capture_output=True, text=True, timeout=60
    )
    assert "__main__" in done.stdout


LONG = 600  # seconds that a worker sleeps
INTERRUPTED = f"""
import time
from lorarium.library.pool import run
from tests.library.test_pool import sleep
if __name__ == "__main__":
    for item, _ in run(sleep, [0, *[{LONG}] * 5], workers=2):
        print(item, flush=True)
"""


def sleep(seconds: float) -> None:
    import time

    time.sleep(seconds)


@pytest.mark.skipif(sys.platform == "win32", reason="no such signals")
def test_ctrl_c_waits_for_nobody(tmp_path: Path) -> None:
    script = tmp_path / "interrupted.py"
    script.write_text(INTERRUPTED)
    source = Path(lorarium.__file__).parent.parent
    root = Path(__file__).parent.parent.parent
    environment = {**os.environ, "PYTHONPATH": f"{source}{os.pathsep}{root}"}
    running = subprocess.Popen(
        [sys.executable, script],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert running.stdout is not None and running.stdout.readline() == "0\n"
        os.killpg(running.pid, signal.SIGINT)  # as a terminal does: to all of them
        _, errors = running.communicate(timeout=LONG / 10)
    finally:
        running.kill()
    assert errors.count("KeyboardInterrupt") == 1  # the parent's; the workers say nothing
