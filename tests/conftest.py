"""What many tests share: how hypothesis runs here, the corpus of hostile files, and that nothing
depends on what has been learned or adopted so far."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from lorarium.descriptors import learned
from tests.hostile import CORPUS


@pytest.fixture(scope="session", autouse=True)
def nothing_learned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(learned, "ASSET", tmp_path_factory.mktemp("learned") / "none")
        patch.setenv("LORARIUM_BASES", str(tmp_path_factory.mktemp("bases")))
        yield


@pytest.fixture(params=sorted(CORPUS))
def hostile(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Each file of the hostile corpus in turn."""
    return CORPUS[request.param](tmp_path)


settings.register_profile(
    "house", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=100
)
settings.load_profile("house")
