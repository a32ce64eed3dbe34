"""Object storage of this machine: moto's server in a process of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@contextmanager
def moto() -> Iterator[str]:
    """The address of a fresh server."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, **ENVIRONMENT},
    ) as process:  # fmt: skip
        try:
            for _ in range(600):
                try:
                    urllib.request.urlopen(f"{url}/moto-api/", timeout=5).close()
                    break
                except OSError:
                    time.sleep(0.1)
            else:
                raise TimeoutError("moto's server does not start")
            yield url
        finally:
            process.kill()


def put(url: str, key: str, content: bytes) -> None:
    """An object; its bucket is made when it is not there."""
    import s3fs

    system = s3fs.S3FileSystem(endpoint_url=url, use_listings_cache=False)
    bucket = key.partition("/")[0]
    if not system.exists(bucket):
        system.mkdir(bucket)
    system.pipe_file(key, content)


def delete(url: str, key: str) -> None:
    import s3fs

    s3fs.S3FileSystem(endpoint_url=url, use_listings_cache=False).rm_file(key)
