"""What many tests share: how hypothesis runs here, and the corpus of hostile files."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.hostile import CORPUS


@pytest.fixture(params=sorted(CORPUS))
def hostile(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Each file of the hostile corpus in turn."""
    return CORPUS[request.param](tmp_path)


settings.register_profile(
    "house", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=100
)
settings.load_profile("house")
