"""What LanceDB holds while it reads and merges pieces of tables: the same for tables of any size.

It reads ahead up to two gigabytes unless told otherwise, and glibc gives each of its threads an
arena, which keeps what was freed.
"""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress

READ_AHEAD = 2**25  # bytes; a batch of rows with their sketches is a quarter of it
ARENAS = 2
_M_ARENA_MAX = -8  # glibc's name for it


def read_less_ahead() -> None:
    """Before LanceDB is loaded, which reads its settings once; what the user set stays."""
    os.environ.setdefault("LANCE_DEFAULT_IO_BUFFER_SIZE", str(READ_AHEAD))


def share_arenas() -> None:
    """Of this process, from now on: before the threads of LanceDB are there."""
    if "MALLOC_ARENA_MAX" not in os.environ:
        with suppress(OSError, AttributeError, TypeError):  # another C library
            ctypes.CDLL(None).mallopt(_M_ARENA_MAX, ARENAS)


def give_back() -> None:
    """What was freed, to the system."""
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
