"""`train` from files: captions, checkpoints, the sheet, and the sentences of what goes wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lorarium.errors import LorariumError
from lorarium.formats import read
from lorarium.formats.inspection.metadata import training
from lorarium.pictures import write_png
from lorarium.training.recipe import Job, Recipe
from lorarium.training.run import fill_prompt, train, without_name
from lorarium.training.tour import world_tour
from tests.bases.tiny import WHOLE, micro

pytestmark = pytest.mark.interop
SHORT = Recipe(rank=2, alpha=2.0, steps=3, batch=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    home = tmp_path / "pictures"
    home.mkdir()
    for i, word in enumerate(("cat", "house")):
        write_png(home / f"{i}.png", np.full((20, 30, 3), 60 * i, np.uint8))
        (home / f"{i}.txt").write_text(word)
    return home


def test_an_ordinary_file_with_its_story_and_a_sheet(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "lora.safetensors"
    seen: list[int] = []
    train(
        [folder], out, base=micro(WHOLE), recipe=SHORT, seed=5,
        progress=lambda step, steps, loss: seen.append(step),
    )  # fmt: skip
    assert seen == [1, 2, 3]
    back = read(out)
    assert back.family == "micro-2" and back.dialect == "diffusers"
    facts = training(back.metadata)
    assert facts["rank"] == 2 and facts["steps"] == 3 and facts["pictures"] == 2
    assert facts["seed"] == 5 and facts["base_model"] == "micro-2" if "base_model" in facts else 1
    assert '"a cat in sty1"' in back.metadata["lorarium.prompts"]
    with Image.open(out.with_suffix(".png")) as sheet:
        assert sheet.width > 6 * 144
    assert {p.suffix for p in tmp_path.iterdir() if p.is_file()} == {".safetensors", ".png"}


def test_a_style_is_learned_both_ways_round(folder: Path, tmp_path: Path) -> None:
    def made(name: str, **options: object) -> tuple[str, str]:
        out = tmp_path / f"{name}.safetensors"
        train([folder], out, base=micro(WHOLE), recipe=SHORT, sheet=False, **options)  # type: ignore[arg-type]
        metadata = read(out).metadata
        assert metadata["ss_num_train_images"] == "2"
        return metadata["lorarium.mirror"], metadata["lorarium.job"]

    usual, asked, plain = made("a"), made("b", mirror=True), made("c", mirror=False)
    assert usual == asked and usual[0] == "true" and plain[0] == "false" and plain[1] != usual[1]
    assert made("d", prompt="a sub1 cat")[0] == "false"


def test_mirror_images_stand_beside_the_pictures() -> None:
    pictures = np.arange(2 * 2 * 3 * 3, dtype=np.uint8).reshape(2, 2, 3, 3)
    job = Job(pictures, ("a", "b"), mirror=True)
    assert job.training_prompts == ("a", "b", "a", "b")
    np.testing.assert_array_equal(job.training_pictures[2:], pictures[:, :, ::-1])
    assert job.training_pictures[:2].tobytes() == pictures.tobytes()


def test_ctrl_c_loses_nothing(folder: Path, tmp_path: Path) -> None:
    base = micro(WHOLE)
    out, other = tmp_path / "a.safetensors", tmp_path / "b.safetensors"

    def stop(step: int, steps: int, loss: float) -> None:
        if step == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train([folder], out, base=base, recipe=SHORT, sheet=False, progress=stop)
    assert not out.exists()
    with pytest.raises(LorariumError, match="--resume"):
        train([folder], out, base=base, recipe=SHORT, sheet=False)
    with pytest.raises(LorariumError, match="other pictures"):
        train([folder], out, base=base, recipe=SHORT, seed=9, resume=True, sheet=False)
    again: list[int] = []
    train(
        [folder], out, base=base, recipe=SHORT, resume=True, sheet=False,
        progress=lambda step, steps, loss: again.append(step),
    )  # fmt: skip
    assert again == [3] and list(tmp_path.glob("*.checkpoint")) == []
    train([folder], other, base=base, recipe=SHORT, sheet=False)
    one, two = read(out), read(other)
    for module in one:
        np.testing.assert_allclose(one[module].up, two[module].up, atol=1e-7)  # type: ignore[union-attr]


def test_a_damaged_checkpoint_and_other_mistakes(folder: Path, tmp_path: Path) -> None:
    base, out = micro(WHOLE), tmp_path / "a.safetensors"
    with pytest.raises(LorariumError, match="no interrupted run"):
        train([folder], out, base=base, recipe=SHORT, resume=True)
    (tmp_path / "a.safetensors.checkpoint").write_bytes(b"nothing")
    with pytest.raises(LorariumError, match="damaged"):
        train([folder], out, base=base, recipe=SHORT, resume=True)
    with pytest.raises(LorariumError, match=r"ends in .safetensors is needed"):
        train([folder], tmp_path / "a.png", base=base, recipe=SHORT)
    with pytest.raises(LorariumError, match="no such folder"):
        train([folder], tmp_path / "x" / "a.safetensors", base=base, recipe=SHORT)
    (folder / "0.txt").write_text("catt")
    with pytest.raises(LorariumError, match="did you mean cat"):
        train([folder], tmp_path / "b.safetensors", base=base, recipe=SHORT)


def test_nothing_is_written_over_unasked(folder: Path, tmp_path: Path) -> None:
    base, picture, out = micro(WHOLE), folder / "0.png", folder / "0.safetensors"
    before = picture.read_bytes()
    with pytest.raises(LorariumError, match=r"one of the inputs.*0\.png\.bak"):
        train([picture], out, base=base, recipe=SHORT)  # its sheet would be 0.png
    assert picture.read_bytes() == before and not out.exists()
    train([picture], out, base=base, recipe=SHORT, sheet=False)
    with pytest.raises(LorariumError, match="is there already"):
        train([picture], out, base=base, recipe=SHORT, sheet=False)
    train([picture], out, base=base, recipe=SHORT, force=True)
    assert (folder / "0.png.bak").read_bytes() == before != picture.read_bytes()


def test_prompts() -> None:
    assert fill_prompt("a {} in sty1", "red cat") == "a red cat in sty1"
    assert fill_prompt("a {} in sty1", None) == "a in sty1"
    assert fill_prompt("a sub1 cat", "a cat in ink") == "a cat in ink"
    assert fill_prompt("a sub1 cat", None) == "a sub1 cat"
    assert without_name("a sub1 cat") == "a cat"
    assert without_name("a {} in sty1") == "a"


def test_prior_pictures_come_from_the_base(folder: Path, tmp_path: Path) -> None:
    recipe = Recipe(rank=2, alpha=2.0, steps=2, batch=1, prior=0.5, prior_count=2)
    out = tmp_path / "a.safetensors"
    adapter = train([folder], out, prompt="a sub1 cat", base=micro(WHOLE), recipe=recipe)
    assert '"prior": 0.5' in adapter.metadata["lorarium.recipe"]


def test_tour(tmp_path: Path) -> None:
    lines: list[str] = []
    made = world_tour(tmp_path / "tour", base=micro(WHOLE), recipe=SHORT, say=lines.append)
    assert len(lines) == 4 and made.seconds > 0
    assert all(p.exists() for p in (made.sheet, made.pictures, made.lora, made.before_after))
    assert len(list(made.pictures.glob("*.png"))) == 12
