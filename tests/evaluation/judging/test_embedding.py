"""CLIP, DINOv2 and SigLIP with tiny random weights: loading, grading, thresholds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from lorarium.errors import LorariumError  # noqa: E402
from lorarium.evaluation.judging.embedding_judge import load_embedding_judge  # noqa: E402

SIZES = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 32}
VISION = {**SIZES, "intermediate_size": 24, "patch_size": 8}
TEXT = {
    "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 24,
    "vocab_size": 50, "max_position_embeddings": 8,
}  # fmt: skip


def saved(kind: str, folder: Path) -> Path:
    torch.manual_seed(0)
    if kind == "dinov2":
        net = transformers.Dinov2Model(transformers.Dinov2Config(**SIZES, patch_size=8))
    elif kind == "clip":
        config = transformers.CLIPConfig(
            text_config={**TEXT, "eos_token_id": 2}, vision_config=VISION, projection_dim=12
        )
        net = transformers.CLIPModel(config)
    else:
        net = transformers.SiglipModel(
            transformers.SiglipConfig(text_config=TEXT, vision_config=VISION)
        )
    net.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", params=["clip", "dinov2", "siglip"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(request.param, tmp_path_factory.mktemp(request.param) / "weights")


def pictures(count: int, seed: int = 0, size: int = 40) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, size, size + 4, 3), np.uint8)


def test_grades_thresholds_and_verdicts(folder: Path) -> None:
    judge = load_embedding_judge(str(folder))
    known, strangers = pictures(5), pictures(40, 1)
    alone = judge.compare("style", known, known)
    assert alone.yes is None and alone.passes is None
    calibrated = judge.calibrated("style", strangers, known)
    own = calibrated.compare("style", known[:2], known[:1])
    assert own.yes is not None and own.yes[0, 0] and own.passes is not None and own.passes[0]
    others = calibrated.compare("style", strangers, known)
    assert others.yes is not None and 0 < others.yes.mean() <= 0.05
    assert calibrated.compare("subject", known, known).yes is None  # each aspect has its own
    assert calibrated.card["thresholds"].keys() == {"style"}


def test_vectors_are_those_of_transformers(folder: Path) -> None:
    judge = load_embedding_judge(str(folder))
    inputs = pictures(2, size=28)
    ours = judge.embed(inputs)
    model = transformers.AutoModel.from_pretrained(folder).eval()
    pixels = judge.tower.prepared(inputs)
    with torch.no_grad():
        if hasattr(model, "get_image_features"):
            output = model.get_image_features(pixel_values=pixels)
            theirs = getattr(output, "pooler_output", output)
        else:
            theirs = model(pixel_values=pixels).pooler_output
    theirs = torch.nn.functional.normalize(theirs, dim=1).numpy()
    assert ours == pytest.approx(theirs, abs=1e-5)
    assert np.linalg.norm(ours, axis=1) == pytest.approx(1, abs=1e-5)


def test_settings_beside_the_weights_are_used(folder: Path, tmp_path: Path) -> None:
    before = load_embedding_judge(str(folder)).embed(pictures(1))
    file = folder / "preprocessor_config.json"
    try:
        file.write_text(json.dumps({"image_mean": [0.1, 0.9, 0.5], "image_std": [0.2, 0.3, 0.1]}))
        assert not np.allclose(load_embedding_judge(str(folder)).embed(pictures(1)), before)
        for wrong in (
            '{"image_mean": [1]}',
            '{"image_std": [0, 0, 0]}',
            "[]",
            "{",
            '{"image_mean": "x"}',
        ):
            file.write_text(wrong)
            with pytest.raises(LorariumError, match="preprocessor_config"):
                load_embedding_judge(str(folder))
    finally:
        file.unlink()


def test_missing_weights_are_no_judge(folder: Path, tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    vision = [name for name in tensors if "text_model" not in name and "layernorm" in name]
    assert vision
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.json").write_bytes((folder / "config.json").read_bytes())
    rest = {name: tensor for name, tensor in tensors.items() if name != vision[0]}
    save_file(rest, broken / "model.safetensors", {"format": "pt"})
    with pytest.raises(LorariumError, match="1 weights are missing"):
        load_embedding_judge(str(broken))


@pytest.mark.parametrize("text", ['{"model_type": "bert"}', "{", "{}", None])
def test_folders_that_hold_no_such_model(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "config.json").write_text(text)
    with pytest.raises(LorariumError) as caught:
        load_embedding_judge(str(tmp_path))
    assert "\n" not in str(caught.value)


def test_nothing_is_fetched_unasked() -> None:
    with pytest.raises(LorariumError, match="no such folder"):
        load_embedding_judge("openai/clip-vit-base-patch32")
