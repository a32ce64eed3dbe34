"""Branches equal changed weights, side by side equal alone, schedules move, PEFT agrees."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from lorarium.adapter import Adapter, Bias, Dense, Dora, Hadamard, Kronecker, LowRank, Module
from lorarium.bases.branches import applied, layer_of
from lorarium.bases.micro2 import Micro2Base
from lorarium.bases.sampling import sample
from lorarium.bases.stack import Rule, Stack, each, read_schedule
from lorarium.errors import LorariumError
from lorarium.formats import write
from tests.bases.tiny import WHOLE, micro, random_adapter

pytestmark = pytest.mark.interop
PROMPTS = ["a cat in ink", "a house in neon"]


def predicted(base: Micro2Base, prompts: list[str] = PROMPTS) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(len(prompts), *base.noise_shape(base.size), generator=generator)
    t = torch.linspace(0.3, 0.8, len(prompts))
    with torch.no_grad():
        return base.predict(x, t, base.encode(prompts))


def changed(base: Micro2Base, changes: dict[Module, torch.Tensor]) -> torch.Tensor:
    """What the base says with changed weights."""
    weights = {m: layer_of(base, m).weight.data.clone() for m in changes}
    for m, change in changes.items():
        layer_of(base, m).weight.data += change
    try:
        return predicted(base)
    finally:
        for m, weight in weights.items():
            layer_of(base, m).weight.data = weight


def test_branches_equal_changed_weights() -> None:
    base = micro()
    one, two = random_adapter(base, 3, 1), random_adapter(base, 5, 2)
    with applied(base, Stack(base, [(one, 0.7), (two, -0.4)]).branches):
        beside = predicted(base)
    changes = {}
    for m in one:
        total = sum(
            w * a[m].scale * torch.from_numpy(a[m].up @ a[m].down)  # type: ignore[union-attr]
            for a, w in ((one, 0.7), (two, -0.4))
        )
        changes[m] = total
    torch.testing.assert_close(beside, changed(base, changes), rtol=1e-4, atol=1e-4)
    assert not torch.allclose(beside, predicted(base), atol=1e-3)


def kinds(shape: tuple[int, ...]) -> dict[str, object]:
    random = np.random.default_rng(4)

    def noise(*size: int) -> np.ndarray:
        return random.normal(size=size).astype(np.float32) * 0.2

    out, into = shape
    plain = LowRank(noise(out, 2), noise(2, into), scale=0.5)
    return {
        "hadamard": Hadamard(noise(out, 2), noise(2, into), noise(out, 2), noise(2, into), scale=2),
        "kronecker": Kronecker(w1=noise(4, 4), w2=noise(out // 4, into // 4)),
        "dense": Dense(noise(*shape), 0.5),
        "dora": Dora(plain, np.abs(noise(out, 1)) + 1),
    }


@pytest.mark.parametrize("kind", ["hadamard", "kronecker", "dense", "dora"])
def test_every_kind_of_delta_is_applied(kind: str) -> None:
    base = micro()
    module = Module("denoiser", "transformer_blocks.0.attn1.to_q")
    weight = layer_of(base, module).weight
    delta = kinds(tuple(weight.shape))[kind]
    with applied(base, Stack(base, [(Adapter({module: delta}, "micro-2"), 1.0)]).branches):
        beside = predicted(base)
    t = {n: torch.from_numpy(a) for n, a in vars(delta).items() if isinstance(a, np.ndarray)}
    if kind == "hadamard":
        change = 2 * (t["w1_a"] @ t["w1_b"]) * (t["w2_a"] @ t["w2_b"])
    elif kind == "kronecker":
        change = torch.kron(t["w1"], t["w2"])
    elif kind == "dense":
        change = 0.5 * t["weight"]
    else:
        inner = delta.inner  # type: ignore[attr-defined]
        moved = weight + 0.5 * torch.from_numpy(inner.up @ inner.down)
        change = t["magnitude"] * moved / moved.norm(dim=1, keepdim=True) - weight
    torch.testing.assert_close(beside, changed(base, {module: change}), rtol=1e-4, atol=1e-4)


def test_convolutions_and_biases() -> None:
    base = micro()
    module = Module("denoiser", "proj_in")
    shape = tuple(layer_of(base, module).weight.shape)
    random = np.random.default_rng(5)
    up = random.normal(size=(shape[0], 2, 1, 1)).astype(np.float32) * 0.1
    down = random.normal(size=(2, *shape[1:])).astype(np.float32) * 0.1
    bias = random.normal(size=shape[0]).astype(np.float32)
    deltas = {module: LowRank(up, down), Module("denoiser", "proj_in.bias"): Bias(bias)}
    with applied(base, Stack(base, [(Adapter(deltas, "micro-2"), 2.0)]).branches):
        beside = predicted(base)
    layer = layer_of(base, module)
    layer.bias.data += 2 * torch.from_numpy(bias)
    change = 2 * torch.from_numpy((up[:, :, 0, 0] @ down.reshape(2, -1)).reshape(shape))
    torch.testing.assert_close(beside, changed(base, {module: change}), rtol=1e-4, atol=1e-4)


def test_many_adapters_at_once_equal_each_alone() -> None:
    base = micro()
    adapters = [random_adapter(base, rank, rank) for rank in (2, 4)]
    together = sample(base, PROMPTS * 2, branches=each(base, adapters), steps=3, seed=[1, 2, 1, 2])
    for k, adapter in enumerate(adapters):
        alone = sample(base, PROMPTS, adapters=[(adapter, 1.0)], steps=3, seed=1)
        assert np.abs(together[2 * k : 2 * k + 2].astype(int) - alone).max() <= 1


def test_pictures_do_not_depend_on_the_batch() -> None:
    base = micro()
    all_at_once = sample(base, PROMPTS * 2, steps=3, seed=[5, 6, 7, 8])
    in_pieces = sample(base, PROMPTS * 2, steps=3, seed=5, batch=1)
    assert np.abs(all_at_once.astype(int) - in_pieces).max() <= 1


def test_schedule_scales_steps_and_blocks(tmp_path: Path) -> None:
    base = micro()
    lora = random_adapter(base)

    def drawn(rules: object, weight: float = 1.0) -> np.ndarray:
        path = tmp_path / "schedule.json"
        path.write_text(json.dumps(rules))
        rules = read_schedule(path)
        return sample(
            base, PROMPTS[:1], adapters=[(lora, weight)], schedule=rules, steps=4, guidance=1
        )

    plain = sample(base, PROMPTS[:1], steps=4, guidance=1)
    full = drawn([])
    np.testing.assert_array_equal(drawn([{"weight": 0}]), plain)
    np.testing.assert_array_equal(drawn([{"weight": 0.5}], 2.0), full)
    late = drawn([{"weight": 0, "end": 0.5}])
    assert (late != plain).any() and (late != full).any()
    first = drawn([{"weight": 0, "block": "transformer_blocks.0"}])
    assert (first != plain).any() and (first != full).any()
    named = [{"weight": 0, "part": "denoiser"}, {"weight": 0, "part": "text_encoder"}]
    np.testing.assert_array_equal(drawn(named), plain)


@pytest.mark.parametrize(
    "rules",
    ["{", "{}", '[{"block": "x"}]', '[{"weight": "much"}]', '[{"weight": 1, "lora": "a"}]',
     '[{"weight": 1, "unknown": 2}]', '[{"weight": 1e999}]'],
)  # fmt: skip
def test_bad_schedules_are_sentences(tmp_path: Path, rules: str) -> None:
    (tmp_path / "s.json").write_text(rules)
    with pytest.raises(LorariumError):
        read_schedule(tmp_path / "s.json")


def test_block_names_are_whole() -> None:
    rule = Rule(0.0, block="transformer_blocks.1")
    assert rule.applies(0, Module("denoiser", "transformer_blocks.1.ff.net.2"), 0.0)
    assert not rule.applies(0, Module("denoiser", "transformer_blocks.10.ff.net.2"), 0.0)


def test_what_does_not_fit_is_refused() -> None:
    base = micro()
    lora = random_adapter(base)
    with pytest.raises(LorariumError, match="sdxl adapter does not fit"):
        Stack(base, [(lora.with_(family="sdxl"), 1.0)])
    with pytest.raises(LorariumError, match="trained on base 000"):
        Stack(base, [(lora.with_(metadata={"lorarium.base_hash": "0" * 64}), 1.0)])
    for weight in (1e6, float("nan"), float("inf")):
        with pytest.raises(LorariumError, match="out of range"):
            Stack(base, [(lora, weight)])
    with pytest.raises(LorariumError, match="no module"):
        Stack(base, [(Adapter({Module("denoiser", "nowhere"): lora.deltas[next(iter(lora))]},
                              "micro-2"), 1.0)])  # fmt: skip
    with pytest.raises(LorariumError, match="changes a weight of"):
        Stack(micro(WHOLE), [(lora.with_(metadata={}), 1.0)])
    with pytest.raises(LorariumError, match="LoRA 3 of 1"):
        Stack(base, [(lora, 1.0)], [Rule(1.0, lora=3)])


def test_peft_draws_the_same_pictures(tmp_path: Path) -> None:
    from peft import PeftModel

    base = micro(WHOLE)
    lora = random_adapter(base, 4, scale=2.0)
    with applied(base, Stack(base, [(lora, 1.0)]).branches):
        ours = predicted(base)
    write(lora, tmp_path / "peft", "peft")
    wrapped = {
        part: PeftModel.from_pretrained(base.networks[part], str(tmp_path / "peft" / folder))
        for part, folder in folders(tmp_path / "peft").items()
    }
    assert set(wrapped) == {"denoiser", "text_encoder"}
    theirs = predicted(base)
    assert float((ours - theirs).abs().max()) < 1e-4
    assert float((ours - predicted(micro(WHOLE))).abs().max()) > 1e-2


def folders(home: Path) -> dict[str, str]:
    names = {"unet": "denoiser", "denoiser": "denoiser", "text_encoder": "text_encoder"}
    return {names[f.name]: f.name for f in sorted(home.iterdir()) if f.is_dir()}
