"""Verdicts, thresholds and trials, with an untrained network; the shipped judges when there."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from lorarium.encoders.encode import encode  # noqa: E402
from lorarium.encoders.nets import JudgeNet, NetConfig  # noqa: E402
from lorarium.encoders.panel import Panel  # noqa: E402
from lorarium.encoders.store import mark_of, save_encoder  # noqa: E402
from lorarium.errors import LorariumError  # noqa: E402
from lorarium.evaluation.ceilings import ceilings  # noqa: E402
from lorarium.evaluation.describe.looks import views  # noqa: E402
from lorarium.evaluation.judges import (  # noqa: E402
    FALSE_ACCEPTS,
    LEAST_FALSE,
    Judge,
    Thresholds,
    calibrate_offsets,
    heard_with,
    judge_file,
    load_judge,
    prototype,
    trial_scores,
)
from lorarium.evaluation.judging.open_judge import open_judges  # noqa: E402
from lorarium.evaluation.statistics import equal_error_rate  # noqa: E402
from lorarium.evaluation.trials import (  # noqa: E402
    score,
    scores_of,
    style_trials,
    subject_trials,
    unit,
)
from lorarium.evaluation.world_checks import (  # noqa: E402
    OUTLINE,
    colour_histogram,
    histogram_scores,
    outlines,
)
from lorarium.trained import ASSETS  # noqa: E402
from lorarium.world.mark import world_mark  # noqa: E402
from lorarium.world.scene import Style, Subject, View, render  # noqa: E402
from lorarium.world.splits import SEEN_CLASSES, SEEN_GENRES  # noqa: E402
from lorarium.world.styles import GENRES  # noqa: E402
from lorarium.world.words import VOCABULARY  # noqa: E402

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def judge():
    torch.manual_seed(0)
    net = JudgeNet(NetConfig("conv", 16, len(SEEN_CLASSES), len(SEEN_GENRES), len(VOCABULARY), 1))
    return Judge(net.eval(), Thresholds(subject=0.5, style=0.5))


@pytest.fixture(scope="module")
def pictures():
    return render([Subject("cat", 1)] * 6, [Style("ink", 1)] * 6, [View(i) for i in range(6)], 48)


def test_a_picture_passes_against_itself(judge, pictures):
    assert judge.subject_scores(pictures[:1], pictures[:1]) == pytest.approx([1], abs=1e-5)
    assert judge.both_pass(pictures[:1], pictures[:1], pictures[:1]).all()


def test_verdicts_are_scores_against_thresholds(judge, pictures):
    scores = judge.style_scores(pictures[3:], pictures[:3])
    assert scores.shape == (3,)
    assert np.array_equal(judge.style_pass(pictures[3:], pictures[:3]), scores >= 0.5)
    strict = Judge(judge.net, Thresholds(subject=2, style=2))
    assert not strict.both_pass(pictures, pictures, pictures).any()


def test_the_order_of_references_does_not_matter(judge, pictures):
    one = judge.subject_scores(pictures, pictures[:3])
    assert one == pytest.approx(judge.subject_scores(pictures, pictures[:3][::-1]), abs=1e-5)


def test_two_networks_are_heard_by_their_shares(judge, pictures):
    torch.manual_seed(1)
    other = JudgeNet(judge.net.config).eval()
    panel = Panel(judge.net, other, {"style": 0.4})
    (one,), (two,), (both,) = (encode(n, pictures, "style") for n in (judge.net, other, panel))
    assert both @ both.T == pytest.approx(0.6 * one @ one.T + 0.4 * two @ two.T, abs=1e-5)
    (alone,), (heard,) = (encode(n, pictures, "identity") for n in (judge.net, panel))
    assert np.array_equal(alone, heard)
    assert Judge(panel, judge.thresholds).alignment(pictures, ["a cat"]).shape == (6, 1)


def test_a_second_network_that_is_another_one_is_refused(judge, tmp_path):
    file = tmp_path / "second.safetensors"
    save_encoder(file, judge.net, {"name": "second", "world": world_mark()})
    second = {"name": str(file), "shares": {"style": 0.4}, "mark": mark_of(judge.net)}
    assert heard_with(judge.net, None) is judge.net
    assert isinstance(heard_with(judge.net, second), Panel)
    with pytest.raises(LorariumError, match="not the judge that is heard"):
        heard_with(judge.net, second | {"mark": "0" * 64})


def test_prototype_is_the_direction_of_the_mean_of_directions():
    vectors = np.array([[2.0, 0.0], [0.0, 0.5]])
    assert prototype(vectors) == pytest.approx(np.sqrt([0.5, 0.5]))


def test_agreement_is_with_the_words_that_are_said(judge, pictures):
    kind, genre = judge.class_of(pictures)[0], judge.genre_of(pictures)[0]
    assert judge.agrees(pictures, f"a {kind} in {genre}")[0]
    assert judge.agrees(pictures, f"a {kind}")[0]
    other = next(g for g in SEEN_GENRES if g not in judge.genre_of(pictures))
    assert not judge.agrees(pictures, f"a {kind} in {other}").any()
    with pytest.raises(LorariumError, match="names no class"):
        judge.agrees(pictures, "a red thing")


def test_alignment_has_a_column_for_every_prompt(judge, pictures):
    assert judge.alignment(pictures, ["a cat", "a dog in ink"]).shape == (6, 2)
    with pytest.raises(LorariumError, match="did you mean"):
        judge.alignment(pictures, ["a catt"])


def test_trials_hold_references_and_queries_of_each_member():
    trials = style_trials("test", 2, 3, seed=0, genres=("ink", "photo"), size=16)
    assert trials.references.shape == (4, 12, 16, 16, 3)
    assert trials.queries.shape == (4, 3, 16, 16, 3)
    assert trials.group.tolist() == [0, 0, 1, 1]
    trials = subject_trials("test", 2, 4, seed=0, classes=("cat", "dog"), genres=("ink",), size=16)
    assert trials.references.shape == (4, 5, 16, 16, 3)
    assert (trials.query_genres == SEEN_GENRES.index("ink")).all()


def test_scores_against_the_loop():
    random = np.random.default_rng(0)
    group = np.array([0, 0, 0, 1, 1])
    references, queries = random.normal(size=(5, 4, 8)), random.normal(size=(5, 2, 8))
    result = score(references, queries, group)
    yes, no, hits = [], [], []
    for m in range(5):
        for q in range(2):
            row = [float(unit(queries[m, q]) @ unit(unit(references[k]).mean(0))) for k in range(5)]
            yes.append(row[m])
            no += [row[k] for k in range(5) if k != m and group[k] == group[m]]
            hits.append(int(np.argmax(row)) == m)
    assert result.error == pytest.approx(equal_error_rate(np.array(yes), np.array(no)))
    assert np.sort(result.negative) == pytest.approx(np.sort(no))
    assert result.recall_at_1 == pytest.approx(np.mean(hits))


def test_error_of_a_group_uses_its_own_pairs_only():
    scores = np.zeros((4, 1, 4))
    scores[np.arange(4), 0, np.arange(4)] = 1
    scores[2, 0, 2], scores[2, 0, 3] = 0, 1
    pair_scores = scores_of(scores, np.array([0, 0, 1, 1]))
    assert pair_scores.error_of(0) == 0 and pair_scores.error_of(1) > 0.2


def test_colour_histogram_against_the_loop(pictures):
    counts = np.zeros((4, 4, 4))
    for r, g, b in pictures[0].reshape(-1, 3):
        counts[r // 64, g // 64, b // 64] += 1
    assert colour_histogram(pictures)[0] == pytest.approx(np.sqrt(counts.ravel() / 48**2))


def test_histogram_scores_find_artists_of_different_papers():
    trials = style_trials("test", 2, 3, seed=0, genres=("neon", "blueprint"), size=24)
    assert histogram_scores(trials)["nearest"].recall_at_1 > 0.25


def test_outlines_are_a_genre_only_inside():
    before = dict(GENRES)
    with outlines() as name:
        shape = render([Subject("cat", 1)], [Style(name, 1)], [View(0)], 32)
        assert (np.ptp(shape, axis=3) == 0).all()
        assert shape.min() == 0 and shape.max() == 255
    assert GENRES == before and OUTLINE not in GENRES


def test_a_judge_is_a_name_a_file_or_a_folder_that_holds_one(judge, tmp_path):
    card = {"thresholds": {"subject": 0.5, "style": 0.25}, "world": world_mark()}
    save_encoder(tmp_path / "mine.safetensors", judge.net, card)  # with its card, a .json
    for name in (str(tmp_path / "mine.safetensors"), str(tmp_path)):
        assert load_judge(name).thresholds == Thresholds(subject=0.5, style=0.25)
        heads, missing = views("style", name)
        assert mark_of(heads["judge's style"].net) == mark_of(judge.net) and not missing
        with open_judges([name], tmp_path) as (opened,):
            assert opened.judge.thresholds.style == 0.25
    assert judge_file("b") == ASSETS / "judge_b.safetensors"
    (tmp_path / "none").mkdir()
    save_encoder(tmp_path / "other.safetensors", judge.net, card)
    for name, words in (("none", "this one 0"), (".", "this one 2"), ("gone", "no judge")):
        with pytest.raises(LorariumError, match=words):
            load_judge(str(tmp_path / name))
    (tmp_path / "other.safetensors").write_bytes(b"damaged")
    with pytest.raises(LorariumError, match="cannot be read"):
        views("style", str(tmp_path / "other.safetensors"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a", "b"])
def test_shipped_judges_tell_true_from_false(name):
    if not (ASSETS / f"judge_{name}.safetensors").exists():
        pytest.skip(f"judge {name} is not made yet")
    judge = load_judge(name)
    n = 24
    cats = [Subject("cat", 1)] * n
    known = render(cats[:12], [Style("halftone", 3)] * 12, [View(i) for i in range(12)], 48)
    same = render(cats, [Style("halftone", 3)] * n, [View(100 + i) for i in range(n)], 48)
    other = render(cats, [Style("halftone", i + 4) for i in range(n)],
                   [View(200 + i) for i in range(n)], 48)  # fmt: skip
    assert judge.style_pass(same, known).mean() > 0.5 > judge.style_pass(other, known).mean()
    kinds = [SEEN_CLASSES[i % len(SEEN_CLASSES)] for i in range(3 * n)]
    genres = [SEEN_GENRES[i % len(SEEN_GENRES)] for i in range(3 * n)]
    mixed = render(
        [Subject(k, i) for i, k in enumerate(kinds)],
        [Style(g, i) for i, g in enumerate(genres)],
        [View(i) for i in range(3 * n)],
        48,
    )
    assert np.mean([a == b for a, b in zip(judge.class_of(mixed), kinds, strict=True)]) > 0.85
    assert np.mean([a == b for a, b in zip(judge.genre_of(mixed), genres, strict=True)]) > 0.85


def test_a_genre_in_which_strangers_look_alike_asks_for_more(judge, pictures):
    genre = judge.genre_of(pictures)[0]
    plain = judge.subject_scores(pictures, pictures)
    strict = Judge(
        judge.net, judge.thresholds, offsets={g: 0.3 * (g == genre) for g in SEEN_GENRES}
    )
    lowered = plain - strict.subject_scores(pictures, pictures)
    assert lowered == pytest.approx([0.3 * (g == genre) for g in judge.genre_of(pictures)])
    # a style's likeness is not touched
    assert np.array_equal(
        strict.style_scores(pictures, pictures), judge.style_scores(pictures, pictures)
    )


@pytest.mark.slow
def test_every_genre_lets_as_many_strangers_pass():
    """On the pairs that the offsets are from: 5% where there are pairs enough."""
    net, threshold = load_judge("b").net, 0.8
    offsets = calibrate_offsets(net, threshold, per_class=4)
    assert set(offsets) == set(SEEN_GENRES) and len(set(offsets.values())) > 2
    trials = subject_trials("validation", 4, 6, seed=1)
    scores = trial_scores(net, trials, "identity")
    seen = encode(net, trials.queries, "genre")[0].argmax(-1)
    hard = (trials.group[:, None] == trials.group[None]) & ~np.eye(len(trials.group), dtype=bool)
    for i, genre in enumerate(SEEN_GENRES):
        false = np.concatenate([scores.scores[m, q][hard[m]] for m, q in np.argwhere(seen == i)])
        assert len(false) >= LEAST_FALSE
        passed = (false >= threshold + offsets[genre]).mean()
        assert FALSE_ACCEPTS / 2 < passed <= FALSE_ACCEPTS + 0.01


@pytest.mark.slow
def test_ceilings_tell_true_pictures_from_strangers():
    said = ceilings(load_judge("b"), per_class=2, per_genre=2)
    for aspect in ("subject", "style"):
        rates = said[aspect]
        assert rates["true"] > rates["strangers"] + 0.2
        assert set(rates["true by genre"]) <= set(SEEN_GENRES)
