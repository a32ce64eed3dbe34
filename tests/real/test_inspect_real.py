"""Published files, where they are at hand: what is said of them is what they are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lorarium.formats.inspection.inspect import inspect_file

LORAS = Path(__file__).parents[2].parent / "shared" / "data" / "loras"
pytestmark = pytest.mark.skipif(not LORAS.is_dir(), reason="no real files at hand")

EXPECTED = {
    "MathieuNlp+Sam_LoRA": ("not-diffusion", 0),
    "catundchat": ("sd1", 128),
    "cloneofsimo+lora__example_loras__analog_svd": ("sd1", 192),
    "cloneofsimo+lora__example_loras__lora_disney": ("sd1", 192),
    "hansjohn819-commits+sd-lora-anime-style__weights__sd15": ("sd1", 24),
    "mvclab-ntust-course": ("sd1", 128),
}


@pytest.mark.parametrize("start", sorted(EXPECTED))
def test_real_file(start: str) -> None:
    [path] = LORAS.glob(f"{start}*")
    found = inspect_file(path)
    family, modules = EXPECTED[start]
    assert found.family is not None and found.family.id == family
    assert sum(found.parts.values()) == modules
    json.dumps(found.to_json(), allow_nan=False)
    if modules:
        assert found.norm and sum(found.energy.values()) == pytest.approx(1, abs=1e-3)


def test_text_encoder_alone_is_ambiguous_and_says_so() -> None:
    [path] = LORAS.glob("*sdxl__text_encoder*")
    found = inspect_file(path)
    assert found.family is not None
    assert "sdxl" in (found.family.id, *found.family.alternatives)
    assert {finding.code for finding in found.health} == {"dead-module", "reader"}


def test_embedded_tokens_are_trigger_words() -> None:
    [path] = LORAS.glob("*disney*")
    assert [word.text for word in inspect_file(path).words] == ["<s1>", "<s2>"]
