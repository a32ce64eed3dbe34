"""Files read where they are: what `inspect` takes of one of a gigabyte, and how long.

    python benchmarks/remote.py

A sparse file of FLUX.1's layers in rank 256 with a true header, sent in parts by a server of this
machine, in a process of its own. `command` is the whole command line, start included.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from machine import machine, save

from lorarium.formats.inspection.inspect import inspect_file
from lorarium.formats.synthesise import make_fixture

RANK, TRIES = 256, 5


def make(path: Path) -> None:
    made = make_fixture("flux1", "kohya", keep=lambda part, name: part == "denoiser")
    header: dict[str, Any] = {"__metadata__": {"ss_network_dim": str(RANK)}}
    position = 0
    for key, array in made.tensors[""].items():
        shape = [RANK if size == 1 and array.ndim > 1 else size for size in array.shape]
        end = position + int(np.prod(shape, dtype=np.int64)) * 2
        header[key] = {"dtype": "F16", "shape": shape, "data_offsets": [position, end]}
        position = end
    text = json.dumps(header, separators=(",", ":")).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text)
    os.truncate(path, 8 + len(text) + position)


class Parts(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    file = Path()

    def do_GET(self) -> None:
        size = self.file.stat().st_size
        byte_range = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers["Range"])
        assert byte_range
        start, stop = int(byte_range[1]), min(size, int(byte_range[2]) + 1)
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{size}")
        self.send_header("Content-Length", str(stop - start))
        self.send_header("ETag", '"x"')
        self.end_headers()
        with open(self.file, "rb") as source:
            source.seek(start)
            self.wfile.write(source.read(stop - start))

    def log_message(self, *words: object) -> None:
        pass


def serve(path: str) -> None:
    Parts.file = Path(path)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Parts)
    print(server.server_address[1], flush=True)
    server.serve_forever()


def main() -> None:
    if sys.argv[1:2] == ["serve"]:
        return serve(sys.argv[2])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "large.safetensors")
        make(path)
        command = [sys.executable, __file__, "serve", str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout
            url = f"http://127.0.0.1:{server.stdout.readline().strip()}/{path.name}"
            rows = [once(url) for _ in range(TRIES)]
            size, share = rows[0]["size"], rows[0]["share"]
            lines = [command_line(url) for _ in range(TRIES)]
            server.kill()
    document = {
        "bytes": size,
        "share read": share,
        "family": rows[0]["family"],
        "first inspection": {k: rows[0][k] for k in ("wall", "cpu")},
        "later ones": {k: median(row[k] for row in rows[1:]) for k in ("wall", "cpu")},
        "command": {k: min(line[k] for line in lines) for k in ("wall", "cpu")},
    }
    print(document, save("remote", {**document, "machine": machine()}))


def once(url: str) -> dict[str, Any]:
    wall, cpu = time.perf_counter(), time.process_time()
    inspection = inspect_file(url)
    assert inspection.ok and inspection.read and inspection.family
    return {
        "wall": round(time.perf_counter() - wall, 3),
        "cpu": round(time.process_time() - cpu, 3),
        "size": inspection.size,
        "share": round(inspection.read.share, 6),
        "family": inspection.family.id,
    }


def command_line(url: str) -> dict[str, float]:
    before, wall = os.times(), time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "lorarium", "inspect", url], check=True, stdout=subprocess.DEVNULL
    )
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user
    return {
        "wall": round(time.perf_counter() - wall, 3),
        "cpu": round(cpu - before.children_system, 3),
    }


if __name__ == "__main__":
    main()
