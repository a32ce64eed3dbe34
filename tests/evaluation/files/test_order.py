"""LoRAs of few and of more steps, really trained: the order is found and told. The whole of it is
`benchmarks/files.py`."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("scipy")

from lorarium.bases.base import open_base  # noqa: E402
from lorarium.evaluation.files.drawing import DrawSettings, contenders  # noqa: E402
from lorarium.evaluation.files.protocol import References, evaluate_files  # noqa: E402
from lorarium.evaluation.judging.open_judge import open_judges  # noqa: E402
from lorarium.evaluation.synth.targets import pool  # noqa: E402
from lorarium.pictures import write_png  # noqa: E402
from lorarium.training.manifest import UNSEEN  # noqa: E402
from lorarium.training.run import train  # noqa: E402

OF = ("blueprint", 41)


@pytest.mark.slow
def test_more_steps_come_first(tmp_path: Path) -> None:
    base = open_base()
    pictures, prompts = pool("style", OF, "test", range(8), base.size)
    files = []
    for i, (picture, prompt) in enumerate(zip(pictures, prompts, strict=True)):
        files.append(tmp_path / f"{i}.png")
        write_png(files[-1], picture)
        files[-1].with_suffix(".txt").write_text(prompt)
    paths = [tmp_path / f"steps-{steps}.safetensors" for steps in (2, 50)]
    for path, steps in zip(paths, (2, 50), strict=True):
        train(files, path, base=base, recipe={"steps": steps, "batch": 4}, sheet=False)
    references, _ = pool("style", OF, "test", range(UNSEEN, UNSEEN + 12), base.size)
    kinds = ("dog", "house", "sailboat", "cup", "tree", "fish")
    words = tuple(f"a {kind} in sty1" for kind in kinds)
    with open_judges(["b"], tmp_path) as judges:
        document = evaluate_files(
            base,
            contenders([(str(path), 1.0) for path in paths]),
            References({"style": references}, {"style": tuple(map(str, range(12)))}),
            judges,
            DrawSettings(words, 2, 8, None, None, 0),
            tmp_path / "drawn",
        )
    (judge,) = document["judges"]
    assert judge["ranking"] == ["steps-50", "steps-2"]
    assert judge["sentence"] == "steps-50 is the best"
