"""The page to vote on: one HTML file that needs nothing else and works from a disk."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from lorarium.errors import LorariumError
from lorarium.evaluation.vote.answers import VOTERS, read_sheets
from lorarium.formats.target import check_target, write_atomically

STYLE = """
body { margin: 0; font: 16px system-ui, sans-serif; color: #222; background: #f4f4f2; }
header { position: sticky; top: 0; z-index: 2; background: #fff; padding: .6em 1em;
  border-bottom: 1px solid #bbb; }
header p { margin: .3em 0; max-width: 70em; }
button, input, select { font: inherit; margin: .1em .2em .1em 0; padding: .2em .5em; }
#sheet { position: relative; margin: 1em; display: inline-block; }
#picture { display: block; }
.cell { position: absolute; box-sizing: border-box; border: 3px solid transparent;
  text-align: right; font-weight: 600; color: #0a5; cursor: pointer; }
.cell.done { border-color: #0a58; }
.cell.here { border-color: #d50; }
#message { color: #a30; }
"""


def vote_page(folder: Path, only: Sequence[str] = ()) -> str:
    """The page of all sheets of a folder, or of some."""
    sheets = read_sheets(folder)
    for name in only:
        if name not in sheets:
            raise LorariumError(f"no sheet is called {name!r}", where=str(folder))
    chosen = [sheets[name] for name in only or sheets]
    data = {"sheets": [sheet | {"data": _embedded(folder / sheet["picture"])} for sheet in chosen]}
    text = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
    script = files("lorarium.evaluation.vote").joinpath("vote.js").read_text("utf-8")
    kinds = "".join(f"<option>{kind}</option>" for kind in reversed(VOTERS))
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><title>Blind sheets</title>'
        f"<style>{STYLE}</style><header>"
        '<p id="question"></p>'
        '<p><span id="words"></span> <b id="where"></b> &middot; <span id="total"></span></p>'
        '<p><button id="back">back</button><button id="next">next sheet</button>'
        '<label>voter <input id="voter" size="12"></label>'
        f'<select id="kind" aria-label="kind of voter">{kinds}</select>'
        '<button id="save">save answers</button>'
        '<label>load <input id="load" type="file" accept=".json" multiple></label>'
        ' <span id="message" role="status"></span></p>'
        "<p>Keys: the letter or number of an answer, arrows, Backspace, Enter for the next sheet."
        "</p></header>"
        '<div id="sheet"><img id="picture" alt="the sheet"><div id="layer"></div></div>'
        f'<script type="application/json" id="data">{text}</script>'
        f"<script>{script}</script></html>\n"
    )


def write_page(folder: Path, out: Path, only: Sequence[str] = (), *, force: bool = False) -> None:
    check_target(out, inputs=[folder], force=force, suffixes=(".html",))
    write_atomically(out, [vote_page(folder, only).encode()], force=force, inputs=[folder])


def _embedded(path: Path) -> str:
    try:
        return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()
    except OSError as error:
        raise LorariumError(f"cannot be read ({error.strerror})", where=str(path)) from None
