"""A base with rounded linears says nearly the same, and is as it was afterwards."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

import torch

from lorarium.bases import rounded as module
from lorarium.bases.processor import bfloat16_pays
from lorarium.bases.rounded import rounded
from tests.bases.tiny import micro


def predicted(base, x):
    return base.predict(x, torch.full((len(x),), 0.6), base.encode(["a cat"] * len(x)))


def test_rounding_lasts_as_long_as_it_is_asked_for(monkeypatch):
    base = micro()
    x = torch.randn(2, *base.noise_shape(base.size), generator=torch.Generator().manual_seed(1))
    before = predicted(base, x)
    monkeypatch.setattr(module, "pays", lambda base: True)
    monkeypatch.setattr(module, "LEAST", 8)
    with rounded(base):
        x.requires_grad_()
        within = predicted(base, x)
        (pull,) = torch.autograd.grad(within.square().sum(), x)
    (true,) = torch.autograd.grad(predicted(base, x).square().sum(), x)
    assert 0 < (within - before).norm() < 0.02 * before.norm()
    assert 0 < (pull - true).norm() < 0.05 * true.norm()
    assert torch.equal(predicted(base, x), before)


def test_where_it_does_not_pay_nothing_changes(monkeypatch):
    base = micro()
    x = torch.randn(1, *base.noise_shape(base.size))
    monkeypatch.setattr(module, "pays", lambda base: False)
    with rounded(base):
        assert torch.equal(predicted(base, x), predicted(base, x))
        assert all("forward" not in vars(m) for m in base.networks["denoiser"].modules())


def test_it_pays_where_products_are_of_tiles(monkeypatch):
    for known, pays in (
        ({"avx512_bf16": True, "amx_bf16": False}, False),
        ({"avx512_bf16": True, "amx_bf16": True}, True),
        ({}, False),
    ):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda known=known: known, raising=False)
        assert bfloat16_pays(torch.device("cpu")) is pays
