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
CALIBRATED = """
from lorarium.library.filling import calibrate_spaces, vector_table
from lorarium.library.spaces import VectorSpace

space = VectorSpace("made", "1", lambda sketch: None)
name = space.table("sd1")
for start in range(0, count, 5000):
    vectors = rng.standard_normal((5000, 1024), np.float32)
    ids = [f"{i:032x}" for i in range(start, start + 5000)]
    store.put(name, "id", vector_table(ids, vectors / np.linalg.norm(vectors, axis=1)[:, None]))
store.tidy(name)
from lorarium.library.family_space import FamilySpace

FamilySpace.longer = False  # what is stored is all there is, so that no sketch is asked for
print(peak(lambda: calibrate_spaces(store, {"made": space}, {"sd1": {}}, {name})))
assert store.count("calibrations") == 1
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
@pytest.mark.parametrize(
    ("script", "few", "many", "allowed"),
    [
        # 40 MB and 400 MB of sketches
        pytest.param(MERGED, 1000, 10_000, 60, id="merging pieces of a table"),
        # 10 MB and 120 MB of vectors
        pytest.param(CALIBRATED, 5000, 60_000, 40, id="calibrating a space"),
    ],
)
def test_a_larger_table_takes_no_more(
    script: str, few: int, many: int, allowed: int, tmp_path: Path
) -> None:
    small = most_held(script, tmp_path / "few", few)
    assert most_held(script, tmp_path / "many", many) - small <= allowed
