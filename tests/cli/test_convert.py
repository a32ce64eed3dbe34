"""`lorarium convert`: exit codes, the report for people and for programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from lorarium.cli.convert import command
from lorarium.formats import read_report
from lorarium.formats.synthesise import synthesise


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return synthesise("sd1", "kohya", rank=2, every=False).save(tmp_path / "in.safetensors")


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
    made = synthesise("sd1", "kohya", "tucker", every=False, keep=lambda p, n: p == "denoiser")
    plain = synthesise("sd1", "kohya", every=False, keep=lambda p, n: p != "denoiser")
    both = {**made.tensors[""], **plain.tensors[""]}
    type(made)("kohya", {"": both}).save(tmp_path / "in.safetensors")
    code, out, _ = run(tmp_path / "in.safetensors", tmp_path / "out.safetensors", "--to", "comfy")
    assert code == 0 and "refused" not in out
    code, out, _ = run(tmp_path / "in.safetensors", tmp_path / "x.safetensors", "--to", "diffusers")
    refused = [line for line in out.splitlines() if line.startswith("  refused ")]
    count = len(made.tensors[""]) // 4
    assert code == 1 and len(refused) == min(count, 10)
    assert all("Tucker" in line for line in refused)
    assert f"LOST {count} of " in out and f"and {count - 10} more like these" in out


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
