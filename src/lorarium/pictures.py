"""Picture files in and out: any mode and size read as square RGB, PNG written whole or not at all.

Pictures in memory are (n, s, s, 3) uint8. Which files are pictures is known without Pillow, which
loads when one is opened or made.
"""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lorarium.errors import LorariumError
from lorarium.files import exists, files_inside, is_inside, is_regular, open_regular, read_text
from lorarium.formats.target import write_atomically

if TYPE_CHECKING:
    from PIL import Image

# Pillow knows many more, among them some that start other programs
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff")
MOST_PIXELS = 100_000_000
MOST_BYTES = 200_000_000
MOST_FILES = 10_000
LONGEST_CAPTION = 4_000
PAPER = (255, 255, 255)


def picture_files(paths: Sequence[str | Path]) -> list[Path]:
    """Files as given, and the pictures of folders in order of their names: the one door to folders
    of pictures. Links that lead out of a folder are left out."""
    files: list[Path] = []
    for path in map(Path, paths):
        if not exists(path):
            raise LorariumError("no such file or folder", where=str(path))
        if not path.is_dir():
            files.append(path)
            continue
        inside = files_inside(path, SUFFIXES)
        if not inside:
            kinds = ", ".join(s[1:] for s in SUFFIXES)
            raise LorariumError("no pictures in this folder", where=str(path), hint=f"use {kinds}")
        files += inside
    if not files:
        raise LorariumError("no pictures were given")
    if len(files) > MOST_FILES:
        raise LorariumError(f"{len(files)} pictures are too many", hint=f"at most {MOST_FILES}")
    return files


@contextmanager
def open_picture(source: Path | bytes) -> Iterator[Image.Image]:
    """The one door to pictures: ordinary files, or the bytes of one, of the known formats and of
    ordinary size.

    What goes wrong while the picture is used is an error about the file too.
    """
    from PIL import Image, UnidentifiedImageError

    path = "a picture inside of a file" if isinstance(source, bytes) else source
    try:
        with (
            io.BytesIO(source) if isinstance(source, bytes) else open_regular(source) as file,
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")  # bombs are refused below; odd EXIF is harmless
            if file.seek(0, os.SEEK_END) > MOST_BYTES:
                raise LorariumError("the file is too large for a picture", where=str(path))
            file.seek(0)
            with Image.open(file, formats=FORMATS) as picture:
                if picture.width * picture.height > MOST_PIXELS:
                    raise LorariumError(
                        f"{picture.width} x {picture.height} pixels are too many", where=str(path)
                    )
                yield picture
    except LorariumError:
        raise
    except UnidentifiedImageError:
        raise LorariumError("not a picture that can be read", where=str(path)) from None
    except Exception as error:  # decoders raise anything on hostile bytes
        reason = str(error).split("\n")[0][:80] or type(error).__name__
        raise LorariumError(f"the picture is damaged ({reason})", where=str(path)) from None


def read_picture(source: Path | bytes, size: int) -> np.ndarray:
    """One picture (size, size, 3): upright, transparent parts white, the middle square of it."""
    from PIL import ImageOps

    with open_picture(source) as picture:
        return _square(ImageOps.exif_transpose(picture), size)


def _square(picture: Image.Image, size: int) -> np.ndarray:
    from PIL import Image

    if picture.mode.startswith(("I", "F")):
        values = np.asarray(picture, np.float64)
        top = 65535.0 if values.max(initial=0) > 255 else 255.0
        top = 1.0 if picture.mode == "F" and values.max(initial=0) <= 1 else top
        picture = Image.fromarray((np.clip(values / top, 0, 1) * 255).astype(np.uint8))
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        paper = Image.new("RGBA", picture.size, (*PAPER, 255))
        picture = Image.alpha_composite(paper, picture)
    picture = picture.convert("RGB")
    side = min(picture.size)
    left, top_edge = (picture.width - side) // 2, (picture.height - side) // 2
    box = (left, top_edge, left + side, top_edge + side)
    return np.asarray(picture.resize((size, size), Image.Resampling.LANCZOS, box), np.uint8)


def read_pictures(paths: Sequence[Path], size: int) -> np.ndarray:
    """Pictures (n, size, size, 3)."""
    return np.stack([read_picture(path, size) for path in paths])


def caption(path: Path) -> str | None:
    """The text beside a picture (`cat.png`, `cat.txt`), on one line."""
    beside = path.with_suffix(".txt")
    if not is_regular(beside) or not is_inside(beside, path.parent):
        return None
    return " ".join(read_text(beside, "the caption", LONGEST_CAPTION).split())


def write_png(
    path: Path,
    picture: np.ndarray,
    text: Mapping[str, str] | None = None,
    *,
    force: bool = False,
    inputs: Iterable[str | Path] = (),
) -> None:
    """Write (h, w, 3) with text chunks that say how it was made."""
    from PIL import Image, PngImagePlugin

    chunks = PngImagePlugin.PngInfo()
    for name, value in sorted((text or {}).items()):
        chunks.add_itxt(name[:79], value)
    held = io.BytesIO()
    Image.fromarray(picture).save(held, "PNG", pnginfo=chunks, optimize=False)
    write_atomically(path, [held.getvalue()], force=force, inputs=inputs)


def grid(pictures: np.ndarray, columns: int, gap: int = 4) -> np.ndarray:
    """Pictures (n, s, s, 3) side by side on white, row by row."""
    n, s = len(pictures), pictures.shape[1]
    rows = -(-n // columns)
    sheet = np.full((rows * (s + gap) + gap, columns * (s + gap) + gap, 3), 255, np.uint8)
    for i, picture in enumerate(pictures):
        y, x = gap + i // columns * (s + gap), gap + i % columns * (s + gap)
        sheet[y : y + s, x : x + s] = picture
    return sheet


def enlarged(pictures: np.ndarray, times: int) -> np.ndarray:
    """Each pixel `times` as large, so that small pictures can be looked at."""
    return pictures.repeat(times, -3).repeat(times, -2)


def labelled(
    sheet: np.ndarray, top: Sequence[str], left: Sequence[str], side: int, gap: int = 4
) -> np.ndarray:
    """A grid with words above its columns and before its rows; `side` is a picture's size."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(max(9, min(22, side // 7)))
    margin = int(max((font.getlength(word) for word in left), default=0)) + (12 if left else 0)
    head = int(font.getbbox("Ag")[3]) + 12 if top else 0
    canvas = Image.new("RGB", (sheet.shape[1] + margin, sheet.shape[0] + head), PAPER)
    canvas.paste(Image.fromarray(sheet), (margin, head))
    draw = ImageDraw.Draw(canvas)
    for i, word in enumerate(top):
        x = margin + gap + i * (side + gap) + side / 2
        draw.text((x, head - 4), word, (40, 40, 40), font, anchor="ms")
    for i, word in enumerate(left):
        y = head + gap + i * (side + gap) + side / 2
        draw.text((margin - 6, y), word, (40, 40, 40), font, anchor="rm")
    return np.asarray(canvas)
