"""Every command and every Python block of every page runs, in the folder that the pages assume."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from lorarium.descriptors import learned
from lorarium.library.example_folder import write_example_folder
from lorarium.mergers.registry import METHODS
from tests.docs_blocks import PAGES, Block, blocks, check_only, run_python, run_shell

SHIPPED = learned.ASSET
LANGUAGES = {"sh", "python", "text", "toml", "json"}
RUN = [page for page in PAGES if any(b.language in ("sh", "python") for b in blocks(page))]
CORE = {"convert.md", "inspect.md", "install.md", "resize.md", "formats.md", "extend.md"}


@pytest.fixture(scope="session")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("PIL")
    folder = tmp_path_factory.mktemp("examples")
    write_example_folder(folder)
    return folder


@pytest.fixture
def here(examples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "here"
    shutil.copytree(examples, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("LORARIUM_LIBRARY", str(tmp_path / "library"))
    monkeypatch.setattr(learned, "ASSET", SHIPPED)
    known = set(METHODS)
    yield folder
    for declared in METHODS.keys() - known:  # by a page that shows how
        del METHODS[declared]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_fence_says_what_it_is(page: Path) -> None:
    assert [b.place for b in blocks(page) if b.language not in LANGUAGES] == []
    assert page.read_text("utf-8").count("\n```") == 2 * len(blocks(page))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("from lorarium import resise", "resise"),
        ("from lorarium.formats import read\nread(path, dialekt='kohya')", "dialekt"),
        ("import lorarium as lo\nlo.forecasts_of([a, b])", "forecasts_of"),
        ("from lorarium.formats import read\nread(path, 1, 2, 3, 4, 5, 6, 7)", "too many"),
    ],
)
def test_a_block_that_is_not_run_is_still_checked(text: str, words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        check_only(Block("page.md", 1, "python", text, "takes hours", ()))


@pytest.mark.parametrize("page", RUN, ids=lambda page: page.name)
def test_the_blocks_of_a_page_run(page: Path, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if page.name not in CORE:
        for package in ("torch", "lancedb", "sklearn"):
            if find_spec(package) is None:  # not imported: many pages need them on paper only
                pytest.skip(f"needs {package}")
    if page.name == "README.md" or page.name == "install.md":  # these begin in an empty folder
        shutil.rmtree(here)
        here.mkdir()
        monkeypatch.chdir(here)
    names: dict[str, object] = {"__name__": "page"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # as the command line has it
        for block in blocks(page):
            if block.language not in ("sh", "python"):
                continue
            if block.why_not:
                check_only(block)
            elif block.language == "sh":
                run_shell(block, monkeypatch)
            else:
                run_python(block, names)
