"""The one exception of the package: a sentence that says what is wrong, where, and what to do."""


class LorariumError(Exception):
    """Shown to people as one line; the command line exits with code 2."""

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        self.what, self.where, self.hint = what, where, hint
        text = f"{where}: {what}" if where else what
        super().__init__(f"{text}; {hint}" if hint else text)
