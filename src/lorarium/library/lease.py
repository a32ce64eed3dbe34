"""A library in object storage: its card, and who may write to it.

No system frees a lock there when its holder dies, so the lock is a lease: an object that the holder
writes again and again. One that has not been written for a while is anybody's. Every change of it
is on a condition that the store checks, so that of two who want it one has it.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from lorarium.errors import LorariumError, need_packages, one_line
from lorarium.remote import RemotePath

SECONDS = 60.0  # after which a lease is anybody's; it is renewed four times as often


class BucketFolder:
    """Small objects below the address of a library."""

    def __init__(self, home: RemotePath) -> None:
        if home.scheme != "s3":
            what = "a library lies in a folder, or in object storage (s3://)"
            raise LorariumError(what, where=str(home))
        need_packages("s3://", ("s3fs",), "remote")
        from lorarium.remote.bucket import guarded, open_system

        self.home, self._guarded = home, guarded
        with guarded(home):
            self.system = open_system()
            self.bucket, self.prefix, _ = self.system.split_path(home.address.rstrip("/"))

    def names(self) -> set[str]:
        """What lies directly in it."""
        with self._guarded(self.home):
            try:
                paths = self.system.ls(f"{self.bucket}/{self.prefix}", detail=False)
            except FileNotFoundError:
                return set()
        return {path.rstrip("/").rpartition("/")[2] for path in paths}

    def tables(self, store: str, suffix: str) -> set[str]:
        """The tables in it that have been committed to."""
        with self._guarded(self.home):
            paths = self.system.glob(f"{self.bucket}/{self.prefix}/{store}/*{suffix}/_versions/*")
        steps = [path.split("/") for path in paths if path.endswith(".manifest")]
        return {step[-3].removesuffix(suffix) for step in steps}

    def read(self, name: str) -> bytes | None:
        with self._guarded(self.home):
            try:
                return bytes(self.system.cat_file(f"{self.bucket}/{self.prefix}/{name}"))
            except FileNotFoundError:
                return None

    def write(self, name: str, content: bytes) -> None:
        with self._guarded(self.home):
            self.system.pipe_file(f"{self.bucket}/{self.prefix}/{name}", content)

    def call(self, method: str, name: str, **options: Any) -> Any:
        """One request of S3 about an object; `FileExistsError` when its condition does not hold."""
        key = f"{self.prefix}/{name}".lstrip("/")
        with self._guarded(self.home):
            try:
                return self.system.call_s3(method, Bucket=self.bucket, Key=key, **options)
            except Exception as error:
                if _is_precondition(error):
                    return None
                raise


def _is_precondition(error: BaseException | None) -> bool:
    while error is not None:
        words = f"{error} {getattr(error, 'response', '')}"
        if "PreconditionFailed" in words or "ConditionalRequestConflict" in words:
            return True
        if "pre-conditions" in words:
            return True
        error = error.__cause__
    return False


@contextmanager
def hold_lease(folder: BucketFolder, name: str) -> Iterator[None]:
    """The lease, renewed until the end of the block."""
    lease = _Lease(folder, name)
    lease.take()
    over = threading.Event()
    keeper = threading.Thread(target=lease.keep, args=(over,), daemon=True)
    keeper.start()
    try:
        yield
        if lease.lost:
            raise LorariumError(lease.lost, where=str(folder.home), hint="index again")
    finally:
        over.set()
        keeper.join()
        if not lease.lost:
            folder.call("delete_object", name)


class _Lease:
    def __init__(self, folder: BucketFolder, name: str) -> None:
        self.folder, self.name, self.lost = folder, name, ""
        self.mark = ""
        self.text = f"process {os.getpid()} on {socket.gethostname()}".encode()

    def take(self) -> None:
        reply = self._put(IfNoneMatch="*")
        if reply is None:
            response = self.folder.call("get_object", self.name)
            if self._age(response) < SECONDS:
                owner = one_line((self.folder.read(self.name) or b"").decode(errors="replace"), 200)
                raise LorariumError(
                    f"{owner or 'another process'} is writing to this library",
                    where=str(self.folder.home),
                    hint=f"wait for it; {SECONDS:g} s after its end the library is free",
                )
            reply = self._put(IfMatch=response["ETag"])
        if reply is None:
            what = "another process has just begun to write to this library"
            raise LorariumError(what, where=str(self.folder.home))
        self.mark = reply["ETag"]

    def keep(self, over: threading.Event) -> None:
        """Renew it, until it is over or somebody else has it."""
        count = 0
        while not over.wait(SECONDS / 4):
            count += 1
            try:
                reply = self._put(IfMatch=self.mark, count=count)
            except LorariumError:
                continue  # the next time; until then others see an older one
            if reply is None:
                self.lost = "another process took this library over, as nothing was heard of us"
                return
            self.mark = reply["ETag"]

    def _put(self, count: int = 0, **condition: str) -> Any:
        body = self.text + (f", {count}".encode() if count else b"")
        return self.folder.call("put_object", self.name, Body=body, **condition)

    @staticmethod
    def _age(response: Any) -> float:
        """By the store's own clock."""
        date = response["ResponseMetadata"]["HTTPHeaders"].get("date", "")
        try:
            now = datetime.strptime(date, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)
        except ValueError:
            now = datetime.now(UTC)
        return (now - response["LastModified"]).total_seconds()
