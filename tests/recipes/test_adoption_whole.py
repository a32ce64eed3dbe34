"""An adoption from its first look to its page, on a tiny base and with small numbers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from lorarium import trained
from lorarium.adopted import AdoptedBase, borrowed
from lorarium.bases.holding import BaseToOpen
from lorarium.cli import cli
from lorarium.descriptors import learned
from lorarium.errors import LorariumError, TimeIsOver
from lorarium.formats import read
from lorarium.mergers import merge
from lorarium.recipes.adoption import adopt as adoption
from lorarium.recipes.adoption.stages import STAGES
from lorarium.synthesis.store import load_synth
from tests.bases.tiny import first_micro, save_micro
from tests.recipes.tiny_adoption import shrink
from tests.training.own import own_folder

# a base of random numbers draws one picture for all: what is measured of it has no spread
pytestmark = pytest.mark.filterwarnings("default")
MADE = [
    "activations", "describe", "forecast", "forecast-drafts", "lora_rar", "roles", "synth",
]  # fmt: skip


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("base") / "tiny.safetensors"
    save_micro(first_micro().model, path)
    return path


@pytest.fixture(scope="module")
def adopted(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AdoptedBase]:
    """In two calls, the first of which has no time at all; with pictures of one's own."""
    own = own_folder(tmp_path_factory.mktemp("own"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LORARIUM_BASES", str(tmp_path_factory.mktemp("bases")))
        patch.setattr(learned, "ASSET", trained.asset("describe"))  # other tests do without it
        shrink(patch)
        begun = adoption.begin(BaseToOpen(base))
        with pytest.raises(TimeIsOver, match="0 of 10 stages are done"):
            adoption.adopt(begun, share=0.02, minutes=0, pictures=own)
        yield adoption.adopt(begun)


@pytest.mark.slow
def test_everything_that_ships_is_made_for_another_base(adopted: AdoptedBase) -> None:
    assert set(MADE) - {"lora_rar"} <= set(adopted.files()) <= set(MADE)  # that must beat the sum
    assert list(adopted.card["done"]) == [stage.name for stage in STAGES]
    for name in adopted.files():
        beside = adopted.folder / f"{name}.json"
        card = json.loads(beside.read_text()) if beside.exists() else {}
        assert card.get("base_hash", adopted.base_hash) == adopted.base_hash
    assert len(list((adopted.folder / "runs" / "zoo").glob("own-*.safetensors"))) == 6
    text = (adopted.folder / "adopted.html").read_text()
    assert "merges by roles: not worth using" in text  # such a base draws nothing
    assert "roles, carried over" in text and text.count("data:image/png") == 2


@pytest.mark.slow
def test_commands_find_an_adopted_base(adopted: AdoptedBase) -> None:
    zoo = adopted.folder / "runs" / "merge" / "zoo"
    subject = next(zoo.glob("subject-*.safetensors"))
    style = next(zoo.glob("style-*.safetensors"))
    pair = [read(subject), read(style)]
    merged = merge(pair, method="roles")
    assert json.loads(merged.metadata["lorarium.options"])["network"]
    assert merge(pair, method="auto")
    assert load_synth(base=first_micro()).card["base_hash"] == adopted.base_hash
    listed = json.loads(CliRunner().invoke(cli, ["bases", "--json"]).output)
    named = CliRunner().invoke(cli, ["bases", adopted.name]).output
    assert adopted.name in named and "adopted.html" in named
    assert [one["files"] for one in listed["bases"]] == [adopted.files()]


@pytest.mark.slow
def test_a_network_is_borrowed_with_a_word_of_it(adopted: AdoptedBase) -> None:
    zoo = adopted.folder / "runs" / "merge" / "zoo"
    pair = [read(next(zoo.glob(f"{kind}-*"))) for kind in ("subject", "style")]
    strangers = [a.with_(metadata={**a.metadata, "lorarium.base_hash": "f" * 64}) for a in pair]
    with pytest.raises(LorariumError, match="trained on base ffffffffffff"):
        merge(strangers, method="roles")
    with borrowed(adopted.name):
        carried = merge(strangers, method="roles")
    assert len(carried) == len(merge(strangers, method="sum"))


@pytest.mark.slow
def test_an_adoption_that_is_done_is_gone_on_with_at_once(base: Path, adopted: AdoptedBase) -> None:
    before = (adopted.folder / "roles.safetensors").read_bytes()
    begun = adoption.begin(BaseToOpen(base))
    assert adoption.adopt(begun, minutes=0).files() == adopted.files()
    assert (adopted.folder / "roles.safetensors").read_bytes() == before
    with pytest.raises(LorariumError, match="began with other pictures"):
        adoption.adopt(begun, pictures=base.parent)
    with pytest.raises(LorariumError, match="no stage of this adoption"):
        adoption.adopt(begun, stage="dream")


@pytest.mark.slow
def test_a_base_is_removed_when_that_is_said_twice(adopted: AdoptedBase) -> None:
    """The last of all, since it deletes what the others look at."""
    once = CliRunner().invoke(cli, ["bases", adopted.name, "--remove"])
    assert isinstance(once.exception, LorariumError) and "that deletes" in str(once.exception)
    assert adopted.folder.exists()
    again = CliRunner().invoke(cli, ["bases", adopted.name, "--remove", "--force", "--json"])
    assert json.loads(again.output)["removed"] == str(adopted.folder)
    assert not adopted.folder.exists()
