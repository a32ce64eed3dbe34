"""The pages' tables are what their results say: benchmarks/pages.py, checked."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.docs_blocks import PAGES, ROOT


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import pages

    monkeypatch.delitem(sys.modules, "pages")
    return pages


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_says_what_the_results_say(page: Path, pages: ModuleType) -> None:
    text = page.read_text("utf-8")
    assert pages.filled(text) == text, "run python benchmarks/pages.py"


def test_every_table_stands_on_one_page_and_every_mark_is_closed(pages: ModuleType) -> None:
    texts = [page.read_text("utf-8") for page in PAGES]
    asked = [name for text in texts for name in re.findall(r"<!-- figures: (.*) -->", text)]
    asked = [name for name in asked if name in pages.TABLES or name != "NAME"]
    assert sorted(asked) == sorted(pages.TABLES)
    for text in texts:
        assert len(pages.BLOCK.findall(text)) == text.count("\n<!-- end -->")


def test_a_figure_that_was_typed_is_put_right(pages: ModuleType) -> None:
    text = (ROOT / "docs" / "votes.md").read_text("utf-8")
    assert "| generated, 12 pictures | 0.23 " in text
    wrong = text.replace("| generated, 12 pictures | 0.23 ", "| generated, 12 pictures | 0.53 ")
    assert pages.filled(wrong) == text


def test_a_mark_of_no_table_is_refused(pages: ModuleType) -> None:
    with pytest.raises(KeyError, match="nothing"):
        pages.filled("<!-- figures: nothing -->\n<!-- end -->")
