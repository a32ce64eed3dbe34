"""What can go wrong on the way to a remote file, each in one line."""

from __future__ import annotations

import socket
import ssl

from lorarium.errors import LorariumError, one_line

AGAIN = "try again later"


class Absent(LorariumError):
    """There is no such file."""

    absent = True


def refused(status: int, where: str, hint: str = "") -> LorariumError:
    """An answer that is none, by the number of HTTP."""
    if status in (404, 410):
        return Absent("there is no such file", where=where)
    if status in (401, 403):
        hint = hint or "does it need a login, or a token in the address?"
        return LorariumError(f"access is refused ({status})", where=where, hint=hint)
    if status == 429:
        return LorariumError("the server has had too many requests (429)", where=where, hint=AGAIN)
    if status >= 500:
        return LorariumError(f"the server has a fault ({status})", where=where, hint=AGAIN)
    return LorariumError(f"the server refuses the request ({status})", where=where)


def unreachable(error: Exception, where: str, seconds: float) -> LorariumError:
    """No answer, or not all of one."""
    if isinstance(error, TimeoutError):
        return LorariumError(f"no answer within {seconds:g} s", where=where, hint=AGAIN)
    if isinstance(error, socket.gaierror):
        return LorariumError("there is no such host", where=where)
    if isinstance(error, ssl.SSLError):
        reason = one_line(str(error.reason or error), 100)
        return LorariumError(f"no secure connection ({reason})", where=where)
    reason = one_line(str(getattr(error, "strerror", None) or type(error).__name__), 100)
    return LorariumError(f"the connection failed ({reason})", where=where, hint=AGAIN)


def cut_short(got: int, wanted: int, where: str) -> LorariumError:
    what = f"the answer was cut short: {got} of {wanted} bytes came"
    return LorariumError(what, where=where, hint=AGAIN)


def changed(where: str) -> LorariumError:
    return LorariumError("it changed while it was read", where=where, hint="read it again")
