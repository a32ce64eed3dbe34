"""The original names of each network against the converters of the installed diffusers.

Every row of an original weight carries a number of its own; after diffusers' converter, each of our
modules must hold the numbers that our table says.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from lorarium.formats.families import table
from lorarium.formats.families.native_rows import ROWS

torch = pytest.importorskip("torch")
utils = pytest.importorskip("diffusers.loaders.single_file_utils")
pytestmark = pytest.mark.interop

CONVERTERS = {
    "auraflow": "convert_auraflow_transformer_checkpoint_to_diffusers",
    "chroma": "convert_chroma_transformer_checkpoint_to_diffusers",
    "cosmos-2b": "convert_cosmos_transformer_checkpoint_to_diffusers",
    "cosmos-14b": "convert_cosmos_transformer_checkpoint_to_diffusers",
    "flux1": "convert_flux_transformer_checkpoint_to_diffusers",
    "flux2-dev": "convert_flux2_transformer_checkpoint_to_diffusers",
    "flux2-klein-4b": "convert_flux2_transformer_checkpoint_to_diffusers",
    "flux2-klein-9b": "convert_flux2_transformer_checkpoint_to_diffusers",
    "flux3": "convert_flux3_transformer_checkpoint_to_diffusers",
    "hunyuan-video": "convert_hunyuan_video_transformer_to_diffusers",
    "krea2": "convert_krea2_transformer_checkpoint_to_diffusers",
    "ltx-video": "convert_ltx_transformer_checkpoint_to_diffusers",
    "ltx-2": "convert_ltx2_transformer_to_diffusers",
    "lumina2": "convert_lumina2_to_diffusers",
    "mochi": "convert_mochi_transformer_checkpoint_to_diffusers",
    "qwen-image-2.1": "convert_qwen_image21_transformer_checkpoint_to_diffusers",
    "sana": "convert_sana_transformer_to_diffusers",
    "sd3": "convert_sd3_transformer_checkpoint_to_diffusers",
    "sd35-medium": "convert_sd3_transformer_checkpoint_to_diffusers",
    "sd35-large": "convert_sd3_transformer_checkpoint_to_diffusers",
    "wan-14b": "convert_wan_transformer_to_diffusers",
    "wan-1.3b": "convert_wan_transformer_to_diffusers",
    "wan-vace-14b": "convert_wan_transformer_to_diffusers",
    "z-image": "convert_z_image_transformer_checkpoint_to_diffusers",
}


class Checkpoint(dict):
    """Answers for norms and other tensors that are not modules of ours."""

    def pop(self, key: str, *default: Any) -> Any:
        return super().pop(key) if key in self else torch.zeros(2, 1, dtype=torch.int64)


@pytest.mark.parametrize("net", CONVERTERS)
def test_original_names(net: str) -> None:
    known = table(net)
    prefix = "net." if net.startswith("cosmos") else ""
    checkpoint, start, expected = Checkpoint(), 0, {}
    for native in known.natives.values():
        rows = known.shape(native)[0]
        numbers = torch.arange(start, start + rows)[:, None]
        checkpoint[f"{prefix}{native.name}.weight"] = numbers
        checkpoint[f"{prefix}{native.name}.bias"] = numbers
        start += rows
        if native.swapped:
            halves = numbers.chunk(2)
            numbers = torch.cat([halves[1], halves[0]])
        unit = rows // sum(native.heights)
        pieces = numbers.split([unit * height for height in native.heights])
        expected |= dict(zip(native.paths, pieces, strict=True))
    for path in known.shapes.keys() - known.native_of.keys():  # spelled alike in both
        numbers = torch.arange(start, start + known.shapes[path][0])[:, None]
        start += known.shapes[path][0]
        checkpoint[f"{prefix}{path}.weight"] = expected[path] = numbers
        checkpoint[f"{prefix}{path}.bias"] = numbers
    converted = getattr(utils, CONVERTERS[net])(checkpoint)
    wrong = [
        path
        for path, numbers in expected.items()
        if not torch.equal(converted.get(f"{path}.weight", torch.zeros(0)), numbers)
    ]
    assert not wrong


# rows that a loop makes beside those that exist
UNUSED = {
    "context_refiner.*.adaLN_modulation.1",
    "blocks.*.self_attn.k_img",
    "blocks.*.self_attn.v_img",
    *(f"vace_blocks.*.{kind}_attn.{x}_img" for kind in ("self", "cross") for x in "kv"),
}


def test_every_row_finds_its_modules() -> None:
    """A misspelled row would silently match nothing."""
    unused: set[str] = {row for rows in ROWS.values() for row in rows}
    for net, rows in ROWS.items():
        names = table(net).natives
        for row in rows:
            pattern = re.escape(row.removeprefix("~")).replace(r"\*", r"\d+").replace("\\$", r"\d+")
            if any(re.fullmatch(pattern, name) for name in names):
                unused.discard(row)
    assert unused == UNUSED
