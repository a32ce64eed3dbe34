"""Previews are searched by words and pictures: one tiny model knows colours, others nothing."""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from lorarium.cli import cli  # noqa: E402
from lorarium.errors import LorariumError  # noqa: E402
from lorarium.formats.example import example  # noqa: E402
from lorarium.library import Library, Query  # noqa: E402
from lorarium.library.preview_index import VECTORS, read_setting  # noqa: E402
from lorarium.library.preview_search import _standing  # noqa: E402
from tests.library.zoo import ink, write  # noqa: E402
from tests.tiny_towers import COLOURS, save_random, save_taught, square  # noqa: E402


@pytest.fixture(scope="session")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_taught(tmp_path_factory.mktemp("taught") / "clip")


@pytest.fixture(scope="module")
def random_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_random("clip", tmp_path_factory.mktemp("random") / "clip")


def paint(lora: Path, colour: str, seed: int, suffix: str = ".preview.png") -> Path:
    picture = lora.with_suffix("").with_name(lora.stem + suffix)
    Image.fromarray(square(colour, seed, 48)).save(picture)
    return picture


def collection(folder: Path, colours: str | list[str]) -> list[Path]:
    """LoRAs whose names say nothing, with a preview of a colour each; one is of another base."""
    colours = colours.split() if isinstance(colours, str) else colours
    adapters = {f"x{i:02}": ink(i, rank=1) for i in range(len(colours))}
    adapters["x00"] = example(family="sd1", seed=1, rank=1)
    loras = write(folder, adapters)
    for seed, (lora, colour) in enumerate(zip(loras, colours, strict=True)):
        paint(lora, colour, seed)
    return loras


def index(home: Path, model: Path | str | None = None) -> Library:
    """`home` has its LoRAs in `loras`."""
    library = Library(home / "library")
    library.index([home / "loras"], workers=0, previews=None if model is None else str(model))
    return library


def report(home: Path, model: Path | str | None = None) -> dict[str, object] | None:
    library = Library(home / "library")
    name = None if model is None else str(model)
    return library.index([home / "loras"], workers=0, previews=name).to_json()["previews"]


def stems(answer: object) -> list[str]:
    return [Path(match.path).stem for match in answer]  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def rainbow(tmp_path_factory: pytest.TempPathFactory, taught: Path) -> tuple[Library, Path]:
    home = tmp_path_factory.mktemp("rainbow")
    collection(home / "loras", [*COLOURS] * 3)
    return index(home, taught), home


def test_words_and_pictures_find_what_no_text_says(
    rainbow: tuple[Library, Path], tmp_path: Path
) -> None:
    library, _ = rainbow
    for place, colour in enumerate(COLOURS):
        right = {f"x{place + 8 * i:02}" for i in range(3)}
        answer = library.search(Query("words", colour), k=5)
        assert set(stems(answer)[:3]) == right, colour
        cosines = [match.preview_likeness for match in answer]
        assert all(match.why == ("preview",) for match in answer) and answer.space == "previews"
        assert cosines == sorted(cosines, reverse=True) and cosines[2] > cosines[3] + 0.1
        Image.fromarray(square(colour, 99, 64)).save(tmp_path / "query.png")
        answer = library.search(tmp_path / "query.png", k=3)
        assert set(stems(answer)) == right, colour
    # pictures and words weigh alike, and other bases are among the answers
    Image.fromarray(square("red", 99, 64)).save(tmp_path / "query.png")
    both = library.search(tmp_path / "query.png", Query("words", "red"), k=3)
    assert "x00" in stems(both) and {m.facts["family"] for m in both} == {"sd1", "micro-1"}


def test_filters_and_minus_words_hold(rainbow: tuple[Library, Path]) -> None:
    library, _ = rainbow
    assert "x00" not in stems(library.search("red family:micro-1", k=24))
    assert set(stems(library.search("red", where="path ~ x08", k=24))) == {"x08"}
    assert "x08" not in stems(library.search("red -x08", k=24))


def test_a_file_with_words_is_of_its_family(rainbow: tuple[Library, Path]) -> None:
    library, home = rainbow
    answer = library.search(home / "loras" / "x00.safetensors", Query("words", "red"), relate=True)
    assert {match.facts["family"] for match in answer} <= {"sd1"} and "x00" not in stems(answer)
    answer = library.search(home / "loras" / "x08.safetensors", Query("words", "red"), relate=True)
    assert "x00" not in stems(answer) and "x16" in stems(answer) and len(answer) == 10


def test_close_is_what_stands_out(tmp_path: Path, taught: Path) -> None:
    """Among many of one colour none is red, until one is; what a text says stays before it."""
    loras = collection(tmp_path / "loras", "blue " * 24)
    library = index(tmp_path, taught)
    answer = library.search(Query("words", "red"), k=3)
    assert answer.close is False and len(answer) == 3 and answer.threshold is not None
    assert answer[0].score < answer.threshold
    paint(loras[7], "red", 1)
    write(tmp_path / "loras", {"red cat": ink(100, rank=1)})
    paint(tmp_path / "loras" / "red cat.safetensors", "blue", 77)
    library = index(tmp_path)
    answer = library.search(Query("words", "red"))
    assert answer.close is True and stems(answer) == ["red cat", "x07"]
    assert answer[0].why == ("name",) and answer[1].why == ("preview",)
    assert answer[1].score == answer[1].preview_likeness > answer[0].preview_likeness
    only = library.search(Query("words", "red -cat"), k=3)
    assert only.close and only[0].score >= only.threshold > only[1].score
    assert stems(only)[0] == "x07" and len(only) == 3  # the nearest others come behind it
    # of one that both speak for, both count
    paint(tmp_path / "loras" / "red cat.safetensors", "red", 78)
    answer = index(tmp_path).search(Query("words", "red"), k=3)
    assert answer[0].why == ("name", "preview")
    assert answer[0].score == pytest.approx(answer[0].text_score + answer[0].preview_likeness)


def test_strangers_rarely_stand_out_and_many_matches_do() -> None:
    rng = np.random.default_rng(0)

    def units(x: np.ndarray) -> np.ndarray:
        return x / np.linalg.norm(x, axis=-1, keepdims=True)

    previews = units(rng.standard_normal((500, 64)) + 2).astype(np.float16)
    claims = []
    for query in units(rng.standard_normal((200, 64)) + 1):
        values, threshold = _standing(previews, query[None])
        claims.append(values.max() >= threshold)
    assert np.mean(claims) <= 0.1
    query = units(rng.standard_normal(64))
    cats = units(previews[:100].astype(np.float32) + 2 * query)  # a fifth of the library
    previews[:100] = cats
    values, threshold = _standing(previews, query[None])
    assert (values[:100] >= threshold).mean() > 0.9 and (values[100:] < threshold).all()
    assert _standing(previews[:19], query[None])[1] is None
    copies = np.repeat(previews[:10], 10, axis=0)
    assert _standing(copies, query[None])[1] is None  # ten pictures, whatever their copies


def test_each_is_embedded_once_and_changes_are_seen(tmp_path: Path, taught: Path) -> None:
    loras = collection(tmp_path / "loras", "red green blue")
    assert report(tmp_path, taught) == {"embedded": 3, "bad": 0, "gone": 0, "note": ""}
    assert report(tmp_path) == {"embedded": 0, "bad": 0, "gone": 0, "note": ""}
    search = lambda: stems(Library(tmp_path / "library").search(Query("words", "red")))  # noqa: E731
    assert search()[0] == "x00"
    paint(loras[2], "red", 5)
    (tmp_path / "loras" / "x00.preview.png").unlink()
    assert report(tmp_path) == {"embedded": 1, "bad": 0, "gone": 1, "note": ""}
    assert search() == ["x02", "x01"]
    loras[2].unlink()
    assert report(tmp_path) == {"embedded": 0, "bad": 0, "gone": 1, "note": ""}
    assert search() == ["x01"]
    # a name that is tried first, now also there
    paint(loras[1], "red", 6, ".png")
    assert report(tmp_path)["embedded"] == 1  # type: ignore[index]
    # the file is away and its folder not among those that were indexed: what is known stays
    (tmp_path / "loras").rename(tmp_path / "away")
    write(tmp_path / "others", {"y": ink(50, rank=1)})
    again = Library(tmp_path / "library").index([tmp_path / "others"], workers=0)
    assert again.previews is not None and again.previews.gone == 0
    assert search() == ["x01"]


def test_a_picture_in_the_header_is_a_preview(tmp_path: Path, taught: Path) -> None:
    held = io.BytesIO()
    Image.fromarray(square("cyan", 1, 40)).save(held, "JPEG")
    coded = "data:image/jpeg;base64," + base64.b64encode(held.getvalue()).decode()
    adapters = {
        "a": ink(1, rank=1, **{"modelspec.thumbnail": coded}),
        "b": ink(2, rank=1, **{"modelspec.thumbnail": "data:image/png;base64,AAAA"}),
        "c": ink(3, rank=1),
    }
    loras = write(tmp_path / "loras", adapters)
    paint(loras[2], "red", 0)
    assert report(tmp_path, taught) == {"embedded": 2, "bad": 1, "gone": 0, "note": ""}
    library = Library(tmp_path / "library")
    assert stems(library.search(Query("words", "cyan"))) == ["a", "c"]
    paint(loras[0], "red", 1)  # the one beside it is preferred
    assert report(tmp_path) == {"embedded": 1, "bad": 0, "gone": 0, "note": ""}


def test_hostile_pictures_are_counted_in_one_line(tmp_path: Path, random_clip: Path) -> None:
    loras = collection(tmp_path / "loras", "red " * 6)
    whole = (tmp_path / "loras" / "x00.preview.png").read_bytes()
    pictures = [lora.with_name(f"{lora.stem}.preview.png") for lora in loras]
    pictures[1].write_bytes(whole[: len(whole) // 2])
    pictures[2].write_bytes(whole[:16] + b"\0" * 100)
    bomb = bytearray(whole)
    bomb[16:24] = (60_000).to_bytes(4, "big") * 2
    pictures[3].write_bytes(bomb)
    pictures[4].unlink()
    os.mkfifo(pictures[4])
    (tmp_path / "secret.png").write_bytes(whole)
    pictures[5].unlink()
    pictures[5].symlink_to(tmp_path / "secret.png")
    arguments = ["index", str(tmp_path / "loras"), "--library", str(tmp_path / "library")]
    done = CliRunner().invoke(cli, [*arguments, "--workers", "0", "--previews", str(random_clip)])
    assert done.exit_code == 0, done.output
    lines = [line for line in done.output.splitlines() if line.startswith("previews")]
    assert lines == ["previews: 1 new, 3 cannot be read"]
    done = CliRunner().invoke(cli, [*arguments, "--workers", "0"])
    assert done.exit_code == 0 and "previews" not in done.output  # nothing is looked at again


def test_the_model_is_remembered_and_forgotten(
    tmp_path: Path, taught: Path, random_clip: Path
) -> None:
    """By each library for itself."""
    collection(tmp_path / "one" / "loras", "red blue")
    collection(tmp_path / "two" / "loras", "green blue")
    one, two = index(tmp_path / "one", taught), index(tmp_path / "two")
    assert stems(one.search("red")) == ["x00", "x01"] and read_setting(two.store) is None
    assert stems(two.search("green")) == []
    two = index(tmp_path / "two", random_clip)
    tables = lambda library: [n for n in library.store.names() if n.startswith(VECTORS)]  # noqa: E731
    first = tables(two)
    assert report(tmp_path / "two", taught)["embedded"] == 2  # type: ignore[index]
    second = tables(Library(tmp_path / "two" / "library"))
    assert len(first) == len(second) == 1 and first != second
    assert stems(Library(tmp_path / "two" / "library").search("green")) == ["x00", "x01"]
    assert report(tmp_path / "two", "none") is None
    two = Library(tmp_path / "two" / "library")
    assert read_setting(two.store) is None and not tables(two) and stems(two.search("green")) == []
    assert report(tmp_path / "two") is None
    assert stems(index(tmp_path / "one").search("red")) == ["x00", "x01"]


def test_a_model_that_is_gone_is_a_note(tmp_path: Path, taught: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(taught, model)
    loras = collection(tmp_path / "loras", "red green blue")
    index(tmp_path, model)
    model.rename(tmp_path / "away")
    where = ["--library", str(tmp_path / "library")]
    done = CliRunner().invoke(cli, ["search", "x01", *where])
    assert done.exit_code == 0 and len(done.stderr) == 0, done.output
    note, *rest = done.output.splitlines()
    assert note.startswith("previews were left out") and str(model) in note
    assert "x01" in rest[0]
    picture = str(loras[0].with_name("x00.preview.png"))
    done = CliRunner().invoke(cli, ["search", "--pictures", picture, "--json", *where])
    document = json.loads(done.output)
    assert done.exit_code == 0 and document["matches"] == [] and "left out" in document["note"]
    paint(loras[1], "red", 9)
    done = CliRunner().invoke(cli, ["index", str(tmp_path / "loras"), "--workers", "0", *where])
    assert done.exit_code == 0 and "previews stay as they were" in done.output
    (tmp_path / "away").rename(model)
    assert report(tmp_path) == {"embedded": 1, "bad": 0, "gone": 0, "note": ""}
    assert set(stems(Library(tmp_path / "library").search("red"))[:2]) == {"x00", "x01"}
    # other weights in the same place: their vectors do not compare
    save_random("clip", model, seed=5)
    answer = Library(tmp_path / "library").search("red")
    assert "the model has changed" in answer.note and len(answer) == 0
    assert report(tmp_path)["embedded"] == 3  # type: ignore[index]
    assert Library(tmp_path / "library").search("red").note == ""


@pytest.mark.parametrize("fault", ["absent", "type", "words", "tokenizer", "weights", "hub"])
def test_no_such_model_is_one_line_before_anything_is_done(
    tmp_path: Path, random_clip: Path, fault: str
) -> None:
    write(tmp_path / "loras", {"a": ink(1, rank=1)})
    model = tmp_path / "model"
    shutil.copytree(random_clip, model)
    config = json.loads((model / "config.json").read_text())
    if fault == "absent":
        shutil.rmtree(model)
    elif fault in ("type", "words"):
        config["model_type"] = "bert" if fault == "type" else "clip_vision_model"
        (model / "config.json").write_text(json.dumps(config))
    elif fault == "tokenizer":
        (model / "tokenizer.json").unlink()
    elif fault == "weights":
        (model / "model.safetensors").write_bytes(b"\0" * 100)
    name = "nobody/nothing-of-this-name" if fault == "hub" else str(model)
    library = tmp_path / "library"
    arguments = ["index", str(tmp_path / "loras"), "--library", str(library)]
    done = CliRunner().invoke(cli, [*arguments, "--workers", "0", "--previews", name])
    error = done.exception
    assert isinstance(error, LorariumError) or done.exit_code == 2, done.output
    assert len(done.output.splitlines()) <= 1 and not library.exists()


def test_a_name_of_the_hubs_cache(
    tmp_path: Path, taught: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "cache" / "models--somebody--tiny"
    shutil.copytree(taught, home / "snapshots" / "abc")
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text("abc")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    collection(tmp_path / "loras", "red blue")
    library = index(tmp_path, "somebody/tiny")
    assert read_setting(library.store).model == "somebody/tiny"  # type: ignore[union-attr]
    assert stems(library.search("blue")) == ["x01", "x00"]


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_vectors_are_those_of_transformers(tmp_path: Path, kind: str) -> None:
    import torch

    from lorarium.encoders.picture_words import open_model

    folder = save_random(kind, tmp_path / "model")
    model = open_model(str(folder))
    whole = transformers.AutoModel.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    long = "a red cat in a blue square of a dragon in a square"
    padding = {"padding": "max_length"} if kind == "siglip" else {}
    for text in ("Red cat", long):
        tokens = tokenizer(
            [text], return_tensors="pt", truncation=True, max_length=8, **padding
        )  # fmt: skip
        masks = {} if kind == "siglip" else {"attention_mask": tokens["attention_mask"]}
        with torch.no_grad():
            output = whole.get_text_features(input_ids=tokens["input_ids"], **masks)
        theirs = torch.nn.functional.normalize(getattr(output, "pooler_output", output), dim=1)
        assert model.words.embed(text) == pytest.approx(theirs[0].numpy(), abs=1e-5)
    collection(tmp_path / "loras", "red blue green")
    library = index(tmp_path, folder)
    answer = library.search(Query("words", "cat"))
    assert len(answer) == 3 and answer.close is None  # of three nobody can say
    picture = tmp_path / "loras" / "x01.preview.png"
    assert stems(library.search(picture))[0] == "x01"
    assert library.search(picture)[0].preview_likeness == pytest.approx(1, abs=2e-3)


def test_the_studio_says_why(rainbow: tuple[Library, Path], tmp_path: Path) -> None:
    pytest.importorskip("fastapi")
    pytest.importorskip("uvicorn")
    from tests.studio.served import served

    library, home = rainbow
    Image.fromarray(square("magenta", 99, 64)).save(tmp_path / "query.png")
    picture = (tmp_path / "query.png").read_bytes()
    with served(Path(str(library.folder)), [home / "loras"]) as studio:
        answer = studio.send("/api/search", {"text": "magenta"}).json
        assert answer["rows"][0]["name"] in {"x07", "x15", "x23"}
        assert answer["rows"][0]["why"] == "preview"
        sent = studio.ask("POST", "/api/uploads?name=query.png", picture).json
        answer = studio.send("/api/search", {"uploads": [sent["id"]]}).json
        assert {row["name"] for row in answer["rows"][:3]} == {"x07", "x15", "x23"}
        narrowed = {"text": "magenta", "where": "path ~ x15"}
        assert [r["name"] for r in studio.send("/api/search", narrowed).json["rows"]] == ["x15"]


PROGRAM = """
import sys
from lorarium.library import Library, preview_index
preview_index.TOGETHER, preview_index.SECONDS = 2, 0.0
def progress(done, total, words):
    if words == "previews":
        print(done, flush=True)
        if done >= int(sys.argv[4]):
            sys.stdin.read()
Library(sys.argv[1]).index([sys.argv[2]], workers=0, previews=sys.argv[3], progress=progress)
"""


def test_a_kill_loses_no_more_than_a_batch(tmp_path: Path, taught: Path) -> None:
    collection(tmp_path / "loras", [*COLOURS])
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "library"), str(tmp_path / "loras")]
    running = subprocess.Popen(
        [*command, str(taught), "6"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert running.stdin is not None and running.stdout is not None
    assert [running.stdout.readline() for _ in range(3)] == ["2\n", "4\n", "6\n"]
    running.kill()
    running.communicate()
    partial = Library(tmp_path / "library")
    assert len(partial.search("red")) in (4, 6)
    embedded = report(tmp_path)["embedded"]  # type: ignore[index]
    assert embedded in (2, 4)
    assert set(stems(Library(tmp_path / "library").search("magenta", k=8))[:1]) == {"x07"}
    assert report(tmp_path)["embedded"] == 0  # type: ignore[index]


def test_torch_is_loaded_for_pictures_alone(tmp_path: Path, random_clip: Path) -> None:
    """Not to search a library without previews, nor to see that none of them has changed."""
    write(tmp_path / "loras", {"ink": ink(1, rank=1)})
    index(tmp_path)

    def loaded(use: str) -> None:
        program = (
            f"import sys\nfrom lorarium.library import Library\nlibrary = Library(sys.argv[1])\n"
            f"{use}\n"
            "heavy = {'torch', 'transformers', 'PIL', 'huggingface_hub'} & set(sys.modules)\n"
            "sys.exit(' '.join(heavy) or 0)"
        )
        command = [
            sys.executable,
            "-c",
            program,
            str(tmp_path / "library"),
            str(tmp_path / "loras"),
        ]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    loaded("assert len(library.search('ink')) == 1")
    paint(tmp_path / "loras" / "ink.safetensors", "red", 0)
    assert report(tmp_path, random_clip)["embedded"] == 1  # type: ignore[index]
    loaded("assert library.index([sys.argv[2]], workers=0).previews.embedded == 0")
