"""`hf://owner/name[@revision][/file]`: the hub says where a file is, and HTTP reads it there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lorarium.errors import LorariumError, need_packages, one_line
from lorarium.remote.address import RemotePath
from lorarium.remote.faults import Absent, refused, unreachable
from lorarium.remote.http import TIMEOUT, HttpFile, same_site
from lorarium.remote.opening import Version

LOGIN = "is it private or gated? `hf auth login`, or HF_TOKEN, opens what you may see"
MOST_FILES = 200_000


class HubFile(HttpFile):
    """The hub's own version of a file is its content's hash, whichever host sends it."""

    def __init__(self, path: RemotePath, url: str, metadata: Any, headers: dict[str, str]) -> None:
        super().__init__(url, label=str(path), headers=headers, hint=LOGIN)
        if metadata.size is not None and metadata.size != self.size:
            what = f"the hub says that it has {metadata.size} bytes, its host {self.size}"
            raise LorariumError(what, where=str(path))
        self.version = metadata.etag or self.version


def open_file(path: RemotePath) -> HubFile:
    repo, revision, file = _parts(path)
    if not file:
        raise LorariumError("this is a repository", where=str(path), hint="name a file in it")
    with _guarded(path):
        from huggingface_hub import get_hf_file_metadata, hf_hub_url
        from huggingface_hub.utils import build_hf_headers

        url = hf_hub_url(repo, file, revision=revision)
        metadata = get_hf_file_metadata(url, timeout=TIMEOUT)
        # the hub's token is for the hub alone; what its files lie behind has signed addresses
        ours = same_site(url, metadata.location)
        headers = build_hf_headers() if ours else {}
    return HubFile(path, metadata.location, metadata, headers)


def walk(path: RemotePath) -> Iterator[Version]:
    """Every file below a repository or a folder of it."""
    repo, revision, folder = _parts(path)
    head = f"hf://{repo}" + (f"@{revision}" if revision else "")
    with _guarded(path):
        from huggingface_hub import HfApi
        from huggingface_hub.hf_api import RepoFile

        items = HfApi().list_repo_tree(repo, folder or None, recursive=True, revision=revision)
        for count, item in enumerate(items):
            if count == MOST_FILES:
                raise LorariumError(f"more than {MOST_FILES} files", where=str(path))
            if isinstance(item, RepoFile):
                version = item.lfs.sha256 if item.lfs else item.blob_id
                yield Version(RemotePath("hf", f"{head}/{item.path}"), item.size, version)


def _parts(path: RemotePath) -> tuple[str, str | None, str]:
    """Repository, revision, and the file or folder in it."""
    owner, name, *rest = path.steps
    name, _, revision = name.partition("@")
    if not all(re.fullmatch(r"[\w.-]{1,96}", piece) for piece in (owner, name)):
        hint = "expected hf://owner/name[@revision][/file]"
        raise LorariumError("this names no repository", where=str(path), hint=hint)
    return f"{owner}/{name}", revision or None, "/".join(rest)


@contextmanager
def _guarded(path: RemotePath) -> Iterator[None]:
    """What the hub's library raises, in one line and without its addresses and request ids."""
    where = str(path)
    need_packages(f"{path.scheme}://", ("huggingface_hub",), "remote")
    try:
        yield
    except LorariumError:
        raise
    except Exception as error:  # its classes come from two libraries
        response = getattr(error, "response", None)
        status = getattr(response, "status_code", None)
        kind = type(error).__name__
        if kind in ("EntryNotFoundError", "RemoteEntryNotFoundError"):
            raise Absent("there is no such file in the repository", where=where) from None
        if kind == "RevisionNotFoundError":
            raise LorariumError("there is no such revision", where=where) from None
        if kind == "GatedRepoError":
            raise LorariumError("this repository is gated", where=where, hint=LOGIN) from None
        if kind == "RepositoryNotFoundError":
            what = "there is no such repository, or it is not for everybody"
            raise LorariumError(what, where=where, hint=LOGIN) from None
        if isinstance(status, int) and status >= 400:
            raise refused(status, where, LOGIN) from None
        if "Timeout" in kind:
            raise unreachable(TimeoutError(), where, TIMEOUT) from None
        if kind == "OfflineModeIsEnabled":
            raise LorariumError("HF_HUB_OFFLINE is set", where=where) from None
        reason = one_line(str(error), 200) or kind
        raise LorariumError(f"the hub does not answer ({reason})", where=where) from None
