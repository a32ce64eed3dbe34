"""The process that does the jobs: a line of JSON in for each, lines of JSON out.

    python -m lorarium.studio.worker

It ends when its input does.
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from typing import Any, BinaryIO

from lorarium.errors import file_error
from lorarium.studio.sending import as_json
from lorarium.studio.work import WORK

EVERY = 0.1  # seconds between reports


class Reporter:
    """Says on `out` how one job goes on; not more often than anybody looks."""

    def __init__(self, out: BinaryIO, job: str) -> None:
        self.out, self.job, self.last = out, job, 0.0

    def say(self, **facts: Any) -> None:
        self.out.write(as_json({"id": self.job, **facts}) + b"\n")
        self.out.flush()

    def progress(self, done: float, total: float, words: str = "") -> None:
        now = time.monotonic()
        if now - self.last >= EVERY or not total:
            self.last = now
            self.say(done=done, total=total, words=words)


def main() -> None:
    # what libraries print must not be taken for an answer
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    warnings.simplefilter("ignore")
    for line in sys.stdin.buffer:
        order = json.loads(line)
        reporter = Reporter(out, order["id"])
        try:
            result = WORK[order["kind"]](order["args"], reporter.progress)
        except Exception as error:  # every fault is the job's, in one line
            reporter.say(error=str(file_error(error)))
        else:
            reporter.say(result=result)


if __name__ == "__main__":
    main()
