import os
import subprocess
import sys
from pathlib import Path

import numpy as np

import lorarium
from lorarium import formats
from lorarium.descriptors import describe, describe_many
from lorarium.descriptors.sketch import sketch
from lorarium.formats.example import example

KEEP = "mid_block"


def files(folder: Path) -> list[Path]:
    paths = []
    for seed, dialect in enumerate(("kohya", "diffusers", "comfy")):
        a = example(seed=seed, rank=2)
        part = {m: d for m, d in a.items() if m.path.startswith(KEEP)}
        paths.append(folder / f"{seed}.safetensors")
        formats.write(a.with_(deltas=part), paths[-1], dialect)
    bad = folder / "bad.safetensors"
    bad.write_bytes(b"<html>")
    return [*paths[:2], bad, folder / "missing.safetensors", paths[2]]


def test_files_in_the_order_named_and_bad_ones_in_words(tmp_path):
    paths = files(tmp_path)
    rows = list(describe_many(paths))
    assert [row.path for row in rows] == [str(path) for path in paths]
    assert [bool(row.error) for row in rows] == [False, False, True, True, False]
    assert all((row.sketch is None) == bool(row.error) for row in rows)
    assert "missing.safetensors" in rows[3].error


def test_processes_find_the_same(tmp_path):
    """In a script of its own, as the processes load it again."""
    paths = files(tmp_path)
    script = tmp_path / "script.py"
    script.write_text(
        "import hashlib, os, sys\n"
        "from lorarium.descriptors import describe_many\n"
        "if __name__ == '__main__':\n"
        "    before = dict(os.environ)\n"
        "    for row in describe_many(sys.argv[1:], workers=2):\n"
        "        print(hashlib.sha256(row.sketch.to_bytes()).hexdigest() if row.sketch else '-')\n"
        "    assert dict(os.environ) == before\n"
    )
    source = str(Path(lorarium.__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, str(script), *map(str, paths)],
        env={**os.environ, "PYTHONPATH": source},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    import hashlib

    alone = [
        hashlib.sha256(row.sketch.to_bytes()).hexdigest() if row.sketch else "-"
        for row in describe_many(paths)
    ]
    assert done.stdout.split() == alone


def test_dialects_do_not_matter(tmp_path):
    a = example(rank=2)
    formats.write(a, tmp_path / "a.safetensors", "kohya")
    formats.write(a, tmp_path / "b.safetensors", "diffusers")
    one, two = describe(tmp_path / "a.safetensors"), describe(str(tmp_path / "b.safetensors"))
    np.testing.assert_allclose(one.product, two.product, atol=1e-6)
    np.testing.assert_array_equal(describe(a).product, sketch(a).product)
