"""What a user met in the first week, each fault once, through the command line alone: these tests
need nothing of ours but it and the file format, so that they can be tried on any older version."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.timing import SOURCE

ATTENTION = "mid_block_attentions_0_transformer_blocks_0_attn1_to_"
BLOCKS = [f"down_blocks_{i}_attentions_{j}" for i in range(3) for j in range(2)]
DTYPES = {"float16": "F16", "float32": "F32"}


def save(path: Path, tensors: dict[str, np.ndarray], metadata: dict[str, str] | None = None) -> str:
    table: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    payload = b""
    for name, array in tensors.items():
        raw = np.ascontiguousarray(array).tobytes()
        table[name] = {
            "dtype": DTYPES[array.dtype.name],
            "shape": list(array.shape),
            "data_offsets": [len(payload), len(payload) + len(raw)],
        }
        payload += raw
    header = json.dumps(table).encode()
    header += b" " * (-len(header) % 8)
    path.write_bytes(struct.pack("<Q", len(header)) + header + payload)
    return str(path)


def pairs(seed: int, size: float = 1.0, dtype: str = "float16") -> dict[str, np.ndarray]:
    """Factors of attention layers of Stable Diffusion 1 as kohya names them."""
    rng = np.random.default_rng(seed)
    tensors = {}
    widths = {"down_blocks_0": 320, "down_blocks_1": 640, "down_blocks_2": 1280}
    for block in BLOCKS:
        n = widths[block[:13]]
        for x in "qk":
            stem = f"lora_unet_{block}_transformer_blocks_0_attn1_to_{x}"
            tensors[f"{stem}.lora_up.weight"] = size * rng.standard_normal((n, 4)) / 30
            tensors[f"{stem}.lora_down.weight"] = rng.standard_normal((4, n)) / 30
    return {name: array.astype(dtype) for name, array in tensors.items()}


def lorarium(*words: str, seconds: float = 300) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-m", "lorarium", *words],
        capture_output=True, text=True, env=environment, timeout=seconds, check=False,
    )  # fmt: skip


def answer(*words: str) -> Any:
    done = lorarium(*words, "--json")
    assert not done.returncode, done.stderr
    return json.loads(done.stdout)


def header(path: Path) -> dict[str, Any]:
    raw = path.read_bytes()
    header: dict[str, Any] = json.loads(raw[8 : 8 + struct.unpack("<Q", raw[:8])[0]])
    return header


def test_one_hostile_file_stops_nobody(tmp_path: Path) -> None:
    metadata = {"lora_adapter_metadata": json.dumps({"unet.r": 10**400, "unet.lora_alpha": 1})}
    hostile = {
        f"unet.{ATTENTION.replace('_', '.', 1)}q.lora_{x}.weight": np.ones((4, 4), np.float16)
        for x in "AB"
    }
    save(tmp_path / "a.safetensors", hostile, metadata)
    save(tmp_path / "b.safetensors", pairs(1))
    done = lorarium("inspect", str(tmp_path))
    assert "Traceback" not in done.stderr and "sd1" in done.stdout
    done = lorarium("index", str(tmp_path), "--library", str(tmp_path / "l"), "--workers", "0")
    assert "Traceback" not in done.stderr and not done.returncode


def test_nothing_destroyed_is_called_equal(tmp_path: Path) -> None:
    source = save(tmp_path / "a.safetensors", pairs(1, 1e7, "float32"))
    done = lorarium("convert", source, str(tmp_path / "b.safetensors"), "--dtype", "fp16")
    assert done.returncode == 1 and not (tmp_path / "b.safetensors").exists()


def test_nothing_is_lost_in_silence(tmp_path: Path) -> None:
    tensors = pairs(1)
    for x in "qkv":
        tensors[f"nobody_knows_{x}.weight"] = np.ones((3, 3), np.float16)
    done = lorarium(
        "convert", save(tmp_path / "a.safetensors", tensors), str(tmp_path / "b"),
        "--to", "peft", "--json",
    )  # fmt: skip
    assert done.returncode == 1 and json.loads(done.stdout)["ok"] is False


@pytest.mark.parametrize("words", [("convert",), ("resize", "--rank", "2")])
def test_nothing_is_overwritten_unasked(words: tuple[str, ...], tmp_path: Path) -> None:
    source = save(tmp_path / "a.safetensors", pairs(1))
    target = Path(save(tmp_path / "b.safetensors", pairs(2)))
    before = target.read_bytes()
    done = lorarium(words[0], source, str(target), *words[1:])
    assert done.returncode == 2 and target.read_bytes() == before


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="has no named pipes")
def test_a_named_pipe_is_refused_before_it_is_opened(tmp_path: Path) -> None:
    a, b = (save(tmp_path / f"{i}.safetensors", pairs(i)) for i in (1, 2))
    os.mkfifo(tmp_path / "pipe.toml")
    done = lorarium(
        "merge", a, b, "-o", str(tmp_path / "x.safetensors"),
        "--blocks", str(tmp_path / "pipe.toml"), seconds=60,
    )  # fmt: skip
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1


def test_options_that_nobody_can_mean(tmp_path: Path) -> None:
    a, b = (save(tmp_path / f"{i}.safetensors", pairs(i)) for i in (1, 2))
    out = str(tmp_path / "x.safetensors")
    assert not lorarium().returncode
    done = lorarium("merge", a, b, "-o", out, "--method", "dare-linear", "--seed", "-1")
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
    assert "convert" in lorarium("convrt", a, out).stderr


def test_lineage_stays_right_beside_derived_files(tmp_path: Path) -> None:
    loras = tmp_path / "loras"
    loras.mkdir()
    for seed in range(6):
        save(loras / f"{seed}.safetensors", pairs(seed))
    K, R, M, T, K2 = (str(loras / f"{name}.safetensors") for name in ("0", "1", "M", "T", "K2"))
    ties = ("merge", K, R, "-o", T, "--method", "ties", "--rank", "8")
    for words in (
        ("merge", f"{K}:0.8", f"{R}:0.5", "-o", M),
        ties,
        ("resize", K, K2, "--rank", "3"),
    ):
        assert not lorarium(*words, "--quiet").returncode
    library = str(tmp_path / "library")
    assert not lorarium("index", str(loras), "--library", library, "--workers", "0").returncode

    def parents(path: str) -> set[str]:
        merge = answer("lineage", path, "--library", library)["merge"]
        return {Path(p["path"]).stem for p in merge["parents"]} if merge else set()

    assert parents(M) == parents(T) == {"0", "1"} and "M" not in parents(K2)


def test_only_copies_are_bytes_to_win(tmp_path: Path) -> None:
    loras = tmp_path / "loras"
    loras.mkdir()
    first = save(loras / "0.safetensors", pairs(0))
    (loras / "again.safetensors").write_bytes(Path(first).read_bytes())
    assert not lorarium("resize", first, str(loras / "cut.safetensors"), "--rank", "2").returncode
    library = str(tmp_path / "library")
    assert not lorarium("index", str(loras), "--library", library, "--workers", "0").returncode
    listing = lorarium("duplicates", "--library", library).stdout.lower()
    assert "identical bytes" in listing and "cut down" in listing and "1 copy" in listing


def test_a_merge_of_sixteen_bits_has_sixteen_and_says_what_it_wrote(tmp_path: Path) -> None:
    a, b = (save(tmp_path / f"{i}.safetensors", pairs(i)) for i in (1, 2))
    out = tmp_path / "x.safetensors"
    done = lorarium("merge", f"{a}:0.8", f"{b}:0.3", "-o", str(out))
    dtypes = {one["dtype"] for key, one in header(out).items() if key.endswith(".weight")}
    assert dtypes == {"F16"} and "fp16" in done.stdout and "rank 8" in done.stdout
