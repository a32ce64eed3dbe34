"""Files on other machines, read a part at a time: `https://`, `hf://owner/name[/file]`, `s3://`.

`as_place` is the one door by which a path argument becomes a `Path` or a `RemotePath`. The readers
of each scheme, and the packages that they need, are loaded when such a path is first opened.
"""

from lorarium.remote.address import RemotePath, as_place
from lorarium.remote.copying import local_copy
from lorarium.remote.opening import RemoteFile, Version, list_files, open_remote

__all__ = [
    "RemoteFile",
    "RemotePath",
    "Version",
    "as_place",
    "list_files",
    "local_copy",
    "open_remote",
]
