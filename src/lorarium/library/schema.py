"""The columns of the table of files."""

from __future__ import annotations

import pyarrow as pa

text, number, words = pa.string(), pa.int64(), pa.list_(pa.string())
SCHEMA = pa.schema(
    {
        "key": text,  # hash of the path
        "path": text,
        "id": text,  # hash of all that was read: equal for copies byte by byte; empty if unreadable
        "payload_sha256": text,
        "fingerprint": text,
        "size": number,
        "modified": number,
        "changed": number,
        "inode": pa.uint64(),
        "beside": text,
        "reader": text,
        "family": text,
        "dialect": text,
        "kind": text,
        "kinds": words,
        "parts": words,
        "modules": number,
        "rank": pa.float64(),
        "parameters": number,
        "dtype": text,
        "norm": pa.float64(),
        "title": text,
        "names": words,  # what descriptions beside it call it
        "author": text,
        "base": text,
        "tool": text,
        "steps": pa.float64(),
        "tags": words,
        "words": words,
        "about": text,  # what is written about it, in its header and beside it
        "health": words,
        "error": text,
        "described": pa.bool_(),  # whether there is a sketch
        "sketch": pa.binary(),
    }
)
SIGNATURE = ("size", "modified", "changed", "inode", "beside")
FACTS = [name for name in SCHEMA.names if name != "sketch"]
