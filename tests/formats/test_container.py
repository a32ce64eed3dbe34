"""Container: round trips in every dtype, golden bytes, hostile files, writing whole or not."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st

from lorarium.errors import LorariumError
from lorarium.formats.container import load, load_header, save
from lorarium.formats.header import DTYPES, parse_header
from tests.hostile import entry, raw

SMALL = {"b": np.arange(3, dtype=np.float32), "a": np.zeros((2, 2), ml_dtypes.bfloat16)}


def test_hostile_files_are_one_sentence(hostile: Path) -> None:
    with pytest.raises(LorariumError) as caught:
        load(hostile)
    message = str(caught.value)
    assert "\n" not in message and message.isprintable() and len(message) < 1000
    assert not (hostile.parent / "executed").exists()


def test_message_says_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    for content, words in [
        (b"<html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git-lfs pointer"),
        (raw({"a": entry(0, 100)}, b"x"), "cut short"),
        (raw({"a": entry(0, 2), "b": entry(1, 3)}, b"abc"), "overlaps"),
        (raw(b'{"a":{},"a":{}}'), "occurs twice"),
    ]:
        path.write_bytes(content)
        with pytest.raises(LorariumError, match=words):
            load(path)


def test_code_in_pickle_is_named(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from tests.hostile import CORPUS

    for name in ("code.pt", "code-zip.pt"):
        with pytest.raises(LorariumError, match=r"asks to run code .*mkdir.*nothing was executed"):
            load(CORPUS[name](tmp_path))
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("text", [b"1", b"[]", b"null", b'"x"', b"", b" "])
def test_headers_that_are_no_tables(text: bytes) -> None:
    with pytest.raises(LorariumError, match="broken safetensors header"):
        parse_header(text, 8 + len(text), Path("x"))


def test_names_that_no_system_has(tmp_path: Path) -> None:
    with pytest.raises(LorariumError, match="cannot be read"):
        load(tmp_path / "a\0b.safetensors")
    with pytest.raises(LorariumError, match="cannot be read"):
        load(tmp_path / ("x" * 5000))


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_unreadable(tmp_path: Path) -> None:
    path = tmp_path / "secret.safetensors"
    save(path, SMALL)
    path.chmod(0)
    with pytest.raises(LorariumError, match="cannot be read"):
        load(path)


@pytest.mark.parametrize("name", sorted(DTYPES))
def test_every_dtype_round_trips(name: str, tmp_path: Path) -> None:
    dtype = DTYPES[name]
    tensors = {
        "x": np.ones((3, 5)).astype(dtype),
        "scalar": np.zeros((), dtype),
        "none": np.zeros((0, 4), dtype),
    }
    save(tmp_path / "x.safetensors", tensors, {"k": "v"})
    back = load(tmp_path / "x.safetensors")
    assert dict(back.metadata) == {"k": "v"}
    for key, array in tensors.items():
        assert back.tensors[key].dtype == dtype and back.tensors[key].shape == array.shape
        assert back.tensors[key].tobytes() == array.tobytes()


def test_bytes_are_those_of_the_library(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    tensors = {
        f"{i}": rng.normal(size=(i, 3)).astype(dtype)
        for i, dtype in enumerate(["f4", "f2", "f8", "f4", "i1", "f2"])
    }
    save(tmp_path / "x", tensors, {"one": "é"})
    assert (tmp_path / "x").read_bytes() == safetensors.numpy.save(tensors, {"one": "é"})


def test_equal_input_gives_equal_bytes(tmp_path: Path) -> None:
    metadata = {f"key{i}": str(i) for i in range(9)}
    save(tmp_path / "1", SMALL, metadata)
    save(tmp_path / "2", dict(reversed(SMALL.items())), dict(reversed(metadata.items())))
    one = (tmp_path / "1").read_bytes()
    assert one == (tmp_path / "2").read_bytes()
    assert hashlib.sha256(one).hexdigest()[:16] == "1b80099b57e44f3c"


def test_strided_and_big_endian_arrays_are_written_right(tmp_path: Path) -> None:
    x = np.arange(12, dtype=np.float32).reshape(3, 4)
    save(tmp_path / "x", {"t": x.T, "big": x.astype(">f4"), "step": x[:, ::2]})
    back = load(tmp_path / "x").tensors
    assert (
        (back["t"] == x.T).all() and (back["big"] == x).all() and (back["step"] == x[:, ::2]).all()
    )


def test_unaligned_payload_reads(tmp_path: Path) -> None:
    header = b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'
    header += b" " * (3 - len(header) % 8)
    (tmp_path / "x").write_bytes(raw(header, np.array([1, 2], "<f4").tobytes()))
    assert load(tmp_path / "x").tensors["a"].tolist() == [1, 2]


def test_arrays_are_read_only(tmp_path: Path) -> None:
    save(tmp_path / "x", SMALL)
    with pytest.raises(ValueError, match="read-only"):
        load(tmp_path / "x").tensors["b"][0] = 1


def test_header_alone_is_read_without_payload(tmp_path: Path) -> None:
    save(tmp_path / "x", SMALL, {"k": "v"})
    header = load_header(tmp_path / "x")
    assert header.tensors["b"].shape == (3,) and header.metadata == {"k": "v"}
    assert header.payload_size == sum(array.nbytes for array in SMALL.values())


def test_save_refuses_what_it_cannot_hold(tmp_path: Path) -> None:
    with pytest.raises(LorariumError, match="dtype"):
        save(tmp_path / "x", {"a": np.array(["text"])})
    with pytest.raises(LorariumError, match="Unicode"):
        save(tmp_path / "x", {"\ud800": np.zeros(1)})
    with pytest.raises(LorariumError, match="not text"):
        save(tmp_path / "x", SMALL, {"k": 1})  # type: ignore[dict-item]
    with pytest.raises(LorariumError, match="folder"):
        save(tmp_path, SMALL)
    with pytest.raises(LorariumError, match="cannot be written"):
        save(tmp_path / "none" / "x", SMALL)
    assert list(tmp_path.iterdir()) == []


def test_full_disk_leaves_nothing_half_written(tmp_path: Path) -> None:
    save(tmp_path / "x", SMALL)
    before = (tmp_path / "x").read_bytes()
    program = (
        "import resource, sys, numpy as np\n"
        "from lorarium.errors import LorariumError\n"
        "from lorarium.formats.container import save\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try:\n    save(sys.argv[1], {'a': np.zeros(1_000_000)}, force=True)\n"
        "except LorariumError as error:\n    print(error); sys.exit(2)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "x")], capture_output=True, text=True
    )
    assert done.returncode == 2 and "cannot be written" in done.stdout, done.stderr
    assert (tmp_path / "x").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_interrupt_leaves_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save(tmp_path / "x", SMALL)
    assert list(tmp_path.iterdir()) == []


@settings(max_examples=200)
@given(st.integers(0, 400), st.integers(0, 255), st.integers(0, 500))
def test_one_changed_byte_is_never_a_traceback(
    tmp_path_factory: pytest.TempPathFactory, position: int, value: int, length: int
) -> None:
    folder = tmp_path_factory.getbasetemp()
    save(folder / "whole", SMALL, {"k": "v"}, force=True)
    content = bytearray((folder / "whole").read_bytes())
    content[position % len(content)] = value
    (folder / "changed").write_bytes(content[:length])
    try:
        load(folder / "changed")
    except LorariumError:
        pass


def test_torch_files_read_like_safetensors(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    up = torch.arange(6, dtype=torch.bfloat16).reshape(3, 2)
    fp8 = torch.ones(4).to(torch.float8_e4m3fn)
    inner = {"up": up, "t": up.T, "alpha": 4, "list": [up]}
    for name, new in (("old.bin", False), ("new.pt", True)):
        if new:  # torch itself cannot read fp8 back from its old format
            inner["fp8"] = fp8
        content = {"state_dict": inner, "n": "x"}
        torch.save(content, tmp_path / name, _use_new_zipfile_serialization=new)
        file = load(tmp_path / name)
        assert file.container == ("torch-zip" if new else "pickle")
        assert sorted(file.tensors) == ["alpha"] + ["fp8"] * new + ["list.0", "t", "up"]
        assert file.tensors["up"].dtype == ml_dtypes.bfloat16
        assert file.tensors["t"].tolist() == [[0, 2, 4], [1, 3, 5]]
        assert not new or file.tensors["fp8"].dtype == ml_dtypes.float8_e4m3fn
        assert file.metadata == {"n": "x"}


def test_expanded_tensors_cannot_claim_memory(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    torch.save({"a": torch.zeros(1).expand(2**40)}, tmp_path / "x.pt")
    with pytest.raises(LorariumError, match="claims more"):
        load(tmp_path / "x.pt")


def test_without_torch_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.pt").write_bytes(b"\x80\x02}q\0.")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(LorariumError, match=r"lorarium\[torch\]"):
        load(tmp_path / "x.pt")
