"""What shipped weights stand on, as hashes: the vocabulary and the drawn world.

The world's hash is of its source with layout, comments and punctuation that formatters move left
out: pictures differ in the last bit between processors, the source does not.
"""

from __future__ import annotations

import ast
import hashlib
import io
import tokenize
from functools import lru_cache
from pathlib import Path

from lorarium.world.words import VOCABULARY

WORLD = Path(__file__).parent.parent / "world"
_MOVED = str.maketrans("", "", " \t\r\n()',\"")
_LAYOUT = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)


def vocabulary_hash() -> str:
    """SHA-256 of the words in order."""
    return hashlib.sha256("\n".join(VOCABULARY).encode()).hexdigest()


@lru_cache(maxsize=1)
def world_hash() -> str:
    """SHA-256 of what the world's source says."""
    digest = hashlib.sha256()
    for path in sorted(WORLD.rglob("*.py")):
        digest.update(f"{path.relative_to(WORLD).as_posix()}\n".encode())
        digest.update(_said(path.read_text("utf-8")).encode())
    return digest.hexdigest()


def _said(source: str) -> str:
    quiet = {
        node.body[0].lineno: (node.body[0].end_lineno or 0)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, (ast.Module, ast.FunctionDef, ast.ClassDef))
        and ast.get_docstring(node, clean=False) is not None
    }
    lines = {n for start, end in quiet.items() for n in range(start, end + 1)}
    spoken = (
        token.string
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type not in _LAYOUT and token.start[0] not in lines
    )
    return "".join(spoken).translate(_MOVED)
