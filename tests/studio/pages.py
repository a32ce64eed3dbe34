"""What the browser tests share: when views stand, waits on state, pictures for the docs."""

from __future__ import annotations

import base64
import os
import time
from pathlib import Path
from typing import Any

from tests.studio.served import Served

PICTURES = Path(__file__).parents[2] / "docs" / "pictures" / "studio"
LONG = 300_000  # milliseconds for what trains, draws or indexes; the machine may be busy

# view -> what stands in it once all that it asks for has come
READY = {
    "shelf": ".rail .facet",
    "card": ".relatives h3, .relatives .small-text",
    "map": ".map canvas[data-frame]",
    "bench": ".strip-card",
    "tidy": "#tidy-program option:nth-child(2)",
    "darkroom": ".zone",
    "api": ".spec details",
}
DROP = """async ([text, name]) => {
    const bytes = Uint8Array.from(atob(text), c => c.charCodeAt(0));
    const carried = new DataTransfer();
    carried.items.add(new File([bytes], name));
    document.querySelector('.search').dispatchEvent(
        new DragEvent('drop', {dataTransfer: carried, bubbles: true, cancelable: true}));
}"""
# every picture in sight has come, and no view says that it is busy
SETTLED = """!document.querySelector('#view [aria-busy]')
    && [...document.querySelectorAll('#view img')].every(i => {
        const box = i.getBoundingClientRect();
        return box.bottom < 0 || box.top > innerHeight || box.right < 0 || box.left > innerWidth
            || (i.complete && i.naturalWidth > 0);
    })"""


def address(studio: Served, view: str, key: str = "") -> str:
    return f"{studio.address}/#/{view}" + (f"/{key}" if key else "")


def go(page: Any, studio: Served, view: str, key: str = "") -> None:
    """Another view of the page that is open, once it stands."""
    page.goto(address(studio, view, key))
    stands(page, view)


def stands(page: Any, view: str) -> None:
    page.wait_for_selector(f".view-{view}")
    # on a phone some of it lies behind a button
    page.wait_for_selector(READY[view], state="attached", timeout=LONG)


def settle(page: Any) -> None:
    until(page, SETTLED)


def keep(page: Any, name: str) -> None:
    """A picture for the docs, when they are wanted: LORARIUM_PICTURES=1 writes them."""
    if os.environ.get("LORARIUM_PICTURES"):
        settle(page)
        page.mouse.move(0, 0)
        until(page, "!document.querySelector('.toast')")
        PICTURES.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=PICTURES / f"{name}.jpg", type="jpeg", quality=60)


def until(page: Any, script: str, seconds: float = 120) -> None:
    """Wait for a script to be true; the page's policy forbids what playwright has for that."""
    ends = time.monotonic() + seconds
    while not page.evaluate(script):
        assert time.monotonic() < ends, script
        page.wait_for_timeout(50)


def names(page: Any) -> list[str]:
    return list(page.locator(".tile .tile-name").all_inner_texts())


def total(page: Any) -> str:
    return str(page.locator(".bar strong").inner_text())


def drop(page: Any, path: Path, name: str) -> None:
    """Let a file fall on the search box."""
    page.evaluate(DROP, [base64.b64encode(path.read_bytes()).decode(), name])
    page.wait_for_selector(f".chip:has-text('{name}')")


def select(page: Any, studio: Served, *names: str) -> None:
    """Select cards on the shelf by their names."""
    for name in names:
        key = studio.key(name)
        page.locator(f".tile[data-key='{key}'] .pick").check(force=True)
    page.wait_for_selector(f".tray strong:has-text('{len(names)} file')")
