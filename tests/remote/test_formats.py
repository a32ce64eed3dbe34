"""What is said of a file that is read where it is: the same as of the file itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import lorarium
from lorarium import formats
from lorarium.algebra import fingerprint
from lorarium.cli import main
from lorarium.errors import LorariumError
from lorarium.formats import container
from lorarium.formats.example import example
from lorarium.formats.inspection.inspect import inspect_file, inspect_files
from lorarium.formats.synthesise import make_fixture
from tests.remote.server import Answer, Server, hub, serving

# what needs no tensor's entries
OF_HEADER = (
    *("family", "dialect", "kind", "parts", "ranks", "parameters", "dtype", "metadata"),
    *("training", "words", "container", "size"),
)


def write(path: Path, seed: int = 0, to: str = "kohya") -> Path:
    formats.write(example(family="micro-1", seed=seed, rank=4), path, to)
    return path


@pytest.mark.parametrize("family", ["sd1", "sdxl", "flux1", "wan-1.3b"])
@pytest.mark.parametrize("dialect", ["kohya", "diffusers"])
def test_the_header_says_what_the_file_says(
    server: Server, folder: Path, family: str, dialect: str
) -> None:
    made = make_fixture(family, dialect, keep=lambda part, name: "att" in name)
    path = made.save(folder / "x.safetensors")
    here, there = inspect_file(path), inspect_file(f"{server.url}/x.safetensors")
    for name in OF_HEADER:
        assert getattr(there, name) == getattr(here, name), name
    assert there.norm is None and there.hashes is None and there.fingerprint is None
    assert there.path == f"{server.url}/x.safetensors"


def test_all_of_it_when_asked(server: Server, folder: Path) -> None:
    path = write(folder / "x.safetensors")
    here = inspect_file(path)
    there = inspect_file(f"{server.url}/x.safetensors", full=True)
    assert there.hashes == here.hashes and there.fingerprint == here.fingerprint
    assert there.norm == here.norm and there.health == here.health
    assert there.read is not None and there.read.share == 1


def large(folder: Path, *, alphas: str) -> Path:
    """A sparse file of 64 MB with alphas in front of all tensors, or among them."""
    table: dict[str, object] = {}
    position = 0

    def add(key: str, dtype: str, shape: list[int]) -> None:
        nonlocal position
        size = int(np.prod(shape)) * (4 if dtype == "F32" else 2)
        table[key] = {
            "dtype": dtype, "shape": shape, "data_offsets": [position, position + size]
        }  # fmt: skip
        position += size

    stems = [f"lora_unet_mid_block_attentions_0_proj_{i}" for i in range(16)]
    for stem in stems:
        if alphas == "front":
            add(f"{stem}.alpha", "F32", [])
    for stem in stems:
        if alphas == "among":
            add(f"{stem}.alpha", "F32", [])
        add(f"{stem}.lora_down.weight", "F16", [512, 2048])
        add(f"{stem}.lora_up.weight", "F16", [2048, 512])
    text = json.dumps(table).encode()
    path = folder / "large.safetensors"
    start = 8 + len(text)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(start + position)
        for key, entry in table.items():
            if key.endswith(".alpha"):
                file.seek(start + entry["data_offsets"][0])  # type: ignore[index]
                file.write(np.float32(32).tobytes())
    return path


@pytest.mark.parametrize("alphas, read_alphas", [("front", (32.0,)), ("among", ())])
def test_little_of_a_large_file_is_read(
    server: Server, folder: Path, alphas: str, read_alphas: tuple[float, ...]
) -> None:
    path = large(folder, alphas=alphas)
    inspection = inspect_file(f"{server.url}/{path.name}")
    assert inspection.ranks == (512,) * 16 and inspection.alphas == read_alphas
    assert inspection.read is not None and inspection.read.bytes == server.sent
    assert inspection.read.share < 0.01 and inspection.read.of == path.stat().st_size


def test_a_remote_file_is_read_like_any(server: Server, folder: Path) -> None:
    path = write(folder / "x.safetensors")
    there = formats.read(f"{server.url}/x.safetensors")
    assert fingerprint(there) == fingerprint(formats.read(path))
    assert lorarium.descriptors.describe(f"{server.url}/x.safetensors").family == "micro-1"
    assert formats.detect_file(f"{server.url}/x.safetensors").id == "micro-1"


def test_what_is_wrong_with_it_names_the_address(server: Server, folder: Path) -> None:
    (folder / "x.safetensors").write_bytes(b"<html>" + bytes(100))
    for call in (inspect_file, formats.read):
        with pytest.raises(LorariumError, match=r"^http://127\.0\.0\.1:\d+/x\.safetensors\?….*web"):
            call(f"{server.url}/x.safetensors?key=1")
    (folder / "y.safetensors").write_bytes((10**6).to_bytes(8, "little") + b"{}")
    with pytest.raises(LorariumError, match="cut short"):
        inspect_file(f"{server.url}/y.safetensors")
    (folder / "z.pt").write_bytes(b"PK\x03\x04" + bytes(100))
    with pytest.raises(LorariumError, match="--full reads all"):
        inspect_file(f"{server.url}/z.pt")


def test_commands_for_files_here_say_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    address = "https://me:secret@127.0.0.1:1/x.safetensors"
    for arguments in (["metadata", address], ["convert", address, str(tmp_path / "y.safetensors")]):
        monkeypatch.setattr(sys, "argv", ["lorarium", *arguments])
        with pytest.raises(SystemExit) as left:
            main()
        assert left.value.code == 2
        error = capsys.readouterr().err
        assert len(error.splitlines()) == 1 and "secret" not in error and "127.0.0.1" in error


# the hub


def test_a_repository_is_its_files(at_hub: Server, folder: Path) -> None:
    write(folder / "a.safetensors")
    (folder / "below").mkdir()
    write(folder / "below" / "b.safetensors", 1)
    (folder / "README.md").write_text("x")
    inspections = list(inspect_files(["hf://owner/name"]))
    assert [one.path for one in inspections] == [
        "hf://owner/name/a.safetensors",
        "hf://owner/name/below/b.safetensors",
    ]
    assert all(one.ok and one.family and one.family.id == "micro-1" for one in inspections), (
        inspections
    )
    with pytest.raises(LorariumError, match=r"it holds 'a\.safetensors', 'b\.safetensors'"):
        formats.read("hf://owner/name")
    assert formats.read("hf://owner/name/below").family == "micro-1"
    assert formats.read(Path("hf://owner/name/a.safetensors")).family == "micro-1"


def test_a_peft_repository_has_its_config(at_hub: Server, folder: Path, tmp_path: Path) -> None:
    write(tmp_path / "peft", to="peft")
    for file in (tmp_path / "peft").iterdir():
        file.rename(folder / file.name)
    here, there = formats.read(folder), formats.read("hf://owner/name")
    assert fingerprint(there) == fingerprint(here)
    assert inspect_file("hf://owner/name/adapter_model.safetensors").alphas
    (folder / "adapter_config.json").unlink()
    formats.read("hf://owner/name")  # and without


def test_the_token_goes_to_the_hub_alone(at_hub: Server, folder: Path, tmp_path: Path) -> None:
    write(folder / "a.safetensors")
    formats.read("hf://owner/name/a.safetensors")
    assert all(h.get("Authorization") == "Bearer hf_secret" for *_, h in lower(at_hub))
    with serving(folder) as storage:
        at_hub.before = hub(folder, elsewhere=storage.url)
        inspection = inspect_file("hf://owner/name/a.safetensors", full=True)
        assert inspection.ok and len(storage.requests) > 0
        assert not any("authorization" in map(str.lower, h) for *_, h in storage.requests)


def lower(server: Server) -> list[tuple[str, str, dict[str, str]]]:
    return [(c, p, {k.title(): v for k, v in h.items()}) for c, p, h in server.requests]


@pytest.mark.parametrize(
    "address, words",
    [
        ("hf://owner/name/none.safetensors", "there is no such file"),
        ("hf://owner/secret/x.safetensors", "private or gated"),
        ("hf://owner/secret", "private or gated"),
        ("hf://owner/na me/x.safetensors", "this names no repository"),
    ],
)
def test_the_hub_says_no(at_hub: Server, address: str, words: str) -> None:
    [inspection] = inspect_files([address])
    assert words in inspection.error and "\n" not in inspection.error
    assert "Request ID" not in inspection.error and at_hub.url not in inspection.error


def test_a_hub_that_breaks(at_hub: Server, folder: Path) -> None:
    write(folder / "a.safetensors")

    def broken(answer: Answer) -> bool:
        answer.simple(500)
        return True

    at_hub.before = broken
    [inspection] = inspect_files(["hf://owner/name/a.safetensors"])
    assert "500" in inspection.error and "\n" not in inspection.error


def test_without_the_extra_it_is_named() -> None:
    program = (
        "import sys\n"
        "class Gone:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in ('huggingface_hub', 's3fs', 'fsspec'):\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Gone())\n"
        "from lorarium.cli import main\n"
        "sys.exit(main())\n"
    )
    for address in ("hf://owner/name", "s3://bucket/x.safetensors"):
        done = subprocess.run(
            [sys.executable, "-c", program, "inspect", address],
            capture_output=True, text=True, env={**os.environ, "NO_PROXY": "*"},
        )  # fmt: skip
        assert done.returncode == 2 and "lorarium[remote]" in done.stderr, done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_secrets_stay_out_of_json(server: Server, folder: Path) -> None:
    container.save(folder / "x.safetensors", {"a": np.zeros(2, "f4")})
    url = server.url.replace("//", "//me:pass@") + "/x.safetensors?token=abc"
    [inspection] = inspect_files([url])
    assert inspection.ok and not any(
        s in json.dumps(inspection.to_json()) for s in ("pass", "abc", "me:")
    )
