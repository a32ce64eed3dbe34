"""Search: what a query is, what is found, and when nothing is close."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lorarium import formats
from lorarium.adapter import Adapter
from lorarium.errors import LorariumError
from lorarium.formats.example import example
from lorarium.library import Library, VectorSpace
from lorarium.library.query import Query, as_query
from lorarium.library.spaces import BUILT_IN
from tests.library.zoo import FAMILY, each, ink, library, write

KINDS = 12


def of_kind(kind: int, seed: int) -> Adapter:
    """Same column space as its kind up to some noise, its own row space."""
    rng = np.random.default_rng([kind, seed])
    own = ink(1000 + 50 * kind + seed)
    like = ink(kind)

    def mix(module: tuple[str, str]) -> object:
        d, e = like.deltas[module], own.deltas[module]  # type: ignore[index]
        noise = 0.4 * d.up.std() * rng.standard_normal(d.up.shape)  # type: ignore[union-attr]
        return replace(e, up=(d.up + noise).astype(np.float16))  # type: ignore[union-attr]

    return own.with_(deltas={m: mix(m) for m, _ in own.items()})


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Library:
    folder = tmp_path_factory.mktemp("search")
    write(
        folder / "loras",
        {
            f"kind{k}-{i}": of_kind(k, i).with_(
                metadata={"modelspec.title": f"Kind {k}", "modelspec.tags": f"kind{k}, red"}
            )
            for k in range(KINDS)
            for i in range(3)
        },
    )
    write(folder / "loras", {"other base": example(family="sd1", seed=1, rank=1)})
    return library(folder / "library", folder / "loras")


def names(answer: object) -> list[str]:
    return [Path(match.paths[0]).stem for match in answer.matches]  # type: ignore[attr-defined]


def test_kin_is_found_first(made: Library, tmp_path: Path) -> None:
    for k in range(KINDS):
        (path,) = write(tmp_path, {"query": of_kind(k, 9)})
        answer = made.search(path, k=3)
        assert {name.split("-")[0] for name in names(answer)} == {f"kind{k}"}
        assert answer.close and answer.family == FAMILY and answer.space == "output"
        assert list(m.score for m in answer.matches) == sorted(
            (m.score for m in answer.matches), reverse=True
        )


def test_a_stranger_is_not_close(made: Library, tmp_path: Path) -> None:
    (path,) = write(tmp_path, {"query": ink(555)})
    answer = made.search(path)
    assert answer.close is False and answer.threshold > answer.matches[0].score
    assert len(answer.matches) == 10


def test_itself_is_left_out_and_copies_are_named(made: Library, tmp_path: Path) -> None:
    path = Path(made.to_arrow("path ~ 'kind3-1'")["path"][0].as_py())
    answer = made.search(path, k=2, relate=True)
    assert "kind3-1" not in names(answer) and answer.matches[0].relation == ""
    copy = tmp_path / "copy.safetensors"
    formats.write(formats.read(path), copy, "diffusers")
    first = made.search(copy, k=1, relate=True).matches[0]
    assert first.paths == (str(path),) and first.relation.startswith("copy: dialect")


def test_an_adapter_in_memory(made: Library) -> None:
    assert names(made.search(of_kind(4, 9), k=1))[0].startswith("kind4")


def test_several_adapters_are_looked_for_together(made: Library, tmp_path: Path) -> None:
    paths = write(tmp_path, {"a": of_kind(1, 8), "b": of_kind(2, 8)})
    kinds = {name.split("-")[0] for name in names(made.search(*paths, k=6))}
    assert kinds == {"kind1", "kind2"}


def test_filters(made: Library, tmp_path: Path) -> None:
    (path,) = write(tmp_path, {"query": of_kind(5, 9)})
    matches = names(made.search(path, k=5, where="not tags = kind5"))
    assert len(matches) == 5 and not any(name.startswith("kind5") for name in matches)
    assert made.search(path, where="rank > 99").matches == ()
    listed = made.search(where="tags = kind7", k=99)
    assert sorted(names(listed)) == ["kind7-0", "kind7-1", "kind7-2"]
    with pytest.raises(LorariumError, match="where"):
        made.search(path, where="rank >")


def test_another_family(made: Library, tmp_path: Path) -> None:
    (path,) = write(tmp_path, {"query": example(family="sdxl", rank=1)})
    with pytest.raises(LorariumError, match=r"family sdxl.*36 micro-1, 1 sd1"):
        made.search(path)
    mixed = write(tmp_path, {"a": ink(1), "b": example(family="sd1", rank=1)})
    with pytest.raises(LorariumError, match="different families"):
        made.search(*mixed)


def test_too_few_to_judge(made: Library, tmp_path: Path) -> None:
    (path,) = write(tmp_path, {"query": example(family="sd1", seed=2, rank=1)})
    answer = made.search(path)
    assert answer.close is None and answer.threshold is None and len(answer.matches) == 1


def test_queries_that_cannot_be(made: Library, tmp_path: Path) -> None:
    bad = tmp_path / "bad.safetensors"
    bad.write_bytes(b"oops")
    (zero,) = write(tmp_path, {"zero": each(lambda d: replace(d, scale=0.0))(ink(1))})
    (tmp_path / "empty").mkdir()
    for query, words in (
        (bad, "ends after"),
        (tmp_path / "none.safetensors", "no such file"),
        (zero, "cannot be compared"),
        (tmp_path / "empty", "by pictures needs an encoder"),
        ("wolf.png", "no such file"),
        (" ", "1 to"),
    ):
        with pytest.raises(LorariumError, match=words) as caught:
            made.search(query)
        assert "\n" not in str(caught.value)
    with pytest.raises(LorariumError, match="searched for"):
        made.search()
    with pytest.raises(LorariumError, match="no vector space 'x'"):
        made.search(of_kind(1, 1), space="x")


def test_a_file_and_words_together(made: Library, tmp_path: Path) -> None:
    (path,) = write(tmp_path, {"query": of_kind(5, 9)})
    alone = made.search(path, k=4)
    assert {n[:5] for n in names(alone)[:3]} == {"kind5"} and alone[0].why == ("weights",)
    both = made.search(path, "kind7", k=5)
    assert {n[:5] for n in names(both)[:3]} == {"kind7"}
    first = both[0]
    assert first.why[-1] == "weights" and "name" in first.why
    assert first.score == pytest.approx(first.likeness + first.text_score)
    assert {n[:5] for n in names(both)[3:]} == {"kind5"}
    assert not any(n.startswith("kind5") for n in names(made.search(path, "-kind5", k=20)))
    only = made.search(path, '"kind 8"', k=20)
    assert {n[:5] for n in names(only)} == {"kind8"} and all(m.likeness is not None for m in only)
    assert "other base" not in names(made.search(path, "other kind3", k=40))


def test_a_word_may_be_the_name_of_a_folder(
    made: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "kind3").mkdir()
    monkeypatch.chdir(tmp_path)
    assert as_query("kind3").kind == "words" and as_query(Path("kind3")).kind == "pictures"
    assert {n[:5] for n in names(made.search("kind3", k=3))} == {"kind3"}
    Image.new("L", (4, 4)).save(tmp_path / "kind3" / "a.png")
    assert as_query("kind3").kind == "pictures"
    assert as_query(Query("words", "kind3")).kind == "words"


def test_what_a_query_is(tmp_path: Path) -> None:
    (tmp_path / "peft").mkdir()
    (tmp_path / "peft" / "adapter_config.json").write_text("{}")
    (tmp_path / "shots").mkdir()
    (tmp_path / "a.png").write_bytes(b"")
    (tmp_path / "plain").write_bytes(b"")
    assert as_query(tmp_path / "peft").kind == "adapter"
    assert as_query(tmp_path).kind == "adapter"  # a folder of PEFT folders
    assert as_query(str(tmp_path / "shots")).kind == "pictures"
    assert as_query(tmp_path / "shots").kind == "pictures"
    assert as_query(tmp_path / "a.png").kind == "pictures"
    assert as_query("a wolf in the rain").kind == "words"
    assert as_query("a.png", "words") == Query("words", "a.png")
    assert as_query(tmp_path / "plain", "adapter").kind == "adapter"


def test_pictures_and_words_once_an_encoder_knows_them(made: Library, tmp_path: Path) -> None:
    """An encoder that knows twelve colours: the grey of a picture and a number in words."""
    lines = np.random.default_rng(0).standard_normal((KINDS, 32))
    sketches = dict(made.snapshot.sketches(made.snapshot.space(BUILT_IN["output"], FAMILY).ids))
    kind_of = {
        sketch.output.tobytes(): int(rows[0]["title"].split()[1])
        for sketch, rows in zip(sketches.values(), made.snapshot.rows(list(sketches)), strict=True)
    }
    encoder = VectorSpace(
        "aligned",
        "1",
        lambda s: lines[kind_of[s.output.tobytes()]] if s.output.tobytes() in kind_of else None,
        pictures=lambda paths: lines[[np.asarray(Image.open(p)).max() for p in paths]].mean(axis=0),
        words=lambda text: lines[int(text.split()[-1])],
        families=frozenset({FAMILY}),
    )
    open_too = Library(made.folder, {**BUILT_IN, "aligned": encoder})
    for kind in (3, 8):
        Image.new("L", (4, 4), kind).save(tmp_path / f"{kind}.png")
    open_too.index([Path(made.to_arrow()["path"][0].as_py()).parent], workers=0)
    assert {n[:5] for n in names(open_too.search(tmp_path / "3.png", k=3))} == {"kind3"}
    assert {n[:5] for n in names(open_too.search("kind 8", k=3))} == {"kind8"}
    both = open_too.search(tmp_path / "3.png", "kind 8", k=6)
    assert {n[:5] for n in names(both)} == {"kind3", "kind8"} and both.space == "aligned"
    assert {n[:5] for n in names(open_too.search(tmp_path, k=6))} == {"kind3", "kind8"}


def test_tables(made: Library) -> None:
    pd = pytest.importorskip("pandas")
    answer = made.search(of_kind(6, 9), k=4)
    assert answer.to_arrow().num_rows == 4 and "score" in answer.to_arrow().schema.names
    frame = made.to_pandas("rank = 4")
    assert isinstance(frame, pd.DataFrame) and len(frame) == 36
    assert "sketch" not in made.to_arrow().schema.names
