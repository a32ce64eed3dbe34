"""Headless Chromium, Debian's or another that is here, without a GPU: pages are drawn by the CPU,
and WebGL by SwiftShader."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
# Debian turns drawing by a GPU on; where there is none, SwiftShader does it at seven times the cost
FLAGS = ("--disable-gpu-rasterization", "--disable-gpu-compositing", "--use-angle=swiftshader",
         "--enable-unsafe-swiftshader", "--no-sandbox")  # fmt: skip
MISSING = "no Chromium: the studio's browser tests are SKIPPED (apt-get install chromium)"
PATIENCE = 90_000  # milliseconds; the machine may be busy


def chromium() -> str:
    """Where it is; skips the test without."""
    pytest.importorskip("playwright", reason="playwright is not installed (the extra dev)")
    named = os.environ.get("LORARIUM_CHROMIUM")
    found_at = named or next((path for name in NAMES if (path := shutil.which(name))), None)
    if not found_at:
        pytest.skip(MISSING)
    return found_at


@contextmanager
def launched() -> Iterator[Any]:
    path = chromium()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


def is_fault(message: Any) -> bool:
    """Chromium says of every refusal that it was one; the page says it to people."""
    return message.type == "error" and "status of 4" not in message.text


@contextmanager
def opened(browser: Any, address: str, **options: Any) -> Iterator[Any]:
    """A page of its own; a console error, a script error or a request elsewhere fails the test."""
    context = browser.new_context(**{"viewport": {"width": 1360, "height": 860}, **options})
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda m: faults.append(m.text) if is_fault(m) else None)
    page.on("dialog", lambda dialog: faults.append(f"a dialog: {dialog.message}"))
    own = address.split("/#")[0].rstrip("/")
    page.on(
        "request",
        lambda r: (
            None if r.url.startswith((own, "blob:" + own)) else faults.append(f"asks {r.url}")
        ),
    )
    page.goto(address)
    yield page
    context.close()
    assert faults == []
