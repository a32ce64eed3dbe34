"""The studio as a person uses it, in headless Chromium; its pictures are those of the docs."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lorarium.descriptors import learned
from lorarium.library import Library
from lorarium.library.example_folder import write_example_folder
from lorarium.trained import asset
from tests.studio.browser import launched, opened
from tests.studio.served import HOSTILE_NAME, Served, fill, served

pytestmark = [pytest.mark.web, pytest.mark.slow]

PICTURES = Path(__file__).parents[2] / "docs" / "pictures" / "studio"
VIEWS = ("shelf", "card", "map", "bench", "tidy", "darkroom")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with launched() as one:
        yield one


@pytest.fixture(scope="module")
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


def keep(page: Any, name: str) -> None:
    """A picture for the docs, when they are wanted: LORARIUM_PICTURES=1 writes them."""
    if os.environ.get("LORARIUM_PICTURES"):
        PICTURES.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=PICTURES / f"{name}.jpg", type="jpeg", quality=60)


def until(page: Any, script: str, seconds: float = 90) -> None:
    """Wait for a script to be true; the page's policy forbids what playwright has for that."""
    ends = time.monotonic() + seconds
    while not page.evaluate(script):
        assert time.monotonic() < ends, script
        page.wait_for_timeout(100)


def names(page: Any) -> list[str]:
    return list(page.locator(".tile .tile-name").all_inner_texts())


def test_search_and_filter(browser: Any, examples: Served) -> None:
    with opened(browser, f"{examples.address}/#/shelf") as page:
        page.wait_for_selector(".tile")
        assert page.locator(".bar strong").inner_text() == f"{len(examples.rows())} files"
        page.keyboard.press("/")
        page.keyboard.type("watercolor")  # it is spelled otherwise in the files
        until(page, "document.querySelector('.bar strong').innerText.includes(' of ')")
        page.wait_for_selector(".why")
        assert names(page)[0].startswith("watercolour")
        page.fill("#search", "")
        until(page, "!document.querySelector('.bar strong').innerText.includes(' of ')")
        page.locator(".facet", has_text="sd1").locator("input").check()
        until(page, "document.querySelectorAll('.tile').length === 1")
        assert names(page) == ["rain"]
        page.get_by_role("button", name="Clear filters").click()
        until(page, "document.querySelectorAll('.tile').length > 5")
        keep(page, "shelf")


def test_search_by_a_file_that_is_dropped(browser: Any, examples: Served) -> None:
    data = (examples.home / "cat.safetensors").read_bytes()
    drop = """async ([text, name]) => {
        const bytes = Uint8Array.from(atob(text), c => c.charCodeAt(0));
        const carried = new DataTransfer();
        carried.items.add(new File([bytes], name));
        document.querySelector('.search').dispatchEvent(
            new DragEvent('drop', {dataTransfer: carried, bubbles: true, cancelable: true}));
    }"""
    import base64

    with opened(browser, f"{examples.address}/#/shelf") as page:
        page.wait_for_selector(".tile")
        page.evaluate(drop, [base64.b64encode(data).decode(), "mine.safetensors"])
        page.wait_for_selector(".chip")
        page.wait_for_selector(".why")
        assert names(page)[0].startswith("cat")
        picture = next((examples.home / "drawings").glob("*.png")).read_bytes()
        page.locator(".chip").click()
        page.evaluate(drop, [base64.b64encode(picture).decode(), "drawing.png"])
        page.wait_for_selector(".chip:has-text('drawing.png')")
        page.wait_for_selector(".why:has-text('alike')")
        assert page.locator(".chip").count() == 1


def test_keys_select_and_open(browser: Any, examples: Served) -> None:
    with opened(browser, f"{examples.address}/#/shelf") as page:
        page.wait_for_selector(".tile")
        page.locator(".tile-link").first.focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.press(" ")
        page.keyboard.press("ArrowRight")
        page.keyboard.press(" ")
        assert page.locator(".tray strong").inner_text() == "2 files selected"
        page.keyboard.press("Enter")
        page.wait_for_selector(".card-head h1")
        page.wait_for_selector(".relatives h3, .relatives .muted:not(:text('Asking'))")
        page.keyboard.press("3")
        page.wait_for_selector(".bench")


def test_a_card_says_where_a_merge_comes_from(browser: Any, examples: Served) -> None:
    with opened(browser, f"{examples.address}/#/card/{examples.key('both')}") as page:
        page.wait_for_selector(".lineage-drawing")
        made_of = page.locator(".lineage").inner_text()
        assert "× 0.80" in made_of and "× 1.00" in made_of and "sure" in made_of
        page.fill("#note", "good at <b>0.7</b>")
        page.fill("#own-tags", "favourite, <i>mine</i>")
        page.get_by_role("button", name="Keep").click()
        page.wait_for_selector(".toast:has-text('Kept')")
        page.evaluate("document.querySelector('#view').scrollTo(0, 0)")
        keep(page, "card")
        page.reload()
        page.wait_for_selector("#note")
        assert page.input_value("#note") == "good at <b>0.7</b>"
    notes = examples.get("/api/notes")["notes"]
    assert [entry["tags"] for entry in notes.values()] == [["favourite", "<i>mine</i>"]]


def test_merge_forecast_render_and_save(browser: Any, examples: Served) -> None:
    with opened(browser, f"{examples.address}/#/bench") as page:
        page.wait_for_selector(".strip-card")
        page.locator(".strip-card", has_text="cat-0-S0-2").drag_to(page.locator(".slots"))
        page.wait_for_selector(".slot:not(.free)")
        page.locator(".strip-card", has_text="ink-0-R0-2").click()
        page.wait_for_selector(".sentences")
        assert "survives" in page.locator(".forecast-columns").first.inner_text()
        page.locator(".slot input[type=range]").nth(1).fill("-0.5")
        assert page.locator(".slot input[type=number]").nth(1).input_value() == "-0.5"
        page.locator(".slot input[type=number]").nth(1).fill("0.8")
        page.fill("#bench-prompt", "a cat in sty1")
        page.fill("#amount", "2")
        page.get_by_role("button", name="Draw", exact=True).click()
        page.wait_for_selector(".drawn img", timeout=240_000)
        until(page, "[...document.querySelectorAll('.drawn img')].every(i => i.naturalWidth)")
        assert page.locator(".drawn img").count() == 8  # merge, each alone, the base; two seeds
        page.evaluate("document.querySelector('.drawn').scrollIntoView({block: 'end'})")
        keep(page, "bench")
        page.fill("#out-name", "cat in ink")
        page.select_option("#target", value="diffusers")
        page.get_by_role("button", name="Save the merge").click()
        page.wait_for_selector(".note.good:has-text('cat in ink.safetensors is written')")
        assert (examples.home / "cat in ink.safetensors").is_file()
        page.get_by_role("button", name="Save the merge").click()  # without a name nothing happens
        page.fill("#out-name", "cat in ink")
        page.get_by_role("button", name="Save the merge").click()
        page.wait_for_selector(".toast.error:has-text('is there already')")
        page.goto(f"{examples.address}/#/shelf")
        page.wait_for_selector(".tile:has-text('cat in ink')", timeout=120_000)  # it was indexed
    import lorarium as lo

    assert lo.inspect(examples.home / "cat in ink.safetensors").dialect == "diffusers"


def test_the_map_is_drawn_pointed_at_and_lassoed(browser: Any, examples: Served) -> None:
    with opened(browser, f"{examples.address}/#/map") as page:
        page.wait_for_selector(".map canvas")
        until(page, "document.querySelector('.map canvas').dataset.frame")
        canvas = page.locator(".map canvas").first
        box = canvas.bounding_box()
        page.keyboard.down("Shift")
        page.mouse.move(box["x"] + 5, box["y"] + 5)
        page.mouse.down()
        for x, y in ((0.8, 0.01), (0.8, 0.99), (0.01, 0.99)):
            page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=4)
        page.mouse.up()
        page.keyboard.up("Shift")
        page.wait_for_selector(".tray strong")
        chosen = int(page.locator(".tray strong").inner_text().split()[0])
        assert chosen >= 10
        keep(page, "map")
        page.get_by_role("button", name="Clear the selection").click()
        canvas.focus()
        for key in ("+", "ArrowLeft", "0"):
            page.keyboard.press(key)
        page.locator(".legend-line:not(:disabled)").first.click()
        page.wait_for_selector(".tray strong")


def test_tidy_and_undo(browser: Any, tmp_path: Path) -> None:
    home = tmp_path / "loras"
    fill(home)
    Library(tmp_path / "library").index([home], workers=0)
    with (
        served(tmp_path / "library", [home]) as studio,
        opened(browser, f"{studio.address}/#/tidy") as page,
    ):
        page.get_by_role("button", name="Look for what to tidy").click()
        page.wait_for_selector(".plan li")
        assert "cat copy" in page.locator(".plan").first.inner_text()
        before = sorted(p.name for p in home.rglob("*.safetensors"))
        keep(page, "tidy")
        page.get_by_role("button", name="away").first.click()
        assert sorted(p.name for p in home.rglob("*.safetensors")) == before  # a question first
        page.get_by_role("button", name="Tidy them away").click()
        page.wait_for_selector(".note.good")
        assert not (home / "cat copy.safetensors").exists()
        page.get_by_role("button", name="Put back").click()
        page.wait_for_selector(".note.good:has-text('put back')")
        assert sorted(p.name for p in home.rglob("*.safetensors")) == before


def test_a_job_survives_a_reload_and_can_be_cancelled(browser: Any, examples: Served) -> None:
    with opened(browser, f"{examples.address}/#/bench") as page:
        page.wait_for_selector(".strip-card")
        page.locator(".strip-card", has_text="neon-0-R0-2").click()
        page.wait_for_selector("#bench-prompt")
        page.fill("#amount", "8")
        page.get_by_role("button", name="Draw", exact=True).click()
        page.wait_for_selector(".drawn .job.running")
        page.reload()
        page.get_by_role("button", name="Jobs").click()
        page.wait_for_selector("#jobs .job.running")
        page.locator("#jobs .job.running").get_by_role("button", name="Cancel").click()
        page.wait_for_selector("#jobs .job.cancelled")
    assert examples.get("/api/jobs")["jobs"][0]["state"] == "cancelled"


def test_script_of_strangers_does_not_run(browser: Any, studio: Served) -> None:
    with opened(browser, f"{studio.address}/#/shelf") as page:
        page.wait_for_selector(f".tile[data-key='{studio.key(HOSTILE_NAME)}']")
        assert HOSTILE_NAME in names(page)
        for view in ("map", "tidy", "bench", f"card/{studio.key(HOSTILE_NAME)}"):
            page.goto(f"{studio.address}/#/{view}")
            page.wait_for_timeout(1500)
        page.wait_for_selector(".card-head h1")
        assert page.evaluate("window.pwned") is None
        assert page.locator("img[src='x'], img[onerror]").count() == 0


def test_the_policy_stops_what_slips_through(browser: Any, studio: Served) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{studio.address}/#/shelf")
    page.wait_for_selector(".tile")
    page.evaluate(
        """document.body.insertAdjacentHTML('beforeend',
           "<img src=x onerror='window.pwned=1'><iframe srcdoc='<script>top.pwned=1</script>'>")"""
    )
    page.wait_for_timeout(800)
    assert page.evaluate("window.pwned") is None
    context.close()


def test_the_first_visit_explains_itself(browser: Any, tmp_path: Path) -> None:
    with (
        served(tmp_path / "library", []) as studio,
        opened(browser, f"{studio.address}/") as page,
    ):
        page.wait_for_selector("h1:has-text('See your LoRAs')")
        keep(page, "welcome")
        page.get_by_role("button", name="Try it with sample files").click()
        page.wait_for_selector(".tile", timeout=240_000)
        assert len(studio.rows()) >= 15


def test_pictures_become_a_lora(browser: Any, examples: Served) -> None:
    with opened(browser, f"{examples.address}/#/darkroom") as page:
        page.wait_for_selector(".zone")
        files = sorted((examples.home / "drawings").glob("*.png"))[:6]
        page.set_input_files("#pictures", [str(f) for f in files])
        until(page, "document.querySelectorAll('.thumbs img').length === 6")
        page.fill("#made-name", "of my drawings")
        keep(page, "darkroom")
        page.get_by_role("button", name="Develop 6 pictures").click()
        page.wait_for_selector(".note.good", timeout=240_000)
    assert (examples.home / "of my drawings.safetensors").is_file()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("view", VIEWS)
def test_nothing_serious_stands_in_anybodys_way(
    browser: Any, examples: Served, view: str, theme: str
) -> None:
    axe = pytest.importorskip("axe_playwright_python", reason="axe is not installed (dev)")
    place = f"card/{examples.key('both')}" if view == "card" else view
    with opened(browser, f"{examples.address}/#/{place}", color_scheme=theme) as page:
        ready = {"shelf": ".tile", "card": ".lineage-drawing", "map": ".legend-line",
                 "bench": ".strip-card", "tidy": "h1", "darkroom": ".zone"}[view]  # fmt: skip
        page.wait_for_selector(ready)
        if view == "bench":
            page.locator(".strip-card").nth(1).click()
            page.locator(".strip-card").nth(4).click()
            page.wait_for_selector(".sentences")
        page.evaluate(Path(axe.__file__).with_name("axe.min.js").read_text("utf-8"))
        seen = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        serious = [
            f"{v['id']}: {[n['target'] for n in v['nodes']][:4]}"
            for v in seen["violations"]
            if v["impact"] in ("serious", "critical")
        ]
        assert serious == []
        if (view, theme) == ("shelf", "dark"):
            keep(page, "shelf-dark")


@pytest.mark.parametrize("width, height", [(390, 780), (680, 430)])
def test_a_phone_and_twice_the_size(
    browser: Any, examples: Served, width: int, height: int
) -> None:
    """680 x 430 is a window of 1360 x 860 at 200%."""
    viewport = {"width": width, "height": height}
    with opened(browser, f"{examples.address}/#/shelf", viewport=viewport) as page:
        page.wait_for_selector(".tile")
        for view in ("shelf", "bench", "tidy", "map", f"card/{examples.key('both')}"):
            page.goto(f"{examples.address}/#/{view}")
            page.wait_for_timeout(700)
            over = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert over <= 0, view
            wide = page.eval_on_selector("#view", "view => view.scrollWidth - view.clientWidth")
            assert wide <= 0, view
