"""Write the index of the families' names, after a table or a name has been added.

    python benchmarks/family_index.py

`tests/formats/test_families.py` fails when it was forgotten.
"""

from __future__ import annotations

import json

from lorarium.formats.families.index import FILE
from lorarium.formats.families.indexing import walk


def main() -> None:
    index = walk()
    parts = []
    for name, rows in index.items():
        lines = [
            f"{json.dumps(key)}:{json.dumps(row, separators=(',', ':'))}"
            for key, row in rows.items()
        ]
        parts.append(f"{json.dumps(name)}:{{\n" + ",\n".join(lines) + "\n}")
    FILE.write_text("{" + ",\n".join(parts) + "}\n", "utf-8")
    sorts = sum(map(len, index["sorts"].values()))
    print(f"{sorts} sorts of names, {len(index['widths'])} families, {FILE.stat().st_size} bytes")


if __name__ == "__main__":
    main()
