"""A hub and a server of this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.remote.server import Server, hub, serving


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "served"
    made.mkdir()
    return made


@pytest.fixture
def server(folder: Path) -> Iterator[Server]:
    with serving(folder) as made:
        yield made


@pytest.fixture
def at_hub(server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    """The server is the hub, as if `HF_ENDPOINT` had named it before the start."""
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "ENDPOINT", server.url)
    template = server.url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    server.before = hub(folder)
    return server
