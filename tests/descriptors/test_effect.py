"""What an adapter adds inside its base: by hand, and from the recipe that measures the base."""

from __future__ import annotations

import numpy as np
import pytest

from lorarium.adapter import Adapter, LowRank, Module
from lorarium.algebra import recompress
from lorarium.descriptors.effect import DIRECTIONS, SIZE, activations, effect
from lorarium.descriptors.select import MODULE_ROLES, role_of
from lorarium.descriptors.sketch import Sketch, sketch
from lorarium.formats.families import FAMILIES
from tests.descriptors.planted import planted

Q = Module("denoiser", "transformer_blocks.1.attn1.to_q")


def adapter(module: Module, up: np.ndarray, down: np.ndarray, family: str = "micro-1") -> Adapter:
    return Adapter({module: LowRank(up.astype("f4"), down.astype("f4"))}, family)


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def test_directions_that_no_input_has_change_nothing() -> None:
    known = activations("micro-1")
    assert known is not None
    seen = known[Q.path]
    random = np.random.default_rng(0)
    up, down = random.standard_normal((168, 2)), random.standard_normal((2, 168))
    hidden = np.linalg.svd(seen.T)[2][1 + DIRECTIONS :]  # what the base never shows the module
    moved = down + 5 * random.standard_normal((2, len(hidden))) @ hidden
    a, b = (effect(adapter(Q, up, d)) for d in (down, moved))
    assert len(a) == SIZE and cosine(a, b) > 0.999
    other = effect(adapter(Q, random.standard_normal((168, 2)), down))
    assert abs(cosine(a, other)) < 0.5


def test_cosines_are_those_of_what_is_added() -> None:
    known = activations("micro-1")
    assert known is not None
    mean = known[Q.path][:, :1]
    random = np.random.default_rng(1)
    ups = [random.standard_normal((168, 2)) for _ in range(4)]
    ups += [ups[0] + 0.5 * ups[1]]
    down = random.standard_normal((2, 168))
    means = [
        effect(adapter(Q, up, down)).reshape(2, len(MODULE_ROLES), -1)[0].ravel() for up in ups
    ]
    exact = [(up @ down @ mean).ravel() for up in ups]
    gaps = [
        cosine(means[i], means[j]) - cosine(exact[i], exact[j]) for i in range(5) for j in range(i)
    ]
    assert np.abs(gaps).max() < 0.15  # 512 numbers


def test_it_is_blind_to_rank_and_kept_in_a_sketch() -> None:
    one = planted(1, 0)
    original, wider = sketch(one), sketch(recompress(one, rank=8)[0])
    assert cosine(original.effect, wider.effect) > 0.999
    again = Sketch.from_bytes(original.to_bytes())
    np.testing.assert_array_equal(again.effect, original.effect)
    unknown = sketch(one.with_(family="unknown"))
    assert unknown.effect.size == 0 and Sketch.from_bytes(unknown.to_bytes()).effect.size == 0


@pytest.mark.parametrize("family", ["sd1", "sdxl", "flux1", "micro-1"])
def test_roles_cover_attention_and_feed_forward(family: str) -> None:
    paths = FAMILIES[family].parts["denoiser"].shapes
    roles = {path: role_of(Module("denoiser", path)) for path in paths}
    assert {role for role in roles.values() if role} == set(MODULE_ROLES)
    assert not any(role for path, role in roles.items() if "norm" in path or "time" in path)
    assert role_of(Module("text_encoder", Q.path)) is None
    ins = [p for p, role in roles.items() if role and role.startswith("feed-forward in")]
    assert ins and all(p.endswith(("net.0.proj", "proj_mlp")) for p in ins)


def test_the_shipped_file_is_what_the_recipe_measures() -> None:
    pytest.importorskip("torch")
    from lorarium.bases.base import open_base
    from lorarium.recipes.activations import measure

    known = activations("micro-1")
    measured = measure(open_base(), pictures=32)
    assert known is not None and set(measured) == set(known)
    near = [cosine(measured[path][:, 0], known[path][:, 0]) for path in known]
    assert np.median(near) > 0.97 and min(near) > 0.8  # of 32 pictures, not 512
