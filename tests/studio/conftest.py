"""One collection and one server for all tests that change nothing of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the extra studio is not installed")
pytest.importorskip("uvicorn", reason="the extra studio is not installed")

from lorarium.descriptors import learned
from lorarium.library import Library
from lorarium.library.example_folder import write_example_folder
from lorarium.trained import asset
from tests.studio.browser import launched
from tests.studio.served import Served, fill, served


@pytest.fixture(scope="session")
def collection(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The folder and its library."""
    home = tmp_path_factory.mktemp("studio") / "loras"
    fill(home)
    library = home.parent / "library"
    Library(library).index([home], workers=0)
    return home, library


@pytest.fixture(scope="session")
def studio(collection: tuple[Path, Path]) -> Iterator[Served]:
    home, library = collection
    with served(library, [home]) as one:
        yield one


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with launched() as one:
        yield one


@pytest.fixture(scope="module")  # what it patches must not outlive the file of tests
def examples(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """What `lorarium examples` writes, served."""
    home = tmp_path_factory.mktemp("page") / "examples"
    write_example_folder(home)
    library = home.parent / "library"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(learned, "ASSET", asset("describe"))  # pictures are searched by what ships
        Library(library).index([home], workers=0)
        with served(library, [home]) as one:
            yield one
