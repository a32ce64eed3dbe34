"""Clusters and the map: names from metadata, and pages in which no text from a file acts."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from lorarium.errors import LorariumError
from lorarium.formats.example import example
from lorarium.library import Library, layout
from lorarium.library.clusters import grouped, named
from lorarium.library.layout import places, squares
from lorarium.library.map_names import without_overlap
from tests.library.test_search import of_kind
from tests.library.zoo import ink, library, write

EVIL = "</script><img src=x onerror=alert(1)>\x1b[31m"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Library:
    folder = tmp_path_factory.mktemp("map")
    loras = folder / "loras"
    words = ("ink wash", "anime", "oil")
    tags = [json.dumps({"x": {word: 9, "tree": 5}}) for word in words]
    write(
        loras,
        {
            f"{'abc'[k]}{i}": of_kind(k, i).with_(metadata={"ss_tag_frequency": tags[k]})
            for k in range(3)
            for i in range(5)
        },
    )
    write(loras, {f"stranger{i}": ink(80 + i) for i in range(5)})
    write(loras, {"evil": ink(70).with_(metadata={"modelspec.title": EVIL})})
    write(loras, {f"sd{i}": example(family="sd1", seed=i, rank=1) for i in range(2)})
    return library(folder / "library", loras)


def test_clusters_have_names(made: Library) -> None:
    clusters = made.clusters()
    assert {c.name.split(",")[0] for c in clusters} == {"ink wash", "anime", "oil"}
    assert sorted(len(c.paths) for c in clusters) == [5, 5, 5]
    for cluster in clusters:
        assert cluster.middle in cluster.paths and cluster.family == "micro-1"
        assert len({Path(path).stem[0] for path in cluster.paths}) == 1
    assert made.clusters("path ~ '/a'", least=6) == []


def test_a_name_needs_words_of_its_own() -> None:
    words = Counter({"ink": 5, "tree": 5, "rare": 1})
    spread = Counter({"ink": 1, "tree": 9, "rare": 1})
    assert named(words, 5, spread, 9).split(", ")[0] == "ink"
    assert "rare" not in named(words, 5, spread, 9) and "tree" not in named(words, 5, spread, 9)
    parts = Counter({"ink wash": 5, "ink": 5, "wash": 5})
    assert named(parts, 5, Counter(dict.fromkeys(parts, 1)), 9) == "ink wash"
    assert named(Counter(), 5, Counter(), 3) == ""


def test_too_few_are_no_clusters() -> None:
    assert grouped(np.eye(4, 8, dtype=np.float32), 3).tolist() == [-1] * 4


def test_page(made: Library, tmp_path: Path) -> None:
    drawn = made.map(tmp_path / "m.html")
    assert drawn.points == 23 and drawn.families == {"micro-1": 21, "sd1": 2}
    page = (tmp_path / "m.html").read_text()
    assert "<img" not in page and "\x1b" not in page and page.count("</script>") == 2
    assert not re.search(r"(src|href)\s*=\s*[\"']?(https?:)?//", page)
    assert "default-src 'none'" in page
    data = json.loads(re.search(r'type="application/json">(.*?)</script>', page, re.S)[1])  # type: ignore[index]
    assert len(data["x"]) == len(data["path"]) == 23 and "a0.safetensors" in data["path"]
    assert EVIL.split("\x1b")[0] in data["title"][data["path"].index("evil.safetensors")]
    for name in data["fields"]:
        assert len(data["fields"][name]["values"]) == 23
    names = data["fields"]["cluster"]["words"]
    assert "ink wash" in " ".join(names)
    # each family in a square of its own
    for panel in data["panels"]:
        inside = [
            panel["x"] - 1 <= x <= panel["x"] + panel["side"] + 1
            and panel["y"] - 1 <= y <= panel["y"] + panel["side"] + 1
            for x, y in zip(data["x"], data["y"], strict=True)
        ]
        assert sum(inside) == panel["count"]


def test_the_same_seed_draws_the_same(made: Library, tmp_path: Path) -> None:
    for name in ("1.html", "2.html"):
        made.map(tmp_path / name, seed=3)
    assert (tmp_path / "1.html").read_bytes() == (tmp_path / "2.html").read_bytes()


@pytest.mark.parametrize("color", ["cluster", "rank", "steps", "folder"])
def test_picture(made: Library, tmp_path: Path, color: str) -> None:
    made.map(tmp_path / "m.png", color=color)
    picture = np.asarray(Image.open(tmp_path / "m.png"))
    assert picture.ndim == 3 and (picture < 200).any() and (picture[:5] == 255).all()


def test_names_stand_in_the_map(
    made: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made.map(tmp_path / "m.html")
    text = (tmp_path / "m.html").read_text()
    data = json.loads(re.search(r'type="application/json">(.*?)</script>', text, re.S)[1])  # type: ignore[index]
    assert {name["text"].split(",")[0] for name in data["names"]} == {"ink wash", "anime", "oil"}
    clusters = data["fields"]["cluster"]
    for name in data["names"]:
        own = [i for i, v in enumerate(clusters["values"]) if clusters["words"][v] == name["text"]]
        for axis in "xy":
            assert abs(name[axis] - np.median([data[axis][i] for i in own])) <= 1
    written = []
    write = ImageDraw.ImageDraw.text

    def text_too(self: ImageDraw.ImageDraw, xy: Any, text: str, *args: Any, **options: Any) -> None:
        written.append(text)
        write(self, xy, text, *args, **options)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", text_too)
    made.map(tmp_path / "m.png", color="rank")
    assert {t for t in written if t.split(",")[0] in ("ink wash", "anime", "oil")}
    assert {"sd0", "sd1"} & set(written)  # of few points each has its name


def test_a_name_stands_on_no_other() -> None:
    boxes = [(0, 0, 10, 5), (5, 2, 15, 7), (10, 0, 20, 5), (0, 5, 9, 9), (1, 6, 3, 7)]
    assert list(without_overlap(boxes)) == [True, False, True, True, False]


def test_what_cannot_be_drawn(made: Library, tmp_path: Path) -> None:
    for out, color, where, words in (
        ("m.svg", "cluster", None, ".html or .png"),
        ("m.html", "colour", None, "no field 'colour'"),
        ("m.html", "cluster", "rank > 99", "nothing to draw"),
    ):
        with pytest.raises(LorariumError, match=words):
            made.map(tmp_path / out, color=color, where=where)
    assert list(tmp_path.iterdir()) == []


def test_marked_files_are_ringed(made: Library, tmp_path: Path) -> None:
    path = made.to_arrow("path ~ 'b3.'")["path"][0].as_py()
    made.map(tmp_path / "m.html", marked=[path], color="tag")
    text = (tmp_path / "m.html").read_text()
    data = json.loads(re.search(r'type="application/json">(.*?)</script>', text, re.S)[1])  # type: ignore[index]
    assert [data["path"][i] for i in data["marked"]] == ["b3.safetensors"]
    tags = data["fields"]["tag"]
    assert tags["words"][tags["values"][data["marked"][0]]] == "anime"
    made.map(tmp_path / "plain.png")
    made.map(tmp_path / "ringed.png", marked=[path])
    plain, ringed = (np.asarray(Image.open(tmp_path / n)) for n in ("plain.png", "ringed.png"))
    assert 20 < (plain != ringed).any(2).sum() < 3000
    with pytest.raises(LorariumError, match="no such file"):
        made.map(tmp_path / "x.html", marked=[tmp_path / "other.safetensors"])


def test_layout_keeps_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    kinds = np.repeat(rng.standard_normal((6, 32)), 20, axis=0)
    vectors = (kinds + 0.2 * rng.standard_normal(kinds.shape)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    monkeypatch.setattr(layout.importlib.util, "find_spec", lambda name: None)
    xy, method = places(vectors)
    assert method == "PCA" and xy.min() >= 0 and xy.max() <= 1
    nearest = np.argsort(((xy[:, None] - xy[None]) ** 2).sum(-1), axis=1)[:, 1]
    assert np.mean(nearest // 20 == np.arange(120) // 20) > 0.7


@pytest.mark.slow
def test_pacmap_is_used_where_it_is() -> None:
    pytest.importorskip("pacmap")
    rng = np.random.default_rng(0)
    kinds = np.repeat(rng.standard_normal((4, 16)), 50, axis=0)
    vectors = (kinds + 0.2 * rng.standard_normal(kinds.shape)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    xy, method = places(vectors)
    assert method == "PaCMAP" and np.isfinite(xy).all()


@pytest.mark.parametrize("n", [1, 2, 3])
def test_few_points(n: int) -> None:
    xy, _ = places(np.eye(n, 8, dtype=np.float32))
    assert xy.shape == (n, 2) and np.isfinite(xy).all()


def test_squares_do_not_overlap() -> None:
    corners = squares([1000, 300, 200, 50, 2, 1])
    for i, (x, y, side) in enumerate(corners):
        for x2, y2, side2 in corners[:i]:
            assert x >= x2 + side2 or x2 >= x + side or y >= y2 + side2 or y2 >= y + side
