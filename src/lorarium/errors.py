"""The one exception of the package: a sentence that says what is wrong, where, and what to do."""


class LorariumError(Exception):
    """Shown to people as one line; the command line exits with code 2."""

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        # names and keys in a message come from files, so they are made harmless here, once
        self.what, self.where, self.hint = one_line(what), one_line(where), one_line(hint)
        text = f"{self.where}: {self.what}" if self.where else self.what
        super().__init__(f"{text}; {self.hint}" if self.hint else text)


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
