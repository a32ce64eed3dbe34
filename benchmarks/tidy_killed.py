"""`lorarium tidy --apply` and `--undo`, killed with SIGKILL at random moments.

    python benchmarks/tidy_killed.py [--kills 50]

A collection with copies, dead and broken files, wrong suffixes, conversions and names by a pattern
(`tests/library/tidy_killed.py`). After each kill every file must be where it was or in the trash,
byte for byte, and the journals must say which; at the end all is taken back.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from machine import machine, save

ROOT = Path(__file__).parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--out", default="tidy_killed")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, str(ROOT / "tests/library/tidy_killed.py"), folder, str(chosen.kills)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
            check=True,
        )
    *kills, end = [json.loads(line) for line in done.stdout.splitlines()]
    files = end["files"]
    lost = sum(len(kill["wrong"]) for kill in kills)
    actions = {
        action: {
            "runs": len(some := [k for k in kills if k["action"] == action]),
            "killed": sum(k["killed"] for k in some),
            "killed_half_way": sum(k["killed"] and 0 < k["away"] < end["away_most"] for k in some),
        }
        for action in ("apply", "undo")
    }
    for kill in kills:
        kill["wrong"] = [Path(text.split(" is not in")[0]).name for text in kill["wrong"]]
    document = {"machine": machine(), "files": files, "chosen": end["chosen"], "lost": lost,
                "back": end["back"], **actions, "kills": kills}  # fmt: skip
    print(save(chosen.out, document))
    print(json.dumps({name: document[name] for name in ("lost", "back", "apply", "undo")}))


if __name__ == "__main__":
    main()
