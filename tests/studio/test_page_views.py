"""Every view of the studio: nothing in anybody's way, on phones too; no script of strangers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lorarium.library import Library
from tests.studio.browser import opened
from tests.studio.pages import LONG, READY, address, go, keep, select, settle, stands, until
from tests.studio.served import HOSTILE_NAME, Served, fill, served

pytestmark = [pytest.mark.web, pytest.mark.slow]

THEMES = ("light", "dark")
VIEWS = tuple(READY)


def check_axe(page: Any) -> None:
    """Nothing serious or critical."""
    axe = pytest.importorskip("axe_playwright_python", reason="axe is not installed (dev)")
    settle(page)
    page.evaluate(Path(axe.__file__).with_name("axe.min.js").read_text("utf-8"))
    seen = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    serious = [
        f"{v['id']}: {[n['target'] for n in v['nodes']][:4]}"
        for v in seen["violations"]
        if v["impact"] in ("serious", "critical")
    ]
    assert serious == []


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("view", VIEWS)
def test_nothing_serious_stands_in_anybodys_way(
    browser: Any, examples: Served, view: str, theme: str
) -> None:
    key = examples.key("both") if view == "card" else ""
    with opened(browser, address(examples, view, key), color_scheme=theme) as page:
        stands(page, view)
        if view == "bench":
            for name in ("cat-0-S0-2", "ink-0-R0-2"):
                page.locator(".strip-card", has_text=name).click()
                page.wait_for_selector(f".slot:has-text('{name}')")
            page.wait_for_selector(".sentences")
        if view == "tidy":
            page.get_by_role("button", name="Look for what to tidy").click()
            page.wait_for_selector(".plan li", timeout=LONG)
            if theme == "light":
                keep(page, "tidy")
            page.locator("summary").click()
        if view == "card":
            page.locator("summary").click()
        check_axe(page)


@pytest.mark.parametrize("theme", THEMES)
def test_nothing_serious_in_what_opens_over_a_view(
    browser: Any, examples: Served, theme: str
) -> None:
    with opened(browser, address(examples, "shelf"), color_scheme=theme) as page:
        stands(page, "shelf")
        page.keyboard.press("?")
        page.wait_for_selector("dialog[open] .keys")
        check_axe(page)
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Jobs").click()
        page.wait_for_selector("#jobs h2")
        check_axe(page)
        page.keyboard.press("Escape")
        page.fill("#search", "watercolor")
        page.wait_for_selector(".why")
        check_axe(page)
        page.fill("#search", "")
        until(page, "document.querySelectorAll('.tile').length > 5")
        select(page, examples, "cat")
        page.get_by_role("button", name="Convert, resize…").click()
        page.wait_for_selector("dialog[open] #batch")
        for name in ("Convert", "Resize", "Metadata"):
            page.get_by_label(name, exact=True).check()
            check_axe(page)


@pytest.mark.parametrize("theme", THEMES)
def test_the_first_visit_explains_itself(browser: Any, tmp_path: Path, theme: str) -> None:
    with (
        served(tmp_path / "library", []) as studio,
        opened(browser, f"{studio.address}/", color_scheme=theme) as page,
    ):
        page.wait_for_selector("h1:has-text('See your LoRAs')")
        check_axe(page)
        if theme == "light":
            page.get_by_role("button", name="Try it with sample files").click()
            page.wait_for_selector(".tile", timeout=LONG)
            assert len(studio.rows()) >= 15


@pytest.mark.parametrize("width, height", [(390, 780), (680, 430)])
def test_a_phone_and_twice_the_size(
    browser: Any, examples: Served, width: int, height: int
) -> None:
    """680 x 430 is a window of 1360 x 860 at 200%."""
    viewport = {"width": width, "height": height}
    with opened(browser, address(examples, "shelf"), viewport=viewport) as page:
        for view in VIEWS:
            go(page, examples, view, examples.key("both") if view == "card" else "")
            settle(page)
            over = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert over <= 0, view
            wide = page.eval_on_selector("#view", "view => view.scrollWidth - view.clientWidth")
            assert wide <= 0, view


def test_script_of_strangers_does_not_run(browser: Any, studio: Served) -> None:
    key = studio.key(HOSTILE_NAME)
    with opened(browser, address(studio, "shelf")) as page:
        stands(page, "shelf")
        assert HOSTILE_NAME in page.locator(f".tile[data-key='{key}'] .tile-name").inner_text()
        for view in ("map", "bench", "card"):
            go(page, studio, view, key if view == "card" else "")
            settle(page)
        page.locator("summary").click()
        page.get_by_text("ss_training_comment").wait_for()
        assert page.evaluate("window.pwned") is None
        assert page.locator("img[src='x'], img[onerror]").count() == 0


def test_the_policy_stops_what_slips_through(browser: Any, studio: Served) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(address(studio, "shelf"))
    stands(page, "shelf")
    # the picture fails and the frame loads, and neither runs what stands in it
    page.evaluate(
        """async () => {
            const box = document.createElement('div');
            document.body.append(box);
            const seen = new Promise(done => box.addEventListener('error', done, true));
            box.innerHTML = "<img src=x onerror='window.pwned=1'>"
                + "<iframe srcdoc='<script>top.pwned=1</script>'></iframe>";
            await seen;
            const frame = box.querySelector('iframe');
            await new Promise(done => {
                frame.addEventListener('load', done);
                if (frame.contentDocument?.readyState === 'complete') done();
            });
        }"""
    )
    assert page.evaluate("window.pwned") is None
    context.close()


def test_tidy_with_conversions_and_names_and_undo(browser: Any, tmp_path: Path) -> None:
    home = tmp_path / "loras"
    fill(home)
    Library(tmp_path / "library").index([home], workers=0)
    before = {p: p.read_bytes() for p in home.rglob("*") if p.is_file()}
    with (
        served(tmp_path / "library", [home]) as studio,
        opened(browser, address(studio, "tidy")) as page,
    ):
        stands(page, "tidy")
        page.locator("summary").click()
        page.fill("#tidy-pattern", "{title} by {family}")
        page.get_by_role("button", name="Look for what to tidy").click()
        page.wait_for_selector(".plan li:has-text('→ ink wash by micro-1')", timeout=LONG)
        assert "cat copy" in page.locator(".plan").first.inner_text()
        page.get_by_role("button", name="away").first.click()
        page.wait_for_selector("dialog[open]")
        assert {p: p.read_bytes() for p in home.rglob("*") if p.is_file()} == before  # asks first
        page.get_by_role("button", name="Tidy them away").click()
        page.wait_for_selector(".note.good", timeout=LONG)
        page.get_by_role("button", name="Put back").wait_for(timeout=LONG)
        assert not (home / "cat copy.safetensors").exists()
        assert (home / "styles" / "ink wash by micro-1.safetensors").is_file()
        page.get_by_role("button", name="Put back").click()
        page.wait_for_selector(".note.good:has-text('put back')", timeout=LONG)
    assert {p: p.read_bytes() for p in home.rglob("*") if p.is_file()} == before
