"""Published files through the library: indexed, searched, compared, mapped."""

from __future__ import annotations

from pathlib import Path

import pytest

from lorarium import formats
from lorarium.algebra import add
from lorarium.errors import LorariumError
from lorarium.library import Library
from tests.real.test_inspect_real import LORAS

pytestmark = pytest.mark.skipif(not LORAS.is_dir(), reason="no real files at hand")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Library:
    library = Library(tmp_path_factory.mktemp("real") / "library")
    report = library.index([LORAS], workers=0)
    assert report.new == 7 and [Path(path).name[:7] for path, _ in report.bad] == ["Mathieu"]
    return library


def test_every_lora_can_be_searched_for(made: Library) -> None:
    for path in sorted(LORAS.glob("*.safetensors")):
        if path.name.startswith("Mathieu"):
            with pytest.raises(LorariumError, match="Segment Anything"):
                made.search(path)
        else:
            answer = made.search(path, relate=True)
            assert answer.family == "sd1" and len(answer.matches) == 5
            assert str(path) not in {p for match in answer.matches for p in match.paths}


def test_no_two_are_the_same(made: Library) -> None:
    assert made.duplicates() == []


def test_copies_and_merges_of_them_are_found(made: Library, tmp_path: Path) -> None:
    [disney] = LORAS.glob("*lora_disney*")
    [cats] = LORAS.glob("catundchat*")
    [analog] = LORAS.glob("*analog_svd*")
    one, two, three = (formats.read(path) for path in (disney, cats, analog))
    formats.write(one, tmp_path / "copy.safetensors", "kohya")
    formats.write(add([two, three], [0.6, 1.5]), tmp_path / "merge.safetensors", "kohya")
    copies = made.lineage(tmp_path / "copy.safetensors").copies
    assert [Path(c.path).name for c in copies] == [disney.name]
    merge = made.lineage(tmp_path / "merge.safetensors").merge
    assert merge is not None and merge.complete
    weights = {Path(p.path).name: p.weight for p in merge.parents}
    assert weights == {
        cats.name: pytest.approx(0.6, abs=0.02),
        analog.name: pytest.approx(1.5, abs=0.02),
    }


def test_a_map_of_them(made: Library, tmp_path: Path) -> None:
    assert made.map(tmp_path / "map.html").points == 6
    assert made.clusters() == []
