"""K-LoRA against its formula on dense matrices, and its schedule where render reads it."""

import json

import numpy as np
import pytest

from deltas import difference, make, matrix
from lorarium.adapter import Adapter
from lorarium.mergers import merge, merge_with_report
from lorarium.mergers.dense_k_lora import k_lora_schedule

PATHS = [f"transformer_blocks.{i}.attn1.to_q" for i in range(6)]


def inputs():
    rng = np.random.default_rng(0)

    def of(seed, r):
        deltas = {}
        for i, path in enumerate(PATHS):
            delta = make("lora", seed + i, r=r)
            loud = np.float32(rng.uniform(0.5, 2))
            deltas["denoiser", path] = type(delta)(delta.up * loud, delta.down, scale=delta.scale)
        return Adapter(deltas, "micro-1")

    return of(1, 2), of(50, 3)


def choices(subject, style, p, alpha=1.5, beta=0.5):
    """The paper's choice for each layer after a share p of the steps: True for the subject."""
    ratios = [np.abs(matrix(subject[m])).sum() / np.abs(matrix(style[m])).sum() for m in subject]
    gamma = np.mean(ratios)
    found = {}
    for m in subject:
        K = subject[m].rank * style[m].rank
        S_c, S_s = (np.sort(np.abs(matrix(a[m])), axis=None)[-K:].sum() for a in (subject, style))
        found[m] = S_c / gamma > S_s * (alpha * p + beta)
    return found


def held(rules, lora, module, p):
    """The factor that a schedule leaves an adapter, as `render` reads it."""
    stack = pytest.importorskip("lorarium.bases.stack")
    kept = [r for r in (stack.Rule(**r) for r in rules) if r.applies(lora, module, p)]
    return kept[-1].weight if kept else 1.0


@pytest.mark.interop
def test_the_schedule_is_the_papers_choice_at_every_step():
    subject, style = inputs()
    rules = k_lora_schedule([subject, style])
    seen = set()
    for step in range(20):
        for module, is_subject in choices(subject, style, step / 20).items():
            seen.add((module, is_subject))
            assert held(rules, 0, module, step / 20) == float(is_subject)
            assert held(rules, 1, module, step / 20) == float(not is_subject)
    assert len(seen) > len(PATHS)  # some layer changed hands


def test_the_static_approximation_is_labelled_and_mixes_by_share():
    subject, style = inputs()
    merged, report = merge_with_report([subject, style], [2, 1], method="k-lora")
    assert merged.metadata["lorarium.approximation"].startswith("static")
    assert "static approximation" in report.notes[0]
    steps = 2000
    shares = {m: 0.0 for m in subject}
    for step in range(steps):
        for module, is_subject in choices(subject, style, (step + 0.5) / steps).items():
            shares[module] += is_subject / steps
    for module, share in shares.items():
        expected = 2 * share * matrix(subject[module]) + (1 - share) * matrix(style[module])
        assert difference(matrix(merged[module]), expected) < 2e-3


@pytest.mark.interop
def test_the_file_is_read_by_render(tmp_path):
    stack = pytest.importorskip("lorarium.bases.stack")
    subject, style = inputs()
    merge([subject, style], method="k-lora", schedule=tmp_path / "s.json")
    rules = stack.read_schedule(tmp_path / "s.json")
    assert [dict(vars(r)) for r in rules] == [
        dict(vars(stack.Rule(**r))) for r in k_lora_schedule([subject, style])
    ]
    assert json.loads((tmp_path / "s.json").read_text())


@pytest.mark.interop
def test_weights_by_module_are_in_the_schedule():
    subject, style = inputs()
    rules = k_lora_schedule([subject, style], [2, 1], patterns=[{"blocks.1": 0.5}, None],
                            only="blocks.[12]")  # fmt: skip
    modules = list(subject)
    assert [held(rules, k, modules[0], 0.4) for k in (0, 1)] == [0, 0]
    chosen = choices(subject, style, 0.4)  # one weight for all layers cancels in gamma
    for p in (0.0, 0.4, 0.9):
        factors = [held(rules, k, modules[1], p) for k in (0, 1)]
        assert sorted(factors) in ([0, 0.5], [0, 1])
    assert len(chosen) == 6


def test_top_k_of_the_users_choice_and_constant_scale():
    subject, style = inputs()
    always = k_lora_schedule([subject, style], alpha=0, beta=0, k=1)
    assert all(r["lora"] == 1 and (r["start"], r["end"]) == (0, 1) for r in always)
    never = k_lora_schedule([subject, style], alpha=0, beta=100, k=1)
    assert all(r["lora"] == 0 for r in never)
