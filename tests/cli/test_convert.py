"""`lorarium convert`: exit codes, the report for people and for programs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from lorarium.adapter import Adapter, Dense, LowRank, Module
from lorarium.cli.convert import command
from lorarium.formats import container, read, read_report, write
from lorarium.formats.synthesise import make_fixture


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return make_fixture("sd1", "kohya", rank=2, every=False).save(tmp_path / "in.safetensors")


def run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(command, [str(x) for x in arguments], standalone_mode=False)
    if result.exception:
        raise result.exception
    return result.return_value or 0, result.stdout, result.stderr


def test_one_file(source: Path, tmp_path: Path) -> None:
    code, out, err = run(source, tmp_path / "out.safetensors", "--to", "diffusers")
    assert (code, err) == (0, "")
    assert "kohya -> diffusers, sd1" in out and "read back and equal" in out
    assert read_report(tmp_path / "out.safetensors")[1].dialect == "diffusers"
    assert run(source, tmp_path / "again.safetensors", "--quiet") == (0, "", "")


def test_refusals_have_a_line_each(tmp_path: Path) -> None:
    made = make_fixture("sd1", "kohya", "tucker", every=False, keep=lambda p, n: p == "denoiser")
    plain = make_fixture("sd1", "kohya", every=False, keep=lambda p, n: p != "denoiser")
    both = {**made.tensors[""], **plain.tensors[""]}
    type(made)("kohya", {"": both}).save(tmp_path / "in.safetensors")
    code, out, _ = run(tmp_path / "in.safetensors", tmp_path / "out.safetensors", "--to", "comfy")
    assert code == 0 and "refused" not in out
    code, out, _ = run(tmp_path / "in.safetensors", tmp_path / "x.safetensors", "--to", "diffusers")
    refused = [line for line in out.splitlines() if line.startswith("  refused ")]
    assert code == 1 and len(refused) == len(made.tensors[""]) // 4 == 10
    assert all("Tucker" in line for line in refused)
    assert "LOST 10 of 16 modules and " in out and "more like these" not in out


def test_a_folder_with_a_bad_file(source: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.safetensors").write_text("no")
    code, out, err = run(tmp_path, tmp_path / "out", "--to", "peft", "--json")
    assert code == 2 and err.count("\n") == 1
    document = json.loads(out)
    assert document["schema"] == "lorarium/1" and document["ok"] is False
    states = {Path(file["source"]).name: file["ok"] for file in document["files"]}
    assert states == {"bad.safetensors": False, "in.safetensors": True}
    written = next(file["written"] for file in document["files"] if file["ok"])
    assert written["verified"] and written["modules"]["exact"] > 0
    assert (tmp_path / "out" / "in" / "unet" / "adapter_config.json").is_file()


BLOCK, OTHER = (f"down_blocks.0.attentions.{i}.transformer_blocks.0" for i in (0, 1))


def lossy(folder: Path, count: int) -> Path:
    """Full differences of norm 2, which PEFT has no words for, beside one LoRA of norm 1."""
    squares = (
        "attn1.to_q",
        "attn1.to_k",
        "attn1.to_v",
        "attn1.to_out.0",
        "attn2.to_q",
        "attn2.to_out.0",
    )
    paths = [f"{block}.{name}" for block in (BLOCK, OTHER) for name in squares]
    two = np.zeros((320, 320), np.float32)
    two[0, 0] = 2
    deltas = {Module("denoiser", path): Dense(two) for path in paths[:count]}
    up, down = np.eye(320, 1, dtype=np.float32), np.eye(1, 768, dtype=np.float32)
    deltas[Module("denoiser", f"{BLOCK}.attn2.to_k")] = LowRank(up, down)
    write(Adapter(deltas, "sd1"), folder / "in.safetensors", "kohya")
    return folder / "in.safetensors"


def test_what_is_lost_is_counted_and_weighed(tmp_path: Path) -> None:
    source, out = lossy(tmp_path, 12), tmp_path / "out.safetensors"
    assert len(read(source)) == 13
    code, text, _ = run(source, out, "--to", "diffusers")
    assert code == 1 and out.exists()
    assert f"LOST 12 of 13 modules and {48 / 49:.2%} of the energy" in text
    assert text.count("  refused ") == 10 and "  and 2 more like these\n" in text
    code, text, err = run(source, tmp_path / "quiet.safetensors", "--to", "diffusers", "--quiet")
    assert (code, text) == (1, "") and "LOST 12 of 13" in err and err.count("\n") == 1


@pytest.mark.parametrize("allowed", [False, True])
def test_a_loss_is_not_ok_unless_it_is_wanted(allowed: bool, tmp_path: Path) -> None:
    flags = ["--to", "diffusers", "--json", *(["--allow-loss"] if allowed else [])]
    code, text, _ = run(lossy(tmp_path, 1), tmp_path / "out.safetensors", *flags)
    document = json.loads(text)
    assert (code == 0) == document["ok"] == document["files"][0]["ok"] == allowed
    assert document["files"][0]["lost"] == {"modules": 1, "of": 2, "energy": 0.8}


def test_keys_that_cannot_be_read_are_a_loss(source: Path, tmp_path: Path) -> None:
    raw = container.load(source)
    odd = {"lora_unet_mid_block_resnets_0_conv1.lora_up.weight": np.ones((4, 4), np.float16)}
    container.save(tmp_path / "odd.safetensors", {**raw.tensors, **odd}, raw.metadata)
    code, text, _ = run(tmp_path / "odd.safetensors", tmp_path / "out.safetensors")
    assert code == 1 and "LOST 1 of " in text and "do not multiply" in text
    again = [tmp_path / "odd.safetensors", tmp_path / "again.safetensors", "--allow-loss"]
    assert run(*again)[0] == 0


def test_what_a_number_type_destroys_is_named_and_not_written(tmp_path: Path) -> None:
    source, out = lossy(tmp_path, 1), tmp_path / "out.safetensors"
    code, text, err = run(source, out, "--dtype", "fp8_e4m3", "--json")
    assert code == 0 and json.loads(text)["ok"]
    loud = read(source)
    big = {m: Dense(1e6 * d.weight) if isinstance(d, Dense) else d for m, d in loud.items()}
    write(loud.with_(deltas=big), tmp_path / "loud.safetensors")
    code, text, err = run(
        tmp_path / "loud.safetensors", tmp_path / "x.safetensors", "--dtype", "fp16", "--json"
    )
    file = json.loads(text)["files"][0]
    assert code == 1 and f"{BLOCK}.attn1.to_q" in err and err.count("\n") == 1
    assert file["ok"] is False and file["written"] is None
    assert [fault["name"] for fault in file["unverified"]] == [f"denoiser:{BLOCK}.attn1.to_q"]
    assert not (tmp_path / "x.safetensors").exists()
    forced = [
        tmp_path / "loud.safetensors",
        tmp_path / "x.safetensors",
        "--dtype",
        "fp16",
        "--force",
    ]
    code, text, _ = run(*forced)
    assert code == 1 and "NOT VERIFIED, 1 modules" in text and (tmp_path / "x.safetensors").exists()


def test_two_files_of_one_name(source: Path, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    folder = tmp_path / "loras"
    folder.mkdir()
    raw = container.load(source)
    container.save(folder / "a.safetensors", raw.tensors, raw.metadata)
    torch.save({k: torch.from_numpy(v.copy()) for k, v in raw.tensors.items()}, folder / "a.pt")
    code, _, err = run(folder, tmp_path / "out", "--force")
    assert code == 2 and "is written under the same name" in err and err.count("\n") == 1
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.safetensors"]


def test_a_folder_onto_itself_keeps_what_was_there(source: Path, tmp_path: Path) -> None:
    folder = tmp_path / "loras"
    folder.mkdir()
    source = source.rename(folder / "in.safetensors")
    before = source.read_bytes()
    code, _, err = run(folder, folder, "--to", "diffusers")
    assert code == 2 and "one of the inputs" in err and source.read_bytes() == before
    assert run(folder, folder, "--to", "diffusers", "--force")[0] == 0
    assert (folder / "in.safetensors.bak").read_bytes() == before
    assert read_report(source)[1].dialect == "diffusers"
