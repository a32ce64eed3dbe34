"""Published files through every dialect and back: the same changes, every key accounted for."""

from __future__ import annotations

from pathlib import Path

import pytest

from lorarium.formats import read, read_report, write
from lorarium.formats.dialects import DIALECTS
from lorarium.formats.families import FAMILIES, table
from lorarium.formats.verify import difference

DATA = Path(__file__).parents[2].parent / "shared" / "data"
pytestmark = pytest.mark.skipif(not (DATA / "loras").is_dir(), reason="no real files at hand")
FILES = sorted((DATA / "loras").glob("*.safetensors"))
DIFFUSION = [path for path in FILES if "Sam_LoRA" not in path.name]

EXPECTED = {
    "catundchat": ("attention-processors", "sd1"),
    "cloneofsimo": ("cloneofsimo", "sd1"),
    "hansjohn819": ("peft-bare", "sd1"),
    "mvclab": ("diffusers-0.17", "sd1"),
    "MathieuNlp": ("unknown", "not-diffusion"),
}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name[:60])
def test_dialect_and_family(path: Path) -> None:
    _, report = read_report(path)
    expected = next(value for start, value in EXPECTED.items() if path.name.startswith(start))
    assert (report.dialect, report.family.id) == expected
    assert not report.refused()
    if "text_encoder" in path.name:
        assert "sdxl" in report.family.alternatives and report.warnings


@pytest.mark.parametrize("path", DIFFUSION, ids=lambda path: path.name[:60])
def test_there_and_back(path: Path, tmp_path: Path) -> None:
    adapter, report = read_report(path)
    for dialect in DIALECTS:
        if dialect == "cloneofsimo" and report.dialect != "cloneofsimo":
            continue
        there = tmp_path / (dialect if dialect == "peft" else f"{dialect}.safetensors")
        written = write(adapter, there, dialect)
        assert written.verified and written.worst_error == 0.0
        refused = {fate.name for fate in written.refused()}
        if not dialect.startswith("attention"):
            assert refused <= {"<s1>", "<s2>"}
        again = write(read(there), tmp_path / "back.safetensors", report.dialect, force=True)
        assert again.verified or refused
        back = read(tmp_path / "back.safetensors")
        for module, delta in adapter.items():
            if str(module) not in refused and module in back.deltas:
                assert difference(delta, back[module]) == 0.0
        assert len(back) >= len(adapter) - len(refused) or report.dialect == "cloneofsimo"


def mecha(name: str, part: str) -> dict[str, tuple[int, ...]]:
    """Weights of one component of a key table: name -> shape."""
    text = (DATA / "keys" / "sd-mecha" / name).read_text()
    found: dict[str, tuple[int, ...]] = {}
    inside = False
    for line in text.splitlines():
        if line.startswith("  ") and line[2] != " ":
            inside = line.strip() == f"{part}:"
        elif inside and ".weight:" in line:
            key, _, rest = line.strip().partition(": {shape: [")
            shape = tuple(int(x) for x in rest.partition("]")[0].split(","))
            found[key.removesuffix(".weight")] = shape
    return found


@pytest.mark.parametrize(
    ("name", "net"), [("sd1-kohya.yaml", "unet-sd1"), ("sdxl-kohya.yaml", "unet-sdxl")]
)
def test_names_of_checkpoints(name: str, net: str) -> None:
    known = table(net)
    theirs = {
        key.removeprefix("model.diffusion_model.").removeprefix("unet."): shape
        for key, shape in mecha(name, "diffuser").items()
        if len(shape) > 1
    }
    ldm = {
        known.native_of[path].name if path in known.native_of else path: shape
        for path, shape in known.shapes.items()
    }
    names = dict(known.shapes) if "conv_in" in theirs else ldm
    flat = {key.replace(".", "_"): shape for key, shape in theirs.items()}
    assert {key.replace(".", "_"): shape for key, shape in names.items()} == flat


def test_flux_names_of_checkpoints() -> None:
    known = table("flux1")
    theirs = {
        key.removeprefix("model.diffusion_model."): shape
        for key, shape in mecha("flux-flux.yaml", "diffuser").items()
        if len(shape) > 1
    }
    assert {n.name: known.shape(n) for n in known.natives.values()} == theirs


@pytest.mark.parametrize(
    ("name", "family"),
    [("sd_1_5_lora", "sd1"), ("sdxl_lora", "sdxl"), ("flux_lora", "flux1")],
)
def test_names_of_published_loras(name: str, family: str) -> None:
    text = (DATA / "keys" / "larsupb" / f"{name}.txt").read_text()
    stems = {
        line.strip().removeprefix("lora_unet_")
        for line in text.partition("components found:")[2].partition("=====")[0].splitlines()
        if line.strip().startswith("lora_unet_") and "." not in line
    }
    assert len(stems) > 100
    assert stems <= set(FAMILIES[family].parts["denoiser"].flat)
