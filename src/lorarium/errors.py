"""The one exception of the package: a sentence that says what is wrong, where, and what to do."""

from collections.abc import Mapping, Sequence


class LorariumError(Exception):
    """Shown to people as one line; the command line exits with `code`."""

    code = 2

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        # names and keys in a message come from files, so they are made harmless here, once
        self.what, self.where, self.hint = one_line(what), one_line(where), one_line(hint)
        text = f"{self.where}: {self.what}" if self.where else self.what
        super().__init__(f"{text}; {self.hint}" if self.hint else text)


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


def listed(items: Sequence[str], most: int = 10) -> str:
    """The first few by name, the rest counted."""
    more = f" and {len(items) - most} more" if len(items) > most else ""
    return ", ".join(items[:most]) + more


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
