"""Search by what was learned: adapters by the probe, pictures and words by the aligned towers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

torch = pytest.importorskip("torch")

from lorarium.cli import cli  # noqa: E402
from lorarium.descriptors import learned  # noqa: E402
from lorarium.descriptors.learned import load_learned  # noqa: E402
from lorarium.encoders.store import shipped  # noqa: E402
from lorarium.errors import LorariumError  # noqa: E402
from lorarium.evaluation.describe.zoo import load, read_zoo  # noqa: E402
from lorarium.formats.example import example  # noqa: E402
from lorarium.library import Library  # noqa: E402
from lorarium.library.learned import default_encoders  # noqa: E402
from lorarium.library.spaces import BUILT_IN  # noqa: E402
from lorarium.pictures import write_png  # noqa: E402
from lorarium.recipes import describe as stage  # noqa: E402
from lorarium.world.scene import Style, Subject, View, render  # noqa: E402
from tests.evaluation.describe.minted import minted  # noqa: E402
from tests.library.zoo import write  # noqa: E402

pytestmark = pytest.mark.interop
torch.set_num_threads(1)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An asset that barely learned anything, a library of 32 adapters, and some pictures."""
    home = tmp_path_factory.mktemp("learned")
    splits = {"train": 18, "validation": 2, "test": 4}
    zoo = read_zoo(minted(home / "zoo", splits, copies=2, content=0.8))
    judge = shipped("judge_a").net
    assert stage.train(zoo, judge, home / "a.safetensors", words=(1, 1), runs=home / "runs")
    corpus = load(zoo, "style", "test")
    write(home / "loras", {e.id: a for e, a in zip(corpus.entries, corpus.adapters, strict=True)})
    library = Library(home / "library", default_encoders(home / "a.safetensors"))
    library.index([home / "loras"], workers=0)
    (home / "shots").mkdir()
    drawn = render([Subject("cat", i) for i in range(3)], [Style("ink", 1)] * 3,
                   [View(i) for i in range(3)], 64)  # fmt: skip
    for i, picture in enumerate(drawn):
        write_png(home / "shots" / f"{i}.png", picture)
    return home


@pytest.fixture
def library(home: Path, monkeypatch: pytest.MonkeyPatch) -> Library:
    monkeypatch.setattr(learned, "ASSET", home / "a.safetensors")
    return Library(home / "library")


def scores(answer: object) -> dict[str, float]:
    return {m.paths[0]: m.score for m in answer.matches}  # type: ignore[attr-defined]


def expected(library: Library, home: Path, query: np.ndarray) -> dict[str, float]:
    networks = load_learned(home / "a.safetensors")
    ids = library.to_arrow()["id"].to_pylist()
    paths = library.to_arrow()["path"].to_pylist()
    sketches = dict(library.snapshot.sketches(ids))
    vectors = networks.aligned([sketches[id] for id in ids])
    return dict(zip(paths, (vectors @ (query / np.linalg.norm(query))).tolist(), strict=True))


def test_adapters_are_compared_by_the_probe(library: Library, home: Path) -> None:
    path = next((home / "loras").glob("style-ink-0-R0-0*"))
    answer = library.search(path, k=40)
    assert answer.space == "probe" and answer.close is not None and len(answer.matches) == 31
    networks = load_learned(home / "a.safetensors")
    ids = dict(zip(*(library.to_arrow()[n].to_pylist() for n in ("path", "id")), strict=True))
    held = dict(library.snapshot.sketches(list(ids.values())))
    best = answer.matches[0]
    one, two = networks.probes([held[ids[str(path)]], held[ids[best.paths[0]]]])
    assert best.score == pytest.approx(float(one @ two), abs=2e-3)
    assert library.search(path, space="output").space == "output"


def test_pictures_words_and_mixes_meet_adapters(library: Library, home: Path) -> None:
    from lorarium.pictures import picture_files, read_pictures

    networks = load_learned(home / "a.safetensors")
    shots = networks.pictures(read_pictures(picture_files([home / "shots"]), 48))
    words_vector = networks.words(["a red ink"])[0]
    asks = {(home / "shots",): shots, ("red ink",): words_vector, ("a red ink",): words_vector}
    asks[home / "shots", "red ink"] = shots + words_vector
    for queries, vector in asks.items():
        answer = library.search(*queries, k=40)
        assert answer.space == "aligned" and answer.close is not None
        wanted = expected(library, home, vector)
        # of words alone those are left out that only the weights speak for, when none is close
        inked = {match.path for match in answer if match.text_score is not None}
        named = {path for path in wanted if "ink" in Path(path).name}
        assert inked == (set() if queries == (home / "shots",) else named)
        assert len(answer) == 32 or (answer.close is False and len(answer) == len(inked))
        for match in answer:
            assert match.likeness == pytest.approx(wanted[match.path], abs=2e-3)
            assert match.score == pytest.approx(match.likeness + (match.text_score or 0.0))
    path = next((home / "loras").glob("style-oil-1-R0-0*"))
    mixed = library.search(path, "red ink", k=5)
    assert mixed.space == "aligned" and str(path) not in scores(mixed)


def test_a_picture_that_a_link_brings_into_a_folder_is_not_searched_for(
    library: Library, home: Path, tmp_path: Path
) -> None:
    shots = sorted((home / "shots").iterdir())
    (tmp_path / "secret").mkdir()
    secret = tmp_path / "secret" / "b.png"
    secret.write_bytes(shots[-1].read_bytes())
    (tmp_path / "asked").mkdir()
    (tmp_path / "asked" / "b.png").symlink_to(secret)
    with pytest.raises(LorariumError, match="no pictures in this folder"):
        library.search(tmp_path / "asked")
    (tmp_path / "asked" / "a.png").write_bytes(shots[0].read_bytes())
    alone = scores(library.search(tmp_path / "asked" / "a.png"))
    assert scores(library.search(tmp_path / "asked")) == alone != scores(library.search(secret))


def test_what_true_matches_reach_is_the_least(library: Library, home: Path) -> None:
    card = learned.read_card(home / "a.safetensors")
    assert set(card["least"]) == {"pictures", "words"}
    encoder = library.encoders["aligned"]
    assert encoder.thresholds == card["least"]
    by_chance = Library(home / "library", {**BUILT_IN, "aligned": replace(encoder, thresholds={})})
    plain = by_chance.search("red ink")
    strict = replace(encoder, thresholds={"words": 0.999})
    answer = Library(home / "library", {**BUILT_IN, "aligned": strict}).search("red ink")
    assert answer.close is False and answer.threshold == 0.999 > plain.threshold
    # what is known of words says nothing about pictures
    shots = Library(home / "library", {**BUILT_IN, "aligned": strict}).search(home / "shots")
    assert shots.threshold < 0.999


def test_as_a_person_types_it(library: Library, home: Path) -> None:
    here = ["search", "--library", str(home / "library"), "--json", "-k", "3"]
    asked = [*here, "--pictures", str(home / "shots"), "--words", "red ink"]
    done = CliRunner().invoke(cli, asked, standalone_mode=False, catch_exceptions=False)
    answer = json.loads(done.stdout)
    assert [q["kind"] for q in answer["queries"]] == ["pictures", "words"]
    assert answer["space"] == "aligned" and len(answer["matches"]) == 3


def test_what_cannot_be_is_one_line(library: Library, home: Path, tmp_path: Path) -> None:
    answer = library.search("red inck")  # a word that the drawn world does not have
    assert answer.space == "" and answer.close is False
    write(tmp_path / "sd1", {str(i): example(family="sd1", seed=i, rank=1) for i in range(2)})
    other = Library(tmp_path / "library")
    other.index([tmp_path / "sd1"], workers=0)
    assert other.search("red ink").matches == ()
    with pytest.raises(LorariumError, match=r"sd1 adapters by pictures.*LoRA file that draws"):
        other.search(home / "shots")
    assert other.search(tmp_path / "sd1" / "0.safetensors").space == "output"
    networks = load_learned(home / "a.safetensors")
    stranger = replace(networks, card=networks.card | {"judge": "another"})
    with pytest.raises(LorariumError, match="another judge A"):
        stranger.pictures(np.zeros((1, 48, 48, 3), np.uint8))


def test_a_library_from_before_is_searched_as_before(home: Path, tmp_path: Path) -> None:
    old = Library(tmp_path / "library", BUILT_IN)
    old.index([home / "loras"], workers=0)
    path = next((home / "loras").glob("style-ink-0-R0-0*"))
    newer = Library(tmp_path / "library", default_encoders(home / "a.safetensors"))
    assert newer.search(path).space == "output"
    assert newer.search("red ink").space == ""  # by names, until its vectors are there
    newer.index([home / "loras"], workers=0)
    assert newer.search(path).space == "probe" and newer.search("red ink").space == "aligned"


def test_without_an_asset_or_with_another_version(tmp_path: Path) -> None:
    assert default_encoders(tmp_path / "none") == BUILT_IN
    (tmp_path / "x.safetensors").write_bytes(b"oops")
    assert default_encoders(tmp_path / "x.safetensors") == BUILT_IN


ASSET = Path(learned.__file__).parent.parent / "assets" / "describe.safetensors"


@pytest.mark.skipif(not ASSET.exists(), reason="no descriptor ships yet")
def test_what_ships_was_made_with_the_judge_that_ships() -> None:
    from lorarium.encoders.store import mark_of

    assert set(default_encoders(ASSET)) > set(BUILT_IN)
    assert learned.read_card(ASSET)["judge"] == mark_of(shipped("judge_a").net)


def test_several_at_once_are_stored_as_one_by_one(home: Path, library: Library) -> None:
    sketches = [*library.snapshot.sketches(library.to_arrow()["id"].to_pylist()).values()]
    for space in default_encoders(home / "a.safetensors").values():
        together = np.array(space.shorts(sketches))
        alone = np.array([space.short(space.full(sketch)) for sketch in sketches])
        assert np.allclose(together, alone, atol=1e-6)
