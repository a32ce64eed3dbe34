"""A remote path -> something that reads parts of it; a remote folder -> the files in it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple, Protocol

from lorarium.errors import LorariumError
from lorarium.remote.address import RemotePath


class RemoteFile(Protocol):
    """`version` changes with the content, "" where the server says nothing of the kind; what
    changes between two reads is an error. `bytes_read` counts what came over the wire."""

    @property
    def size(self) -> int: ...

    @property
    def version(self) -> str: ...

    @property
    def bytes_read(self) -> int: ...

    def read(self, start: int, count: int) -> bytes:
        """Exactly these bytes."""
        ...

    def chunks(self, start: int, stop: int) -> Iterator[bytes]:
        """The same in pieces that come as they are received, by one request."""
        ...


class Version(NamedTuple):
    """A file of a folder, with what tells one state of it from another."""

    path: RemotePath
    size: int
    version: str


def open_remote(path: RemotePath) -> RemoteFile:
    if path.scheme == "hf":
        from lorarium.remote.hub import open_file

        return open_file(path)
    if path.scheme == "s3":
        from lorarium.remote.bucket import BucketFile

        return BucketFile(path)
    from lorarium.remote.http import HttpFile

    return HttpFile(path.address, label=str(path))


def list_files(path: RemotePath, suffixes: Collection[str]) -> list[Version]:
    """A file itself; of a repository or a bucket's folder the files with one of these suffixes."""
    named = len(path.steps) > (2 if path.scheme == "hf" else 1)
    if path.scheme.startswith("http") or (named and path.suffix.lower() in suffixes):
        file = open_remote(path)
        return [Version(path, file.size, file.version)]
    if path.scheme == "hf":
        from lorarium.remote.hub import walk
    else:
        from lorarium.remote.bucket import walk
    versions = [v for v in walk(path) if v.path.suffix.lower() in suffixes]
    if not versions:
        hint = "expected " + ", ".join(sorted(suffixes))
        raise LorariumError("there is no tensor file here", where=str(path), hint=hint)
    return sorted(versions, key=lambda version: version.path.address)
