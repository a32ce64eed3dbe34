"""Where the trained files of any base lie."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lorarium import trained
from lorarium.adopted import (
    AdoptedBase,
    adopted_bases,
    borrowed,
    files_of,
    find_base,
    folder_of,
    read_base,
    remove_base,
    trained_file,
    write_base,
)
from lorarium.errors import LorariumError

ROLES = trained.asset("roles")
ONE, OTHER = "a" * 64, "b" * 64


@pytest.fixture(autouse=True)
def bases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LORARIUM_BASES", str(tmp_path / "bases"))
    return tmp_path / "bases"


def adopted(name: str, base_hash: str, family: str = "sdxl", *files: str) -> AdoptedBase:
    folder = folder_of(name, base_hash)
    for file in files or ("roles",):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{file}.safetensors").write_bytes(b"made")
    card = {"name": name, "family": family, "base_hash": base_hash, "where": "there", "size": 64}
    return write_base(folder, card)


def test_a_file_is_looked_for_by_the_hash_of_its_base() -> None:
    one, other = adopted("one", ONE), adopted("other", OTHER)
    assert trained_file(ROLES, "sdxl", [ONE]) == one.file("roles")
    assert trained_file(ROLES, "sdxl", [OTHER, OTHER]) == other.file("roles")
    assert trained_file(ROLES, "sdxl", ["c" * 64]) is None
    assert trained_file(ROLES, "sdxl", [ONE, OTHER]) is None  # two bases have no merger in common
    assert trained_file(trained.asset("synth"), "sdxl", [ONE]) is None  # was not made


def test_adapters_that_do_not_say_take_the_one_base_of_their_family() -> None:
    assert trained_file(ROLES, "sdxl", [None]) is None
    one = adopted("one", ONE)
    adopted("small", "d" * 64, "sd1")
    assert trained_file(ROLES, "sdxl", [None, None]) == one.file("roles")
    adopted("other", OTHER)
    with pytest.raises(LorariumError, match=r"2 adopted bases are of the family sdxl.*one, other"):
        trained_file(ROLES, "sdxl", [None])


def test_what_ships_is_the_embedded_bases() -> None:
    assert trained_file(ROLES, "micro-1", [None]) == ROLES
    assert trained_file(ROLES, "micro-1", [ONE]) == ROLES  # whose files refuse another base
    own = adopted("mine", ONE, "micro-1")
    assert trained_file(ROLES, "micro-1", [ONE]) == own.file("roles")


def test_files_are_borrowed_only_where_that_is_asked_for(tmp_path: Path) -> None:
    one = adopted("one", ONE)
    with borrowed("one") as base:
        assert base is not None and base.base_hash == ONE
        assert trained_file(ROLES, "sd1", [OTHER]) == one.file("roles")
    assert trained_file(ROLES, "sd1", [OTHER]) is None
    with borrowed(None):
        assert trained_file(ROLES, "sd1", [OTHER]) is None
    with files_of(tmp_path):
        assert trained_file(ROLES, "sdxl", [ONE]) is None
    with pytest.raises(LorariumError, match=r"no adopted base is called .onne..*did you mean"):
        with borrowed("onne"):
            pass


def test_bases_are_called_by_name_folder_or_hash(bases: Path) -> None:
    one = adopted("one", ONE)
    adopted("two", OTHER)
    for name in ("one", one.folder.name, ONE[:8], str(one.folder)):
        assert find_base(name).folder == one.folder
    adopted("one", "e" * 64)
    with pytest.raises(LorariumError, match="2 adopted bases are called 'one'"):
        find_base("one")
    assert [base.name for base in adopted_bases()] == ["one", "one", "two"]
    remove_base(find_base(ONE[:8]))
    assert [base.name for base in adopted_bases()] == ["one", "two"]


@pytest.mark.parametrize(
    "card", ["", "[]", "{}", '{"format": "lorarium-base/1"}', "[" * 100_000, '{"format": 3}']
)
def test_a_strangers_card_is_passed_over(card: str, bases: Path) -> None:
    one = adopted("one", ONE)
    stranger = bases / "stranger"
    stranger.mkdir()
    (stranger / "base.json").write_text(card)
    assert [base.folder for base in adopted_bases()] == [one.folder]
    with pytest.raises(LorariumError, match="not the card of an adopted base"):
        read_base(stranger)


def test_a_field_of_another_type_is_no_card(bases: Path) -> None:
    one = adopted("one", ONE)
    (one.folder / "base.json").write_text(json.dumps({**one.card, "size": "large"}))
    assert adopted_bases() == []
