"""Memory that does not grow with the library, measured in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.timing import SOURCE

PRELUDE = """
import sys
import threading
from pathlib import Path

import numpy as np
import pyarrow as pa

from lorarium.library.lance_memory import share_arenas
from lorarium.library.store import Store

share_arenas()
home, count = Path(sys.argv[1]), int(sys.argv[2])
home.mkdir()
store, rng = Store(home), np.random.default_rng(0)


def held():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) >> 10


def watch(most, done):
    while not done.wait(0.005):
        most[0] = max(most[0], held())


def peak(work):
    most, done = [0], threading.Event()
    watcher = threading.Thread(target=watch, args=(most, done))
    watcher.start()
    work()
    done.set()
    watcher.join()
    return most[0]
"""
MERGED = """
for start in range(0, count, 500):
    keys = [f"{i:032x}" for i in range(start, start + 500)]
    sketches = pa.array([rng.bytes(40_000) for _ in keys], pa.binary())
    store.put("files", "key", pa.table({"key": keys, "sketch": sketches}))
print(peak(lambda: store.tidy("files")))
"""


def most_held(script: str, home: Path, count: int) -> int:
    """MiB at most in one piece of work, without what is mapped."""
    environment = {**os.environ, "PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PRELUDE + script, str(home), str(count)],
        capture_output=True, text=True, env=environment, check=False,
    )  # fmt: skip
    assert not done.returncode, done.stderr[-2000:]
    return int(done.stdout)


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_merging_pieces_of_a_larger_table_takes_no_more(tmp_path: Path) -> None:
    small = most_held(MERGED, tmp_path / "few", 1000)  # 40 MB of sketches, then 400
    assert most_held(MERGED, tmp_path / "many", 10_000) - small <= 150  # 314 as LanceDB has it
