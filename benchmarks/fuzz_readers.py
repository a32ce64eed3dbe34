"""Coverage-guided fuzzing of everything that reads a stranger's bytes.

    pip install atheris
    python benchmarks/fuzz_readers.py CORPUS_DIR -max_total_time=1800

The first byte of an input chooses what the rest is: a file, a header, metadata, a PEFT config, key
names, a sidecar. Anything but a `LorariumError` is a find; libFuzzer writes it to `crash-...`, and
`python benchmarks/fuzz_readers.py crash-...` runs it again. Finds become lines of
`tests/hostile.py`.
"""

from __future__ import annotations

import json
import os
import struct
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import atheris
import numpy as np

with atheris.instrument_imports(include=["lorarium"]):
    from lorarium import formats
    from lorarium.errors import LorariumError
    from lorarium.formats import peft, reading
    from lorarium.formats.container import load, save
    from lorarium.formats.edit import edit_metadata
    from lorarium.formats.header import parse_header
    from lorarium.formats.inspection.inspect import inspect_file
    from lorarium.formats.inspection.metadata import tag_shares, training, trigger_words
    from lorarium.formats.inspection.sidecars import find_sidecars

warnings.simplefilter("error")
os.fsync = lambda descriptor: None  # nothing here needs to survive a power cut
FOLDER = Path(tempfile.mkdtemp(prefix="lorarium-fuzz-"))
FILE = FOLDER / "x.safetensors"
NOWHERE = FOLDER / "absent"


def whole_file(data: bytes) -> None:
    FILE.write_bytes(data)
    load(FILE)
    json.dumps(inspect_file(FILE).to_json(), allow_nan=False)
    edit_metadata(FILE, put={"k": "v"})
    load(FILE)


def header(data: bytes) -> None:
    size = data[0] if data else 0
    text = data[1:]
    parse_header(text, 8 + len(text) + size, NOWHERE)


def file_of_header(data: bytes) -> None:
    """A header of any text before a payload of the length its first byte says."""
    size, text = 4 * data[0] if data else 0, data[1:]
    whole_file(struct.pack("<Q", len(text)) + text + (bytes(range(256)) * 4)[:size])


def metadata(data: bytes) -> None:
    entries = dict(_pairs(data))
    json.dumps([training(entries), tag_shares(entries)], allow_nan=False)
    assert all(word.text.isprintable() for word in trigger_words(entries))
    peft.header_configs(entries, str(NOWHERE))
    ones = np.ones((4, 4), np.float16)
    tensors = {f"unet:{i}:{half}": ones for i in range(3) for half in ("up", "down")}
    reading.interpret(reading.Source(str(NOWHERE), tensors, entries, lambda prefix, name: None))


def key_names(data: bytes) -> None:
    """Lines of NAME=SHAPE, a digit for each axis; all values are one."""
    tensors = {}
    for name, shape in _pairs(data):
        dims = tuple(int(c) if c in "0123456789" else ord(c) % 9 for c in shape[:4])
        tensors[name] = np.ones(dims, np.float16)
    source = reading.Source(str(NOWHERE), tensors, {}, lambda prefix, name: None)
    adapter, _ = reading.interpret(source)
    if len(adapter):
        save(FILE, tensors)
        json.dumps(inspect_file(FILE).to_json(), allow_nan=False)
        formats.write(adapter, FOLDER / "y.safetensors", force=True)


def peft_config(data: bytes) -> None:
    folder = FOLDER / "peft"
    folder.mkdir(exist_ok=True)
    weights = folder / "adapter_model.safetensors"
    if not weights.exists():
        ones = np.ones((4, 4), np.float16)
        name = "base_model.model.text_model.encoder.layers.0.self_attn.q_proj.lora_{}.weight"
        save(weights, {name.format(half): ones for half in "AB"})
    (folder / "adapter_config.json").write_bytes(data)
    formats.read_report(folder)


def sidecar(data: bytes) -> None:
    (FOLDER / "z.json").write_bytes(data)
    (FOLDER / "z.txt").write_bytes(data)
    (FOLDER / "z.png").write_bytes(data)
    json.dumps([side.facts for side in find_sidecars(FOLDER / "z.safetensors")], allow_nan=False)


def _pairs(data: bytes) -> list[tuple[str, str]]:
    lines = data.decode("utf-8", "surrogateescape").split("\n")
    return [(line.partition("=")[0], line.partition("=")[2]) for line in lines[:40]]


TARGETS: tuple[Callable[[bytes], None], ...] = (
    whole_file,
    header,
    file_of_header,
    metadata,
    key_names,
    peft_config,
    sidecar,
)


def one_input(data: bytes) -> None:
    if not data:
        return
    try:
        TARGETS[data[0] % len(TARGETS)](data[1:])
    except LorariumError as error:
        assert str(error).isprintable() and len(str(error)) < 7000, repr(str(error))


HADAMARD = ("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b")
KRONECKER = ("lokr_w1", "lokr_w2_a", "lokr_w2_b")


def seeds(folder: Path) -> None:
    """Start from what real files look like, one of each kind."""
    sys.path.insert(0, str(Path(__file__).parent.parent))
    from tests.hostile import BYTES, ONE, raw

    folder.mkdir(parents=True, exist_ok=True)
    starts: list[tuple[int, bytes]] = [(0, content) for content in BYTES.values()]
    small = raw({"__metadata__": {"ss_steps": "10"}, **ONE}, b"a")
    starts += [(0, small), (1, b"\x01" + small[8:-1]), (2, b"\x01" + small[8:-1])]
    stem = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q"
    pair = f"{stem}.lora_up.weight=41\n{stem}.lora_down.weight=14"
    starts += [(4, pair.encode()), (4, f"{pair}\n{stem}.alpha=\n{stem}.dora_scale=41".encode())]
    starts.append((4, "\n".join(f"{stem}.{end}=44" for end in HADAMARD).encode()))
    starts.append((4, "\n".join(f"{stem}.{end}=44" for end in KRONECKER).encode()))
    for name in ("unet.up_blocks.0.attentions.0.proj_in.lora_A.weight=44", "unet:0:up=44",
                 "diffusion_model.double_blocks.0.img_attn.qkv.lora_B.weight=44"):  # fmt: skip
        starts.append((4, name.encode()))
    tags = json.dumps({"1_x": {"tag": 3}})
    starts.append((3, f"ss_tag_frequency={tags}\nss_steps=1\nss_dataset_dirs={tags}".encode()))
    starts.append((3, b'ot_config={"lora_rank": 4}\nsoftware={"name": "x"}\n<s1>=<embed>'))
    starts.append((3, b'unet=["CrossAttention", "GEGLU"]\ntext_encoder=["CLIPAttention"]'))
    starts.append((3, b'lora_adapter_metadata={"unet.r": 4, "unet.lora_alpha": 8}'))
    config = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "alpha_pattern": {"q_proj": 2}}
    starts.append((5, json.dumps({**config, "rank_pattern": {"^text.*q$": 4}}).encode()))
    starts.append((6, json.dumps({"trainedWords": ["a"], "model": {"name": "n"}}).encode()))
    for index, (target, content) in enumerate(starts):
        (folder / f"seed-{index}").write_bytes(bytes([target]) + content[:100_000])


if __name__ == "__main__":
    if len(sys.argv) > 1 and not sys.argv[1].startswith("-") and not Path(sys.argv[1]).is_file():
        seeds(Path(sys.argv[1]))
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
