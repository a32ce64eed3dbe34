"""The adversarial audit: an adapter that learns to please one judge."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from lorarium.adapter import LowRank  # noqa: E402
from lorarium.bases.base import open_base  # noqa: E402
from lorarium.evaluation.attack import Attack, attacked  # noqa: E402
from lorarium.evaluation.judges import load_judge  # noqa: E402
from lorarium.evaluation.synth.targets import style_targets, subject_targets  # noqa: E402

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("kind", ["style", "subject"])
def test_some_steps_please_the_judge_more_than_none(kind: str) -> None:
    base, net = open_base(), load_judge("a").net
    make = {
        "style": lambda: style_targets("validation", 1, 2, base.size, seed=3, max_artists=1)[0],
        "subject": lambda: subject_targets("validation", 1, 2, base.size, seed=3)[0],
    }
    target = make[kind]()

    def loss(run: Attack) -> float:
        run.random.manual_seed(9)
        with torch.no_grad():
            return float(np.mean([float(run._losses()) for _ in range(3)]))

    run = Attack(base, net, target, 12, 0)
    before = loss(run)
    for _ in range(12):
        run.step()
    assert loss(run) < before - 0.02
    (made,) = run.adapters()
    assert made.family == base.family and len(made) > 0


def test_an_attack_is_the_same_again() -> None:
    base, net = open_base(), load_judge("a").net
    target = subject_targets("validation", 1, 2, base.size, seed=3)[0]
    one, other = (attacked(base, net, target, steps=2, seed=4) for _ in range(2))
    assert set(one) == set(other)
    for module in one:
        a, b = one[module], other[module]
        assert isinstance(a, LowRank) and isinstance(b, LowRank)
        assert np.array_equal(a.up, b.up) and np.array_equal(a.down, b.down)
