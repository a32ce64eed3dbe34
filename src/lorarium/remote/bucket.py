"""`s3://bucket/key` through s3fs, with the credentials and the endpoint that AWS's tools take."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lorarium.errors import LorariumError, need_packages, one_line
from lorarium.remote.address import RemotePath
from lorarium.remote.faults import Absent, changed, cut_short, refused, unreachable
from lorarium.remote.http import CHUNK, TIMEOUT
from lorarium.remote.opening import Version

LOGIN = "AWS_ACCESS_KEY_ID, AWS_PROFILE and so on say who you are"
MOST_FILES = 200_000
_CONFIG = {
    "connect_timeout": TIMEOUT,
    "read_timeout": TIMEOUT,
    "retries": {"total_max_attempts": 2, "mode": "standard"},
}


class BucketFile:
    """One object; each part is asked for on the condition that its ETag is the first one."""

    def __init__(self, path: RemotePath) -> None:
        self.path, self.bytes_read = path, 0
        self._key = path.address.partition("://")[2]
        with guarded(path):
            self._system = open_system()
            facts = self._system.info(self._key)
        if facts["type"] != "file":
            raise LorariumError("this is a folder", where=str(path), hint="name a file in it")
        self.size, self.version = int(facts["size"]), str(facts.get("ETag") or "").strip('"')

    def read(self, start: int, count: int) -> bytes:
        if not 0 <= start <= start + count <= self.size:
            raise cut_short(max(0, self.size - start), count, str(self.path))
        return b"".join(self.chunks(start, start + count))

    def chunks(self, start: int, stop: int) -> Iterator[bytes]:
        stop = min(stop, self.size)
        step = 8 * CHUNK
        for begin in range(start, stop, step):
            end = min(stop, begin + step)
            with guarded(self.path):
                bucket, key, _ = self._system.split_path(self._key)
                condition = {"IfMatch": f'"{self.version}"'} if self.version else {}
                answer = self._system.call_s3(
                    "get_object", Bucket=bucket, Key=key, Range=f"bytes={begin}-{end - 1}",
                    **condition,
                )  # fmt: skip
                content = _body(answer)
            self.bytes_read += len(content)
            if len(content) != end - begin:
                raise cut_short(len(content), end - begin, str(self.path))
            yield content


def _body(answer: Any) -> bytes:
    from fsspec.asyn import get_loop, sync

    return bytes(sync(get_loop(), answer["Body"].read))


def walk(path: RemotePath) -> Iterator[Version]:
    """Every object below a bucket or a folder of it."""
    with guarded(path):
        objects = open_system().find(path.address.partition("://")[2], detail=True)
        if len(objects) > MOST_FILES:
            raise LorariumError(f"more than {MOST_FILES} files", where=str(path))
        for key, facts in objects.items():
            version = str(facts.get("ETag") or "").strip('"')
            yield Version(RemotePath("s3", f"s3://{key}"), int(facts["size"]), version)


def open_system() -> Any:
    import s3fs

    return s3fs.S3FileSystem(config_kwargs=_CONFIG, use_listings_cache=False)


@contextmanager
def guarded(path: RemotePath) -> Iterator[None]:
    where = str(path)
    need_packages("s3://", ("s3fs",), "remote")
    try:
        yield
    except (LorariumError, GeneratorExit):
        raise
    except FileNotFoundError as error:
        what = "bucket" if "bucket does not exist" in str(error) else "file"
        raise Absent(f"there is no such {what}", where=where) from None
    except PermissionError:
        raise refused(403, where, LOGIN) from None
    except Exception as error:  # of botocore, aiohttp and fsspec, each with their own
        raise _bucket_error(error, where) from None


def _bucket_error(error: Exception, where: str) -> LorariumError:
    answer = getattr(error, "response", None) or {}
    meta = answer.get("ResponseMetadata", {}) if isinstance(answer, dict) else {}
    status = meta.get("HTTPStatusCode")
    text, kind = str(error), type(error).__name__
    if status == 412 or "PreconditionFailed" in text or "pre-conditions" in text:
        return changed(where)
    if status in (401, 403) or "Credentials" in kind:
        return refused(status or 401, where, LOGIN)
    if "NoSuchBucket" in text:
        return Absent("there is no such bucket", where=where)
    if status == 404 or "NoSuch" in text:
        return Absent("there is no such file", where=where)
    if isinstance(status, int) and status >= 400:
        return refused(status, where)
    if "Timeout" in kind or isinstance(error, TimeoutError):
        return unreachable(TimeoutError(), where, TIMEOUT)
    if "Payload" in kind or "Incomplete" in kind:
        return LorariumError("the answer was cut short", where=where, hint="try again later")
    reason = one_line(text, 200) or kind
    return LorariumError(f"the store does not answer ({reason})", where=where)
