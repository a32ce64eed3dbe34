"""Forecasts against dense matrices, and their command."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from deltas import make, matrix
from lorarium import LorariumError, formats
from lorarium.adapter import Adapter, LowRank
from lorarium.cli import cli
from lorarium.forecasts.facts import forecast
from lorarium.mergers import merge

PATHS = [f"transformer_blocks.{i}.attn1.{name}" for i in (0, 1) for name in ("to_q", "to_v")]


def adapter(seed, paths=PATHS, family="micro-1"):
    deltas = {("denoiser", p): make("lora", 10 * seed + i, r=3) for i, p in enumerate(paths)}
    return Adapter(deltas, family, dialect="diffusers")


def test_it_is_what_dense_matrices_say():
    a, b = adapter(1), adapter(2, PATHS[1:])
    found = forecast([a, b])
    assert found.shared == 3 and [block.name for block in found.blocks] == [
        "transformer_blocks.0", "transformer_blocks.1",
    ]  # fmt: skip
    for outcome in found.outcomes:
        merged = merge([a, b], method=outcome.method)
        for k, own in enumerate((a, b)):
            kept, lost, total = 0.0, 0.0, 0.0
            for module, delta in own.items():
                D, M = matrix(delta), matrix(merged[module])
                V = np.linalg.svd(D)[2][:3].T
                kept += (M * D).sum()
                lost += np.square((M - D) @ V).sum()
                total += np.square(D).sum()
            assert outcome.survives[k] == pytest.approx(kept / total, abs=2e-4)
            assert outcome.disturbed[k] == pytest.approx((lost / total) ** 0.5, abs=2e-4)
    assert sum(block.energy[0] for block in found.blocks) == pytest.approx(1, abs=1e-3)
    assert found.cosines[0][0] == 1 and found.cosines[0][1] == found.cosines[1][0]


def test_strangers_to_each_other_are_not_disturbed():
    def one(rows):
        down = np.eye(8, dtype="f4")[rows]
        up = np.random.default_rng(rows[0]).standard_normal((8, 2)).astype("f4")
        return Adapter({("denoiser", "x.to_q"): LowRank(up, down)}, "micro-1")

    apart, same = forecast([one([0, 1]), one([2, 3])]), forecast([one([0, 1]), one([0, 1])])
    by_name = {o.method: o for o in apart.outcomes}
    assert by_name["sum"].disturbed == (0, 0) and by_name["sum"].survives == (1, 1)
    assert by_name["average"].survives == (0.5, 0.5)
    assert max(same.outcomes[0].disturbed) > 0.5


def test_methods_that_do_not_fit_are_left_out():
    found = forecast([adapter(1, family="sdxl"), adapter(2, family="sdxl")])
    assert set(found.left_out) == {"lora-rar", "roles"}
    with pytest.raises(LorariumError, match="different base models"):
        forecast([adapter(1), adapter(2, family="sdxl")])
    with pytest.raises(LorariumError, match="for 1 adapters"):
        forecast([adapter(1)])
    zero = Adapter({("denoiser", PATHS[0]): LowRank(np.zeros((8, 2), "f4"), np.ones((2, 8), "f4"))},
                   "micro-1")  # fmt: skip
    other = Adapter({("denoiser", PATHS[0]): LowRank(np.ones((8, 2), "f4"), np.ones((2, 8), "f4"))},
                    "micro-1")  # fmt: skip
    with pytest.raises(LorariumError, match="adapter 1 changes nothing"):
        forecast([zero, other])


def test_the_command(tmp_path):
    files = [str(tmp_path / f"{name}.safetensors") for name in ("cat", "ink")]
    for seed, file in enumerate(files):
        formats.write(adapter(seed + 1), file)
    said = CliRunner().invoke(cli, ["forecast", *files])
    assert said.exit_code == 0 and "np-lora" in said.output and "cat.safetensors" in said.output
    told = json.loads(CliRunner().invoke(cli, ["forecast", *files, "--json"]).output)
    assert told["schema"] == "lorarium/1" and len(told["outcomes"]) >= 3
    bad = CliRunner().invoke(cli, ["forecast", files[0]])
    assert bad.exit_code == 2 or isinstance(bad.exception, LorariumError)
