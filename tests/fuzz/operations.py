"""What is done with each hostile input: any error but a `LorariumError` is a find."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from random import Random
from typing import NamedTuple

from lorarium import formats
from lorarium.adapter import Adapter
from lorarium.algebra import (
    canonical,
    drop_magnitude,
    fingerprint,
    fingerprint_vector,
    lower,
    lowering_cost,
    norm,
    recompress,
)
from lorarium.descriptors.sketch import Sketch, sketch
from lorarium.errors import LorariumError
from lorarium.formats.inspection.inspect import inspect_file
from lorarium.formats.reading import interpret
from lorarium.library.rows import read_row, readers
from lorarium.library.scan import Entry, signature
from lorarium.mergers import merge_with_report
from tests import deltas
from tests.fuzz.cases import Case, make_case

DIALECTS = (None, None, "kohya", "diffusers", "peft", "comfy", "peft-bare", "lycoris", "bare")
DTYPES = (None, None, "fp16", "bf16", "fp32", "fp8_e4m3", "fp8_e5m2")
METHODS = ("sum", "average", "cat", "svd", "ties", "dare-linear", "slerp", "karcher", "knots",
           "prune", "breadcrumbs", "np-lora")  # fmt: skip
UNFORESEEN = "unforeseen "  # how `file_error` words it


class Foreign(AssertionError):
    """An error that a loop over files has caught, though it should not have come up at all."""


class Step(NamedTuple):
    name: str
    run: Callable[[], object]


OTHER = deltas.adapter(7, kinds=("lora", "locon")).with_(family="unknown")


def steps(number: int, folder: Path) -> Iterator[Step]:
    """The operations on the input of a number; what one finds out, the later ones use.

    The first makes the input: it is an operation of ours only where it builds changes in memory.
    """
    rng = Random(~number)
    cases: list[Case] = []
    adapters: list[Adapter] = []
    yield Step("make", lambda: cases.append(make_case(number, folder)))
    if not cases:
        return
    case = cases[0]
    if case.adapter is not None:
        adapters.append(case.adapter)
    elif case.source is not None:
        source = case.source
        yield Step("read", lambda: adapters.append(interpret(source)[0]))
    else:
        assert case.path is not None
        yield from steps_on(case.path, folder, rng)
    if adapters:
        yield from _steps_on_adapter(adapters[0], folder, rng, CHANCES)


def steps_on(
    path: Path, folder: Path, rng: Random, chances: Mapping[str, float] | None = None
) -> Iterator[Step]:
    """The operations on a file or a PEFT folder; with chances of 1 all of them."""
    adapters: list[Adapter] = []
    chances = CHANCES if chances is None else chances
    yield Step("read", lambda: adapters.append(formats.read_report(path)[0]))
    for name, look in ON_FILES.items():
        if rng.random() < chances[name]:
            yield Step(name, partial(look, path, folder, rng))
    if adapters:
        yield from _steps_on_adapter(adapters[0], folder, rng, chances)


def _steps_on_adapter(
    adapter: Adapter, folder: Path, rng: Random, chances: Mapping[str, float]
) -> Iterator[Step]:
    for name, act in ON_ADAPTERS.items():
        if adapter.deltas and rng.random() < chances[name]:
            yield Step(name, partial(act, adapter, folder, rng))


def _file_of(path: Path) -> Path:
    return path / "adapter_model.safetensors" if path.is_dir() else path


def _inspect(path: Path, folder: Path, rng: Random) -> None:
    json.dumps(inspect_file(_file_of(path)).to_json(), allow_nan=False)


def _index(path: Path, folder: Path, rng: Random) -> None:
    file = _file_of(path)
    state = signature(file)
    assert state is not None
    row = read_row(Entry(str(file), state), readers()[file.suffix])
    _refuse_unforeseen(row["error"])


def _convert(path: Path, folder: Path, rng: Random) -> None:
    to, dtype = rng.choice(DIALECTS), rng.choice(DTYPES)
    out = folder / ("out" if to == "peft" else "out.safetensors")
    for file in formats.convert(path, out, to=to, dtype=dtype).files:
        _refuse_unforeseen(file.error)


def _refuse_unforeseen(error: str) -> None:
    if UNFORESEEN in error:
        raise Foreign(error)


def _write(adapter: Adapter, folder: Path, rng: Random) -> None:
    to, dtype = rng.choice(DIALECTS), rng.choice(DTYPES)
    formats.write(adapter, folder / ("out" if to == "peft" else "out.safetensors"), to, dtype)


def _resize(adapter: Adapter, folder: Path, rng: Random) -> None:
    options = rng.choice(({"rank": 1}, {"rank": 2}, {"energy": 0.9}, {"size": 3000}))
    recompress(adapter, **options)  # type: ignore[arg-type]


def _merge(adapter: Adapter, folder: Path, rng: Random) -> None:
    other = rng.choice((adapter, adapter, OTHER.with_(family=adapter.family)))
    rank = rng.choice((None, 2, "full"))
    merge_with_report([adapter, other], [1.0, -0.5], method=rng.choice(METHODS), rank=rank)


def _sketch(adapter: Adapter, folder: Path, rng: Random) -> None:
    Sketch.from_bytes(sketch(adapter).to_bytes())


def _fingerprint(adapter: Adapter, folder: Path, rng: Random) -> None:
    fingerprint(adapter)


def _vector(adapter: Adapter, folder: Path, rng: Random) -> None:
    fingerprint_vector(adapter)


def _algebra(adapter: Adapter, folder: Path, rng: Random) -> None:
    for _, delta in drop_magnitude(adapter).items():
        norm(delta)
        for act in (lowering_cost, lower, lambda d: canonical(d, rank=2, dense=True)):
            try:
                act(delta)
            except LorariumError:
                pass


ON_FILES = {"inspect": _inspect, "index": _index, "convert": _convert}
ON_ADAPTERS = {
    "fingerprint": _fingerprint,
    "vector": _vector,
    "algebra": _algebra,
    "resize": _resize,
    "merge": _merge,
    "sketch": _sketch,
    "write": _write,
}
# how often each is done, so that the dear ones do not take all the time
CHANCES = {
    **{"inspect": 0.2, "index": 0.1, "convert": 0.25},
    **{"fingerprint": 0.5, "vector": 0.15, "algebra": 0.5, "resize": 0.3, "merge": 0.25},
    **{"sketch": 0.05, "write": 0.15},
}
