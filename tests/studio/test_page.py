"""The studio as a person uses it, in headless Chromium; its pictures are those of the docs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import lorarium as lo
from tests.studio.browser import opened
from tests.studio.pages import (
    LONG,
    address,
    drop,
    go,
    keep,
    names,
    select,
    settle,
    stands,
    total,
    until,
)
from tests.studio.served import Served

pytestmark = [pytest.mark.web, pytest.mark.slow]


def test_search_by_words_and_filter(browser: Any, examples: Served) -> None:
    with opened(browser, address(examples, "shelf")) as page:
        stands(page, "shelf")
        assert total(page) == f"{len(examples.rows())} files"
        page.keyboard.press("/")
        page.keyboard.type("watercolor")  # it is spelled otherwise in the files
        page.wait_for_selector(".why")
        until(page, "document.querySelector('.tile-name').innerText.startsWith('watercolour')")
        page.fill("#search", "")
        until(page, "!document.querySelector('.bar strong').innerText.includes(' of ')")
        page.locator(".facet", has_text="sd1").locator("input").check()
        until(page, "document.querySelectorAll('.tile').length === 1")
        assert names(page) == ["rain"]
        page.get_by_role("button", name="Clear filters").click()
        until(page, "document.querySelectorAll('.tile').length > 5")
        keep(page, "shelf")
        page.locator(".facet", has_text="sd1").locator("input").focus()
        page.keyboard.press(" ")
        until(page, "document.querySelectorAll('.tile').length === 1")
        settle(page)
        page.keyboard.press(" ")  # the filters were drawn anew, and the focus is where it was
        until(page, "document.querySelectorAll('.tile').length > 5")
        # words that nothing has, among a filter
        page.fill("#search", "-watercolour")
        page.fill("#search", "qqqqxyz")
        page.wait_for_selector(".empty h2, .note:not([hidden])")


def test_search_by_a_file_and_by_a_picture(browser: Any, examples: Served) -> None:
    with opened(browser, address(examples, "shelf")) as page:
        stands(page, "shelf")
        drop(page, examples.home / "cat.safetensors", "mine.safetensors")
        page.wait_for_selector(".why")
        until(page, "document.querySelector('.tile-name').innerText.startsWith('cat')")
        page.locator(".chip").click()
        until(page, "!document.querySelector('.chip')")
        drop(page, next((examples.home / "drawings").glob("*.png")), "drawing.png")
        page.wait_for_selector(".why:has-text('alike')")
        assert page.locator(".chip").count() == 1


def test_keys_select_and_open(browser: Any, examples: Served) -> None:
    with opened(browser, address(examples, "shelf")) as page:
        stands(page, "shelf")
        page.locator(".tile-link").first.focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.press(" ")
        page.keyboard.press("ArrowRight")
        page.keyboard.press(" ")
        page.wait_for_selector(".tray strong:has-text('2 files selected')")
        page.keyboard.press("Enter")
        stands(page, "card")
        page.keyboard.press("3")
        stands(page, "bench")
        page.keyboard.press("?")
        page.get_by_role("link", name="What programs may ask").click()
        stands(page, "api")
        page.locator(".spec summary", has_text="/api/search").click()
        page.wait_for_selector(".spec details[open] dt:has-text('keys')")


def test_a_card_says_where_a_merge_comes_from(browser: Any, examples: Served) -> None:
    with opened(browser, address(examples, "card", examples.key("both"))) as page:
        page.wait_for_selector(".lineage-drawing", timeout=LONG)
        made_of = page.locator(".lineage").inner_text()
        assert "× 0.80" in made_of and "× 1.00" in made_of and "sure" in made_of
        page.fill("#note", "good at <b>0.7</b>")
        page.fill("#own-tags", "favourite, <i>mine</i>")
        page.get_by_role("button", name="Keep").click()
        page.wait_for_selector(".toast:has-text('Kept')")
        page.evaluate("document.querySelector('#view').scrollTo(0, 0)")
        keep(page, "card")
        page.reload()
        stands(page, "card")
        assert page.input_value("#note") == "good at <b>0.7</b>"
        with page.expect_download() as download:
            page.get_by_role("link", name="Export all notes").click()
        assert "lorarium-notes" in download.value.suggested_filename
        go(page, examples, "shelf")
        page.locator(".facet", has_text="favourite").locator("input").check()
        until(page, "document.querySelectorAll('.tile').length === 1")
        assert names(page) == ["both"]
    notes = examples.get("/api/notes")["notes"]
    assert [entry["tags"] for entry in notes.values()] == [["favourite", "<i>mine</i>"]]


def test_merge_forecast_render_and_save(browser: Any, examples: Served) -> None:
    with opened(browser, address(examples, "bench")) as page:
        stands(page, "bench")
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
        page.wait_for_selector(".drawn img", timeout=LONG)
        until(page, "[...document.querySelectorAll('.drawn img')].every(i => i.naturalWidth)")
        assert page.locator(".drawn img").count() == 8  # merge, each alone, the base; two seeds
        page.evaluate("document.querySelector('.drawn').scrollIntoView({block: 'end'})")
        keep(page, "bench")
        page.select_option("#target", "diffusers")
        page.fill("#out-name", "cat in ink")
        page.get_by_role("button", name="Save the merge").click()
        page.wait_for_selector(
            ".note.good:has-text('cat in ink.safetensors is written')", timeout=LONG
        )
        page.fill("#out-name", "cat in ink")
        page.get_by_role("button", name="Save the merge").click()
        page.wait_for_selector(".toast.error:has-text('is there already')")
        go(page, examples, "shelf")
        page.wait_for_selector(".tile:has-text('cat in ink')", timeout=LONG)  # it was indexed
    assert lo.inspect(examples.home / "cat in ink.safetensors").dialect == "diffusers"


def test_blocks_have_sliders(browser: Any, examples: Served) -> None:
    with opened(browser, address(examples, "card", examples.key("rain"))) as page:
        stands(page, "card")
        page.get_by_role("button", name="To the bench").click()
        page.get_by_text("No other file for sd1 is here").wait_for()
        page.locator(".by-block summary").click()
        page.locator("[data-block=OUT05]").fill("0.5")
        page.wait_for_selector(".by-block summary:has-text('1 of 26 are not 1')")
        page.select_option("#blocks", "INS")
        until(page, "document.querySelector('[data-block=OUT05]').value === '0'")
        page.locator("[data-block=M00]").fill("-0.5")
        assert page.locator("#blocks").input_value() == ""  # no preset any more
        keep(page, "blocks")
        page.get_by_text("No base model for sd1 is at hand").wait_for()
        page.fill("#out-name", "rain of blocks")
        page.get_by_role("button", name="Save the merge").click()
        page.wait_for_selector(".note.good:has-text('rain of blocks')", timeout=LONG)
    made = lo.inspect(examples.home / "rain of blocks.safetensors")
    inside = {block for block, share in made.to_json()["energy"].items() if share > 1e-6}
    assert any(b.startswith("down") for b in inside) and not any(b.startswith("up") for b in inside)


def test_the_map_is_drawn_pointed_at_and_lassoed(browser: Any, examples: Served) -> None:
    with opened(browser, address(examples, "map")) as page:
        stands(page, "map")
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
        until(page, "!document.querySelector('.tray')")
        canvas.focus()
        for key in ("+", "ArrowLeft", "0"):
            page.keyboard.press(key)
        page.locator(".legend-line:not(:disabled)").first.click()
        page.wait_for_selector(".tray strong")


def test_pictures_become_a_lora_beside_a_trained_one(browser: Any, examples: Served) -> None:
    with opened(browser, address(examples, "darkroom")) as page:
        stands(page, "darkroom")
        files = sorted((examples.home / "drawings").glob("*.png"))[:6]
        page.set_input_files("#pictures", [str(f) for f in files])
        until(page, "document.querySelectorAll('.thumbs img').length === 6")
        page.fill("#made-name", "of my drawings")
        page.get_by_role("button", name="Develop 6 pictures").click()
        page.wait_for_selector(".note.good:has-text('of my drawings')", timeout=LONG)
        # once it is indexed
        page.locator("[aria-label=Compare] .strip-card", has_text="ink-0-R0-2").click(timeout=LONG)
        page.fill("#compare-count", "2")
        page.get_by_role("button", name="Draw them").click()
        page.wait_for_selector("[aria-label=Compare] .drawn img", timeout=LONG)
        rows = page.locator("[aria-label=Compare] .drawn-name").all_inner_texts()
        assert rows[0] == "of my drawings" and rows[1].startswith("ink-0-R0-2\n")
        assert "cosine of weights 0." in rows[1] and rows[2:] == ["The base alone"]
        page.evaluate(
            "document.querySelector('[aria-label=Compare]').scrollIntoView({block: 'end'})"
        )
        keep(page, "compare")
    assert (examples.home / "of my drawings.safetensors").is_file()


def test_selected_files_are_resized_and_converted(browser: Any, examples: Served) -> None:
    with opened(browser, address(examples, "shelf")) as page:
        stands(page, "shelf")
        select(page, examples, "cat", "ink")
        page.get_by_role("button", name="Convert, resize…").click()
        page.locator("#batch-target").select_option("diffusers")
        assert page.input_value("#batch-convert-ending") == "-diffusers"
        page.get_by_role("button", name="Convert 2 files").click()
        page.wait_for_selector("#batch .note.good:has-text('2 of 2 files done')", timeout=LONG)
        page.get_by_label("Resize").check()
        page.fill("#batch-amount", "2")
        page.get_by_role("button", name="Resize 2 files").click()
        page.wait_for_selector("#batch .note.good:has-text('2 of 2')", timeout=LONG)
        page.get_by_role("button", name="Resize 2 files").click()  # they are there now
        page.wait_for_selector("#batch .problems li:has-text('there already')", timeout=LONG)
        page.keyboard.press("Escape")
        page.wait_for_selector(".tile:has-text('cat-r2')", timeout=LONG)
        settle(page)
    assert lo.inspect(examples.home / "cat-diffusers.safetensors").dialect == "diffusers"
    assert lo.inspect(examples.home / "ink-r2.safetensors").to_json()["rank"]["max"] == 2


def test_a_job_survives_a_reload_and_can_be_cancelled(browser: Any, examples: Served) -> None:
    asked = {"inputs": [{"key": examples.key("cat")}], "prompt": "a cat", "count": 8, "steps": 100}
    job = examples.send("/api/jobs/render", asked).json  # long enough to be looked at
    with opened(browser, address(examples, "bench")) as page:
        running = f".job.running[data-job='{job['id']}']"
        page.wait_for_selector(f".drawn {running}")
        page.reload()
        page.wait_for_selector(f".drawn {running}")  # its bar is there again
        page.get_by_role("button", name="Jobs").click()
        page.locator(f"#jobs {running}").get_by_role("button", name="Cancel").click()
        page.wait_for_selector(f"#jobs .job.cancelled[data-job='{job['id']}']")
    states = {one["id"]: one["state"] for one in examples.get("/api/jobs")["jobs"]}
    assert states[job["id"]] == "cancelled"


def test_pictures_of_the_docs_are_there() -> None:
    root = Path(__file__).parents[2]
    for page in (root / "README.md", *root.glob("docs/*.md")):
        text = page.read_text("utf-8")
        for name in [part.split(")")[0] for part in text.split("pictures/studio/")[1:]]:
            assert (root / "docs" / "pictures" / "studio" / name).is_file(), (page.name, name)
