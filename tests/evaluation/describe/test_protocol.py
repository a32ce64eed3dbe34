"""From a folder to a document and a page: planted adapters whose truth is known."""

import json
import re

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")

from lorarium.errors import LorariumError
from lorarium.evaluation.describe import Options, evaluate_describe, load, read_zoo
from lorarium.evaluation.describe.folds import folds
from lorarium.evaluation.describe.page import page, summary
from lorarium.evaluation.describe.parts import alone, parts
from lorarium.evaluation.describe.protocol import best_training_free
from lorarium.evaluation.describe.rows import VectorContender, padded_products
from lorarium.evaluation.describe.scenarios import (
    asked_by_vectors,
    asked_by_words,
    rejection,
    texts_about,
)
from lorarium.evaluation.describe.stability import CHANGES
from lorarium.evaluation.describe.zoo import Corpus
from lorarium.formats.example import example
from lorarium.training.mint import MANIFEST
from tests.descriptors.planted import planted
from tests.evaluation.describe.minted import minted, noise


def nobody(kind, judge):
    return {}, ["pictures: nobody looks"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return minted(tmp_path_factory.mktemp("zoo"), {"test": 2})


@pytest.fixture(scope="module")
def corpus(folder):
    return load(read_zoo(folder), "style", "test")


@pytest.fixture(scope="module")
def document(folder, tmp_path_factory):
    options = Options(samples=0)
    return evaluate_describe(folder, tmp_path_factory.mktemp("cache"), options, views=nobody)


def test_queries_are_new_and_their_artists_known(corpus):
    plan = list(folds(corpus))
    assert [f.split for f in plan] == ["same"] * 3 + ["cross", "random"]
    for fold in plan:
        assert not set(fold.gallery) & set(fold.queries)
        assert set(corpus.artist[fold.queries]) <= set(corpus.artist[fold.gallery])
        assert set(corpus.recipe[fold.gallery]) == {"R0"}
    assert {r for f in plan[3:] for r in corpus.recipe[f.queries]} == {"R1", "random"}
    assert (
        sorted(i for f in plan[:3] for i in f.queries)
        == np.flatnonzero(corpus.recipe == "R0").tolist()
    )


def test_content_is_found_and_initialisation_is_not(document):
    rows = {row["name"]: row for row in document["kinds"]["style"]["rows"]}
    for name in ("output", "sketch-output"):
        for split in ("same", "cross", "random"):
            assert rows[name]["splits"][split]["r_at_1"] == 1
    assert rows["input"]["splits"]["cross"]["r_at_1"] <= 0.75
    assert rows["output"]["clusters"]["all"]["artist"]["ari linkage"] == pytest.approx(1)
    assert rows["output"]["rejection"]["nearest"]["cross"] > 0.8
    assert set(rows["output"]["rejection"]["standing"]) == {"same", "cross", "random"}
    assert "same" in rows["raw, cosine"]["splits"] and "cross" not in rows["raw, cosine"]["splits"]
    assert set(rows["raw, padded"]["splits"]) == {"same", "cross", "random"}
    assert all(row["seconds"] > 0 and row["bytes"] > 0 for row in rows.values())


def test_what_people_do_to_files(document):
    for changes in document["kinds"]["style"]["stability"].values():
        assert set(changes) == set(CHANGES)
        # whitened spaces make the rounding of the factors as large as this
        assert changes["rescaled"]["cosine"] > 0.999 and changes["eight bits"]["cosine"] > 0.99
        assert changes["merged 0.7 : 0.3"]["cosine"] < 0.99


def test_the_document_is_json_and_says_what_is_missing(document):
    assert json.loads(json.dumps(document, allow_nan=False))["zoo"] == "planted"
    assert "pictures: nobody looks" in document["skipped"]
    assert "subject: none in the split test" in document["skipped"]
    traces = document["kinds"]["style"]["traces"]
    assert traces["facts"]["log2 rank"] > 0.5 > traces["output"]["log2 rank"]


def test_the_page_needs_nothing_and_runs_nothing(document):
    hostile = json.loads(json.dumps(document))
    hostile["zoo"] = "<script>alert(1)</script>"
    hostile["skipped"] = ["\x1b[31m<img src=x onerror=1>"]
    style = hostile["kinds"]["style"]
    style["usual"] = style["map"]["points"][0]["id"] = '"><svg onload=1>'
    style["rows"][0]["name"] = "</td><iframe>"
    html = page(hostile)
    tags = set(re.findall(r"<\s*([a-z0-9]+)", html))
    assert not tags & {"script", "img", "link", "iframe"} and "\x1b" not in html
    assert not re.search(r"<[^>]*\s(onerror|onload|href|src)\s*=", html)
    assert html.count("<circle") == 3 * 20 and "R@1" in summary(hostile)


def test_quick_takes_fewer_artists(folder, tmp_path):
    options = Options(samples=0, most=2)
    few = evaluate_describe(folder, tmp_path, options, views=nobody)["kinds"]["style"]
    assert few["artists"] == 2 and few["groups"] == 2


def test_headroom_names_the_best(folder):
    headroom = best_training_free(read_zoo(folder), "test")
    assert headroom["best"]["cross"]["r_at_1"] == 1 and headroom["artists"] == 4
    with pytest.raises(LorariumError, match="validation"):
        best_training_free(read_zoo(folder))


def test_which_part_carries_the_artist(corpus, document):
    by_selection = document["kinds"]["style"]["parts"]
    assert (
        "conv" not in by_selection and "denoiser" not in by_selection and "text" not in by_selection
    )
    each = [by_selection[name] for name in ("q", "k", "v", "feed-forward")]
    assert sum(row["energy"] for row in each) == pytest.approx(1, abs=1e-6)
    assert (
        by_selection["all"]["output"]["cross"]["r_at_1"] == 1
        and by_selection["all"]["adapters"] == 20
    )
    # half of the recipes are told by where A began: R0 by its common start, R1 has none
    assert (
        by_selection["all"]["input"]["recipe"]
        >= 0.5
        == by_selection["all"]["input"]["recipe by chance"]
    )
    adapters = tuple(
        planted(e.of[1] + (e.of[0] == "oil") * 10, i, content=0.0).with_(
            deltas={
                m: planted(e.of[1] + (e.of[0] == "oil") * 10, i)[m]
                if m.path.endswith("to_v")
                else planted(99, i + 100, content=0.0)[m]
                for m in planted(0, 0)
            }
        )
        for i, e in enumerate(corpus.entries)
    )
    report = parts(Corpus(corpus.entries, adapters))
    assert report["v"]["output"]["same"]["r_at_1"] == 1
    assert report["k"]["output"]["same"]["r_at_1"] <= 0.6


def test_the_probe_reads_a_part_with_the_facts_of_the_whole(corpus):
    one = Corpus(corpus.entries[:1], (example(family="micro-1", seed=1, rank=4),))
    original = one.sketches[0]
    part, everything = (alone(one, 0, name) for name in ("v", "all"))
    assert everything.effect @ original.effect > 0.999 * np.linalg.norm(everything.effect)
    np.testing.assert_array_equal(part.facts, original.facts)
    assert 0 < part.effect @ original.effect < 0.9 * np.linalg.norm(part.effect)


def test_padded_factors_by_hand(corpus):
    K = padded_products(corpus)
    a, b = corpus.adapters[0], corpus.adapters[3]  # ranks 4 and 6
    by_hand = sum(
        float((a[m].up * b[m].up[:, :4]).sum() + (a[m].down * b[m].down[:4]).sum()) for m in a
    )
    assert K[0, 3] == pytest.approx(by_hand, rel=1e-3)


def test_strangers_are_told_by_distance(corpus):
    centres = noise(corpus.artist.max() + 1, 64)
    known = VectorContender(
        "x", centres[corpus.artist] + 0.05 * noise(20, 64, 1), "weights", centre=False
    )
    areas = rejection(known, corpus, list(folds(corpus)))
    assert areas["nearest"]["cross"] == areas["standing"]["cross"] == 1
    blind = rejection(
        VectorContender("y", noise(20, 64, 2), "weights"), corpus, list(folds(corpus))
    )
    assert all(0 <= areas["same"] <= 0.85 for areas in blind.values())


def test_vectors_and_words_that_ask(corpus):
    centres = noise(4, 16)
    gallery, artists = np.repeat(centres, 3, 0), np.repeat(np.arange(4), 3)
    odd = np.array([False, True, False, True])
    by_vectors = asked_by_vectors(
        centres, np.arange(4), gallery, artists, odd, seed=0, centre=False
    )
    assert by_vectors["r_at_1"] == by_vectors["map"] == by_vectors["strangers refused"] == 1
    assert by_vectors["null"] < 0.5
    members = np.flatnonzero(corpus.recipe == "R0")
    about = texts_about(corpus, members)
    assert {"a ink", "a oil"} <= set(about.texts) and about.general.sum() == 2
    assert about.relevant[about.general].sum(1).tolist() == [6, 6]
    assert (about.relevant[~about.general].sum(1) <= 6).all()
    by_words = asked_by_words(about.relevant.astype(float), about, seed=0)
    assert by_words["general"]["map"] == by_words["with attributes"]["map"] == 1
    assert by_words["general"]["null"] < 0.8


def test_changes_keep_what_they_promise():
    one, two = planted(1, 1), planted(2, 2)
    for name, change in CHANGES.items():
        changed = change(one, two)
        assert set(changed) == set(one), name
    module = next(iter(one))
    moved = CHANGES["rescaled"](one, two)[module]
    np.testing.assert_allclose(
        moved.scale * moved.up @ moved.down, 0.5 * one[module].up @ one[module].down, rtol=1e-3,
        atol=1e-4,
    )  # fmt: skip
    assert CHANGES["half rank"](one, two)[module].rank == 2
    rounded = CHANGES["eight bits"](one, two)[module].up
    assert 0 < np.abs(rounded - one[module].up).max() <= np.abs(one[module].up).max() / 250


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "no manifest"),
        ("{", "not a manifest"),
        ("[]", "not a manifest"),
        ('{"name": "x", "base_hash": "y", "recipes": {}, "entries": [{"id": "a"}]}', "not a"),
        ('{"name": 1, "base_hash": "", "recipes": {"R0": {"rank": "x"}}, "entries": []}', "rank"),
        ('{"name": 1, "base_hash": "", "recipes": {}, "entries": []}', "no adapters"),
    ],
)
def test_bad_folders_are_one_line(tmp_path, text, words):
    if text is not None:
        (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(LorariumError, match=words) as error:
        evaluate_describe(tmp_path, tmp_path / "c", Options(samples=0), views=nobody)
    assert "\n" not in str(error.value)


def test_paths_in_ids_are_refused(folder, tmp_path):
    text = (folder / MANIFEST).read_text().replace('"style-ink-0-R0-0"', '"../x"')
    (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(LorariumError, match="no file name"):
        read_zoo(tmp_path)


def test_unfinished_folders_say_so(folder, tmp_path):
    (tmp_path / MANIFEST).write_bytes((folder / MANIFEST).read_bytes())
    assert read_zoo(tmp_path).missing == 20
