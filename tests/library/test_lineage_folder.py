"""Lineage in a folder where files lie beside what was made of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lorarium import formats
from lorarium.adapter import Adapter
from lorarium.algebra import add, recompress, scale
from lorarium.library import Library, Lineage
from lorarium.library.stated import statement
from lorarium.mergers import merge
from lorarium.mergers.provenance import stamp
from tests.library.zoo import ink, library, write

TINY = {10: 1.0, 11: 0.05, 12: 0.03, 13: 0.02}
FOUR = {14: 0.7, 15: 0.6, 16: 0.5, 17: 0.6}


def summed(weights: dict[int, float]) -> Adapter:
    return add([ink(i) for i in weights], list(weights.values()))


def sibling(seed: int) -> Adapter:
    """Another training that has about half of its change in common with one."""
    return recompress(add([ink(seed), ink(seed + 500)], [0.6, 0.8]), rank=4)[0]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Library:
    folder = tmp_path_factory.mktemp("folder")
    loras = folder / "loras"
    write(loras, {str(i): ink(i) for i in range(24)})
    K, R = (formats.read(loras / f"{i}.safetensors") for i in (1, 2))
    M = merge([K, R], [0.8, 0.5])
    ties = merge([K, R], [0.9, 0.7], method="ties", rank=8)
    forged = summed({4: 0.8, 5: 0.5}).with_(metadata=dict(M.metadata))
    absent = add([ink(3), ink(900)], [0.8, 0.6])
    cut = recompress(ink(18), rank=2)[0]
    write(
        loras,
        {
            "M": M.with_(metadata={}),
            "K2": stamp(recompress(M, rank=5)[0], [M], "resize", {"rank": 5}),
            "T": ties,
            "T bare": merge([R, ink(6)], [0.9, 0.7], method="ties", rank=8).with_(metadata={}),
            "chain": add([M, ink(7)], [0.5, 1.0]),
            "forged": forged,
            "absent": absent,
            "sibling": sibling(900),
            "stand-in": add([ink(901), ink(20)], [1.1, 0.6]),
            "of the absent": add([ink(901), ink(20), ink(21)], [0.7, -0.9, 0.5]),
            "cut": cut,
            "stand-in too": add([ink(902), cut], [1.1, -0.9]),
            "without": add([ink(902), ink(18)], [0.8, -0.5]),
            "T loud": scale(ties, 1.5).with_(metadata={}),
            "loud": add([ink(22)], [1.25]),
            "short": recompress(ink(22), rank=2)[0],
            "tiny": summed(TINY),
            "four": recompress(summed(FOUR), rank=4)[0],
        },
    )
    return library(folder / "library", loras)


def ask(made: Library, name: str) -> Lineage:
    return made.lineage(made.to_arrow(f"path ~ '/{name}.safetensors'")["path"][0].as_py())


def parents(answer: Lineage, *verdicts: str) -> dict[str, float | None]:
    known = answer.merge.parents if answer.merge else ()
    return {Path(p.path).stem: p.weight for p in known if p.verdict in (verdicts or ("sure",))}


def names(items: object) -> set[str]:
    return {Path(item.path).stem for item in items}  # type: ignore[attr-defined]


def about(**weights: float) -> dict[str, object]:
    return {name.lstrip("_"): pytest.approx(w, abs=0.005) for name, w in weights.items()}


def test_a_merge_is_of_its_parents_and_no_parent_of_its_resize(made: Library) -> None:
    answer = ask(made, "M")
    assert parents(answer) == about(_1=0.8, _2=0.5)
    assert names(answer.copies) == {"K2"} and "cut from this" in answer.copies[0].note
    assert "K2" not in names(answer.children)


def test_a_resize_was_cut_from_its_merge_and_has_its_parents_by_way_of_it(made: Library) -> None:
    answer = ask(made, "K2")
    assert answer.merge is not None and Path(answer.merge.via).stem == "M"
    assert parents(answer) == about(_1=0.8, _2=0.5)
    assert "this was cut from it" in answer.copies[0].note
    assert "rank 8 → 5" in answer.copies[0].note


def test_an_original_was_not_made_of_its_merge_and_the_rest(made: Library) -> None:
    for name in ("1", "2"):
        answer = ask(made, name)
        assert answer.merge is None and {"M", "K2"} <= names(answer.children)


def test_a_merge_of_merges_is_told_by_originals(made: Library) -> None:
    assert parents(ask(made, "chain")) == about(_1=0.4, _2=0.25, _7=1.0)
    assert "chain" in names(ask(made, "M").children)


def test_ties_by_its_header_borne_out_by_the_weights(made: Library) -> None:
    answer = ask(made, "T")
    assert set(parents(answer)) == {"1", "2"} and answer.merge is not None
    assert all(p.said_by_file for p in answer.merge.parents)
    assert (
        answer.said_by_file is not None
        and answer.said_by_file.agrees
        and answer.said_by_file.method == "ties"
    )
    assert "T" in names(ask(made, "1").children)


def test_ties_at_another_strength_by_the_header_of_its_copy(made: Library) -> None:
    assert parents(ask(made, "T loud")) == about(_1=1.35, _2=1.05)


def test_ties_without_a_header_cannot_be_told(made: Library) -> None:
    answer = ask(made, "T bare")
    assert parents(answer, "sure", "likely") == {}
    assert answer.merge is not None and answer.merge.verdict == "cannot be told"
    assert set(parents(answer, "cannot be told")) == {"2", "6"}


def test_a_header_that_the_weights_refute(made: Library) -> None:
    answer = ask(made, "forged")
    assert answer.said_by_file is not None and answer.said_by_file.agrees is False
    assert parents(answer) == about(_4=0.8, _5=0.5)


def test_an_absent_parent_is_not_replaced_by_its_sibling(made: Library) -> None:
    answer = ask(made, "absent")
    assert parents(answer, "sure", "likely") == about(_3=0.8)
    assert answer.merge is not None and not answer.merge.complete


def test_a_merge_of_an_absent_parent_may_stand_for_it(made: Library) -> None:
    """stand-in = 1.1 X + 0.6 (20), so 0.7 X - 0.9 (20) is a sum of stand-in and (20) as well."""
    answer = ask(made, "of the absent")
    assert "stand-in" not in parents(answer, "sure", "likely")
    assert parents(answer)["21"] == pytest.approx(0.5, abs=0.005)
    assert answer.merge is not None and answer.merge.verdict == "cannot be told"


def test_what_takes_away_from_a_stand_in_is_no_parent(made: Library) -> None:
    """0.8 X - 0.5 (18) is a sum of stand-in too = 1.1 X - 0.9 cut, of cut and of (18) as well."""
    answer = ask(made, "without")
    assert parents(answer, "sure", "likely").keys() <= {"18"}
    assert answer.merge is not None and answer.merge.verdict == "cannot be told"


def test_no_answer_depends_on_what_was_asked_first(tmp_path: Path) -> None:
    """Of two merges of an absent file either one is the sum of the other and of the rest."""
    write(tmp_path / "loras", {str(i): ink(i) for i in range(6)})
    absent = ink(900)
    one, two = (add([absent, ink(1)], weights) for weights in ([1.1, 0.6], [0.7, 0.8]))
    write(tmp_path / "loras", {"one": one, "two": two})
    library(tmp_path / "library", tmp_path / "loras")
    answers = []
    for order in (("one", "two"), ("two", "one")):
        fresh = Library(tmp_path / "library")
        answers.append({name: ask(fresh, name) for name in order})
    assert answers[0] == answers[1]
    for answer in answers[0].values():
        assert parents(answer, "sure", "likely") == {}
        assert answer.merge is not None and answer.merge.verdict == "cannot be told"


def test_what_was_cut_from_a_copy_at_another_strength_is_no_parent(made: Library) -> None:
    answer = ask(made, "loud")
    assert answer.merge is None and "22" in names(answer.copies)
    assert "loud" not in names(ask(made, "short").children)


def test_small_shares_do_not_make_a_copy(made: Library) -> None:
    answer = ask(made, "tiny")
    assert answer.copies == ()
    assert parents(answer) == about(_10=1.0, _11=0.05, _12=0.03, _13=0.02)
    first = ask(made, "10")
    assert first.copies == () and "tiny" in names(first.children)


def test_four_parents_in_rank_four(made: Library) -> None:
    answer = ask(made, "four")
    assert parents(answer) == about(_14=0.7, _15=0.6, _16=0.5, _17=0.6)
    assert answer.merge is not None and answer.merge.complete and answer.merge.cut > 0.3
    for p in answer.merge.parents:
        assert p.low <= FOUR[int(Path(p.path).stem)] <= p.high


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"lorarium.method": "sum", "lorarium.inputs": "[" * 5000},
        {"lorarium.method": "sum", "lorarium.inputs": "{}"},
        {"lorarium.method": "sum", "lorarium.inputs": json.dumps(["ab" * 16] * 1000)},
        {"lorarium.method": "sum", "lorarium.inputs": json.dumps(["../x"])},
        {"lorarium.method": "\x1b[31m", "lorarium.inputs": json.dumps(["ab" * 16])},
    ],
)
def test_headers_that_say_nothing(header: dict[str, str]) -> None:
    assert statement(header) is None


def test_a_header_with_weights_that_are_none() -> None:
    header = {"lorarium.method": "sum", "lorarium.inputs": json.dumps(["ab" * 16, "cd" * 16])}
    for weights in ("[1, NaN]", '["1", 2]', "[1]", "7"):
        claim = statement(header | {"lorarium.options": f'{{"weights": {weights}}}'})
        assert claim is not None and claim.weights == ()
