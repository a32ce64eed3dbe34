"""Any mode and size is read; what cannot be read is one sentence; PNGs say how they were made."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lorarium import pictures
from lorarium.bases.sheet import world_sheet
from lorarium.errors import LorariumError
from lorarium.pictures import (
    caption,
    grid,
    labelled,
    picture_files,
    read_picture,
    read_pictures,
    write_png,
)

pytestmark = pytest.mark.interop


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "I", "I;16", "F"]
)
@pytest.mark.parametrize("size", [(1, 1), (7, 50), (64, 64)])
def test_any_mode_and_size(tmp_path: Path, mode: str, size: tuple[int, int]) -> None:
    path = tmp_path / ("a.tif" if mode in ("CMYK", "YCbCr", "F", "I", "HSV") else "a.png")
    picture = Image.new("RGB", size, (200, 100, 50))
    if mode in ("I", "I;16", "F"):
        picture = Image.fromarray(np.full(size[::-1], 40_000, "u2")).convert(mode)
    else:
        picture = picture.convert(mode)
    if mode == "HSV":
        picture = picture.convert("RGB")
    picture.save(path)
    pixels = read_picture(path, 16)
    assert pixels.shape == (16, 16, 3) and pixels.dtype == np.uint8
    if mode in ("RGB", "RGBA", "CMYK"):
        assert np.abs(pixels.astype(int) - (200, 100, 50)).max() <= 30
    if mode in ("I", "I;16"):
        assert abs(int(pixels[0, 0, 0]) - 156) <= 1


def test_transparent_is_white_and_sideways_is_turned(tmp_path: Path) -> None:
    Image.new("RGBA", (8, 8), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    assert read_picture(tmp_path / "clear.png", 8).min() == 255
    top = np.zeros((10, 10, 3), np.uint8)
    top[:5] = 255
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.fromarray(top).save(tmp_path / "turned.png", exif=exif)
    assert read_picture(tmp_path / "turned.png", 10)[0].max() == 0


def test_what_cannot_be_read_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = tmp_path / "good.png"
    Image.new("RGB", (64, 64), (1, 2, 3)).save(good)
    (tmp_path / "noise.png").write_bytes(b"\x89PNG nothing")
    (tmp_path / "cut.png").write_bytes(good.read_bytes()[:60])
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "words.txt").write_text("no picture")
    for name in ("noise.png", "cut.png"):
        with pytest.raises(LorariumError, match=name):
            read_picture(tmp_path / name, 8)
    with pytest.raises(LorariumError, match="no pictures in this folder"):
        picture_files([tmp_path / "empty"])
    with pytest.raises(LorariumError, match="no such file"):
        picture_files([tmp_path / "gone"])
    with pytest.raises(LorariumError, match="no pictures"):
        picture_files([])
    monkeypatch.setattr(pictures, "MOST_PIXELS", 100)
    with pytest.raises(LorariumError, match="64 x 64 pixels"):
        read_picture(good, 8)


def test_links_out_of_a_folder_are_left_out(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "secret.png")
    home = tmp_path / "home"
    home.mkdir()
    Image.new("RGB", (4, 4)).save(home / "mine.png")
    (home / "theirs.png").symlink_to(tmp_path / "secret.png")
    assert [p.name for p in picture_files([home])] == ["mine.png"]
    assert read_pictures(picture_files([home]), 5).shape == (1, 5, 5, 3)


def test_captions(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a  cat\n in ink\n")
    assert caption(tmp_path / "a.png") == "a cat in ink"
    assert caption(tmp_path / "b.png") is None
    (tmp_path / "c.txt").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(LorariumError, match="caption"):
        caption(tmp_path / "c.png")


def test_png_carries_its_story(tmp_path: Path) -> None:
    sheet = grid(np.full((5, 8, 8, 3), 9, np.uint8), 3, 2)
    assert sheet.shape == (2 * 10 + 2, 3 * 10 + 2, 3)
    picture = labelled(sheet, ("a", "b", "c"), ("x", "y"), 8, 2)
    write_png(tmp_path / "a.png", picture, {"lorarium": json.dumps({"prompt": "Ähre"})})
    with Image.open(tmp_path / "a.png") as back:
        assert json.loads(back.text["lorarium"])["prompt"] == "Ähre"  # type: ignore[attr-defined]
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_world_sheet(tmp_path: Path) -> None:
    rows, columns = world_sheet(tmp_path / "w.png", "3", "ink,neon", 32)
    assert len(rows) == 3 and columns == ["ink", "neon"]
    first = (tmp_path / "w.png").read_bytes()
    world_sheet(tmp_path / "w.png", "3", "ink,neon", 32, force=True)
    assert (tmp_path / "w.png").read_bytes() == first
    for wish, words in (("catt", "did you mean cat"), ("0", "there are"), (",", "was named")):
        with pytest.raises(LorariumError, match=words):
            world_sheet(tmp_path / "x.png", wish, "2", 32)
    with pytest.raises(LorariumError, match="pixels"):
        world_sheet(tmp_path / "x.png", "3", "3", 100_000)


POSTSCRIPT = (
    b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n"
    b"(touched) (w) file closefile showpage\n%%EOF\n"
)


def test_only_the_formats_that_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import EpsImagePlugin

    def never(*args: object, **options: object) -> None:
        raise AssertionError("Ghostscript would have been started")

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", never)
    (tmp_path / "eps.png").write_bytes(POSTSCRIPT)
    with pytest.raises(LorariumError, match="not a picture that can be read"):
        read_picture(tmp_path / "eps.png", 8)
    square = Image.new("RGB", (12, 12), (9, 8, 7))
    for name in ("PPM", "ICO", "TGA", "PCX", "DDS", "EPS", "SGI", "PDF"):
        square.save(tmp_path / "x.png", name)
        with pytest.raises(LorariumError, match="not a picture that can be read"):
            read_picture(tmp_path / "x.png", 8)
    for name in pictures.FORMATS:
        square.save(tmp_path / "x.dat", name)
        assert np.abs(read_picture(tmp_path / "x.dat", 8).astype(int) - [9, 8, 7]).max() < 9


def test_pictures_that_are_no_files_and_files_that_are_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    for path in (tmp_path / "pipe.png", Path("/dev/zero"), tmp_path):
        with pytest.raises(LorariumError, match=r"not an ordinary file|this is a folder"):
            read_picture(path, 8)
    Image.new("RGB", (64, 64)).save(tmp_path / "x.bmp")
    monkeypatch.setattr(pictures, "MOST_BYTES", 1000)
    with pytest.raises(LorariumError, match="too large for a picture"):
        read_picture(tmp_path / "x.bmp", 8)


def test_a_caption_that_is_a_link_out_or_a_pipe_is_none(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "secret.txt").write_text("a word")
    (home / "a.txt").symlink_to(tmp_path / "secret.txt")
    os.mkfifo(home / "b.txt")
    assert caption(home / "a.png") is None and caption(home / "b.png") is None
