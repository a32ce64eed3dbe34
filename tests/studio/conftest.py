"""One collection and one server for all tests that change nothing of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the extra studio is not installed")
pytest.importorskip("uvicorn", reason="the extra studio is not installed")

from lorarium.library import Library
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
