"""The networks that come along, on the sample library."""

import json

import numpy as np
import pytest

from lorarium import formats
from lorarium.algebra import inner, norm
from lorarium.library import sample
from lorarium.mergers import merge_with_report
from lorarium.mergers.lora_rar import ASSET as LORA_RAR
from lorarium.mergers.roles import ASSET as ROLES


@pytest.mark.parametrize(
    ("method", "asset", "ends"),
    [("lora-rar", LORA_RAR, (".to_q", ".to_out.0")), ("roles", ROLES, ("",))],
)
def test_a_subject_and_a_style_of_the_library(method, asset, ends):
    held = sample()
    card = json.loads(asset.with_suffix(".json").read_text())
    assert card["base_hash"] == held.base_hash
    scores = card["scores"]["validation"]
    assert scores[card["name"]] < scores["sum"]
    subject, style = (formats.read(held.of(kind)[0].path) for kind in ("subject", "style"))
    merged, report = merge_with_report([subject, style], method=method)
    both = {m for m in subject if m in style and m.path.endswith(ends)}
    assert set(merged) == set(subject) | set(style)
    assert f"{len(both)} modules by the network" in report.notes[-1]
    for _, delta in merged.items():
        assert np.isfinite(delta.up).all() and np.isfinite(delta.down).all()
    # neither is lost, neither is blown up: of the sum both survive whole
    for adapter in (subject, style):
        assert 0.5 < inner(merged, adapter) / norm(adapter) ** 2 < 1.05
