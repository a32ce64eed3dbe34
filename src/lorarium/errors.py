"""The one exception of the package: a sentence that says what is wrong, where, and what to do."""

from __future__ import annotations

import importlib.util
import os
import re
import traceback
from collections.abc import Iterable, Mapping, Sequence


class LorariumError(Exception):
    """Shown to people as one line; the command line exits with `code`."""

    code = 2

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        # names and keys in a message come from files, so they are made harmless here, once
        texts = (one_line(without_secrets(text)) for text in (what, where, hint))
        self.what, self.where, self.hint = texts
        text = f"{self.where}: {self.what}" if self.where else self.what
        super().__init__(f"{text}; {self.hint}" if self.hint else text)


class TimeIsOver(LorariumError):
    """Long work ends before it is done; nothing is wrong."""

    code = 0


class UnverifiedError(LorariumError):
    """What was to be written is not what was meant in some modules, so nothing was written.

    `faults` says of each module what is wrong with it.
    """

    code = 1
    faults: Mapping[str, str] = {}


def unverified(faults: Mapping[str, str], *, where: str = "", hint: str = "") -> UnverifiedError:
    """The error that names modules and what is wrong with each."""
    names = listed([f"{quoted(name)} ({reason})" for name, reason in faults.items()])
    count = f"{len(faults)} module{'s' if len(faults) > 1 else ''}"
    error = UnverifiedError(f"{count} would not be what was meant: {names}", where=where, hint=hint)
    error.faults = dict(faults)
    return error


def listed(items: Sequence[str], max_items: int = 10) -> str:
    """The first few by name, the rest counted."""
    more = f" and {len(items) - max_items} more" if len(items) > max_items else ""
    return ", ".join(items[:max_items]) + more


# what stands before the host of a URL, and all that follows the path
_LOGIN = re.compile(r"\b(https?|hf|s3)(:/+)[^\s/?#@'\"]*@", re.IGNORECASE)
_QUERY = re.compile(r"\b((?:https?|hf|s3):/+[^\s?#'\"]*)[?#][^\s'\";]*", re.IGNORECASE)


def without_secrets(text: str) -> str:
    """URLs in a text without password and query, where tokens and signatures stand."""
    return _QUERY.sub(r"\1?…", _LOGIN.sub(r"\1\2", text)) if ":/" in text else text


def plain(text: str) -> str:
    """Text from a file, made harmless for a terminal: control characters become visible."""
    return "".join(c if c.isprintable() or c in "\n\t" else repr(c)[1:-1] for c in text)


def one_line(text: str, limit: int = 2000) -> str:
    """`plain`, with every run of white space one blank, cut with an ellipsis at `limit`."""
    text = " ".join(plain(text[: 4 * limit]).split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def quoted(name: str, limit: int = 80) -> str:
    """A name from a file as it may stand inside a message."""
    return f"'{one_line(name, limit)}'"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown word: the known one that it is most like, if any."""
    from difflib import get_close_matches  # a mistake may wait, every start must not

    close = get_close_matches(word.lower(), known, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def missing_extra(what: str, extra: str) -> LorariumError:
    """`what` needs packages that only an extra brings, which is named with how to install it."""
    hint = f"pip install 'lorarium[{extra}]', in a checkout pip install -e '.[{extra}]'"
    return LorariumError(what, hint=f"install the extra {extra}: {hint}")


def need_packages(what: str, packages: Sequence[str], extra: str) -> None:
    """Refuse `what` when packages of an extra are not installed; none of them is imported."""
    missing = [name for name in packages if not _installed(name)]
    if missing:
        raise missing_extra(f"{what} needs {' and '.join(missing)}", extra)


def _installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


DEBUG = "LORARIUM_DEBUG"  # in the environment, so that it reaches the processes we start


def show_traceback(error: BaseException) -> None:
    """Print where an error came from, when `--debug` asks for it."""
    if os.environ.get(DEBUG):
        traceback.print_exception(error)


def file_error(error: Exception, where: str = "") -> LorariumError:
    """The fault of one file among many: as it is, or what nobody foresaw by its class and place.

    A loop over files takes every exception for a bad file, so that one stops nobody.
    """
    show_traceback(error)
    if isinstance(error, LorariumError):
        return error
    if isinstance(error, OSError) and error.strerror:  # the system says it well enough
        name = error.filename if isinstance(error.filename, str) else where
        return LorariumError(error.strerror, where=name)
    frames = traceback.extract_tb(error.__traceback__)
    home = os.path.dirname(os.path.abspath(__file__))
    last = next((f for f in reversed(frames) if f.filename.startswith(home)), None)
    place = f"{os.path.relpath(last.filename, home)}:{last.lineno}" if last else "another package"
    what = f"unforeseen {type(error).__name__} in {place}: {one_line(str(error), 200)}"
    return LorariumError(what, where=where, hint="--debug shows more; please report it")
