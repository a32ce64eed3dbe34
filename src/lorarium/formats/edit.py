"""Change the metadata of a safetensors file; its payload stays as it is, bit for bit."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from lorarium.errors import LorariumError, quoted
from lorarium.formats.container import check_with_library, encode_header
from lorarium.formats.header import open_regular, parse_header, read_header
from lorarium.formats.target import ADAPTER_SUFFIXES, check_target, write_atomically

CHUNK = 2**22


def edit_metadata(
    path: str | os.PathLike[str],
    out: str | os.PathLike[str] | None = None,
    *,
    put: Mapping[str, str] | None = None,
    remove: Iterable[str] = (),
    force: bool = False,
) -> dict[str, str]:
    """Write `path` with changed metadata to `out` (itself when None); returns the new metadata.

    Without `out` the file that is named is the one to change, which needs no `force` and leaves no
    NAME.bak: only its header is written anew, every tensor stays as it is.
    """
    path = Path(path)
    in_place = out is None
    out = path if out is None else Path(out)
    if not in_place:
        check_target(out, inputs=[path], force=force, suffixes=ADAPTER_SUFFIXES)
    inputs = () if in_place else (path,)
    with open_regular(path) as file:
        header = read_header(file, path)
        metadata = dict(header.metadata)
        for key in remove:
            if key not in metadata:
                raise LorariumError(f"there is no metadata {quoted(key)}", where=str(path))
            del metadata[key]
        metadata.update(put or {})
        table: dict[str, object] = {}
        if metadata:
            table["__metadata__"] = dict(sorted(metadata.items()))
        start = header.payload_start
        for name, info in header.tensors.items():
            offsets = [info.start - start, info.end - start]
            shape = list(info.shape)
            table[name] = {"dtype": info.dtype, "shape": shape, "data_offsets": offsets}
        text = encode_header(table)
        parse_header(text, 8 + len(text) + header.payload_size, out)

        def chunks() -> Iterator[bytes]:
            yield struct.pack("<Q", len(text)) + text
            file.seek(start)
            while chunk := file.read(CHUNK):
                yield chunk

        write_atomically(out, chunks(), check_with_library, force=force or in_place, inputs=inputs)
    return metadata
