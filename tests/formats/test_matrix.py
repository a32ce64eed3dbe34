"""Each family in each dialect that it has, with each kind that the dialect has, there and back.

A file has a module or two of each kind; `test_round_trip.py` goes through whole tables.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from lorarium.adapter import Adapter, Dora, kind_name
from lorarium.errors import LorariumError
from lorarium.formats import read_report, write
from lorarium.formats.dialects import DIALECTS, TARGETS
from lorarium.formats.families import FAMILIES
from lorarium.formats.synthesise import KINDS, Synthetic, Weight, make_fixture, weights
from lorarium.formats.verify import difference

# what a whole matrix of each kind takes of a test's time decides how large it may be
LARGEST = {"full": 2**21, "lokr-whole": 2**22, "lokr": 2**23}


SPELLED = ("kohya", "diffusers", "peft", "comfy")  # what people are offered; the rest by turns
RARE = [name for name in DIALECTS if name not in (*SPELLED, "cloneofsimo")]


def dialects_of(number: int, family: str) -> list[str]:
    """Dialects that occur for a family: those that people write, and one of the others."""
    unets = ("attention", "diffusers-double")
    others = [
        name for name in RARE if FAMILIES[family].denoiser == "unet" or not name.startswith(unets)
    ]
    return [*SPELLED, others[number % len(others)]]


def mixed(family: str, dialect: str, kinds: tuple[str, ...]) -> Synthetic:
    """A file of several kinds, each on modules of its own in each network."""
    chosen = {kind: set[tuple[str, str]]() for kind in kinds}
    for kind, part, name in choices(family, dialect, kinds):
        chosen[kind].add((part, name))
    files = [
        make_fixture(family, dialect, kind, rank=2, alpha=1, seed=number,
                   keep=lambda part, name, kind=kind: (part, name) in chosen[kind])
        for number, kind in enumerate(kinds)
    ]  # fmt: skip
    tensors: dict[str, dict] = {}
    for file in files:
        for net, some in file.tensors.items():
            tensors.setdefault(net, {}).update(some)
    configs = {net: config for file in files for net, config in file.configs.items()}
    return Synthetic(dialect, tensors, files[0].metadata, configs)


def choices(family: str, dialect: str, kinds: tuple[str, ...]) -> Iterator[tuple[str, str, str]]:
    """The smallest module of each network that can be of a kind and is of no other yet; of a
    convolution there is a plain LoRA too."""
    known = [
        weight  # each sort of module once, before any comes again
        for every in (False, True)
        for weight in sorted(weights(family, dialect, every), key=lambda w: math.prod(w.shape))
    ]
    first = sorted(kinds, key=lambda kind: (kind != "bias", LARGEST.get(kind, 2**40)))
    taken = set()
    for part in FAMILIES[family].parts:
        axes = {kinds[0]: (2,)}  # the first kind on a matrix, and at the end on a kernel
        for kind, wanted in [*((kind, axes.get(kind)) for kind in first), (kinds[0], (3, 4, 5))]:
            for weight in known:
                if (part, weight.name) in taken or weight.part != part:
                    continue
                if can_be(kind, weight) and (wanted is None or len(weight.shape) in wanted):
                    taken.add((part, weight.name))
                    yield kind, part, weight.name
                    break


def can_be(kind: str, weight: Weight) -> bool:
    out, into, *kernel = weight.shape
    if kernel and into == 1 < out:  # depthwise: PEFT has none
        return False
    if math.prod(weight.shape) > LARGEST.get(kind, 2**40):
        return False
    return (math.prod(kernel) > 1 or "tucker" not in kind) and (weight.biased or kind != "bias")


def kinds_of(dialect: str) -> list[tuple[str, ...]]:
    """What one file of a dialect can hold at once; PEFT has DoRA everywhere or nowhere."""
    spelled = DIALECTS[dialect]
    able = tuple(kind for kind in KINDS if re.sub(r"-.*", "", kind) in spelled.kinds)
    if spelled.tails is not None:
        return [able]
    return [(kind,) for kind in able if kind != "bias"]


CASES = [
    (family, dialect)
    for number, family in enumerate(FAMILIES)
    for dialect in dialects_of(number, family)
]


@pytest.mark.parametrize(("family", "dialect"), CASES)
def test_there_and_back(family: str, dialect: str, tmp_path: Path) -> None:
    target = TARGETS[CASES.index((family, dialect)) % len(TARGETS)]
    for number, kinds in enumerate(kinds_of(dialect)):
        made = mixed(family, dialect, kinds)
        if not made.tensors:
            continue
        folder = tmp_path / str(number)
        adapter, report = read_report(made.save(place(folder, "source", dialect)), family)
        keys = sum(map(len, made.tensors.values()))
        assert report.count("mapped") == len(report.keys) == keys
        again = there(adapter, place(folder, "again", dialect), dialect)
        assert set(again) == set(adapter)
        # elsewhere a kind is there unchanged, or refused by name
        other = there(adapter, place(folder, "other", target), target)
        if other is not None:
            there(other, place(folder, "back", dialect), dialect)


def place(folder: Path, name: str, dialect: str) -> Path:
    folder.mkdir(exist_ok=True)
    return folder / (name if dialect == "peft" else f"{name}.safetensors")


def there(adapter: Adapter, path: Path, dialect: str) -> Adapter | None:
    """What is read of it when it was written in a dialect: all that was not refused, as it was."""
    try:
        written = write(adapter, path, dialect)
    except LorariumError as error:
        assert "nothing in it can be written" in error.what
        return None
    assert written.verified and written.worst_error == 0.0
    refused = {fate.name: fate.reason for fate in written.refused()}
    assert all(refused.values())
    read_back, report = read_report(path, adapter.family)
    assert report.count("mapped") == len(report.keys) and not report.warnings
    written_modules = {module for module in adapter if str(module) not in refused}
    assert set(read_back) >= written_modules
    for module in written_modules:
        assert difference(adapter[module], read_back[module]) == 0.0, str(module)
        assert isinstance(read_back[module], Dora) == isinstance(adapter[module], Dora)
    return read_back


def test_a_file_of_the_matrix_has_each_kind_in_each_network(tmp_path: Path) -> None:
    made = mixed("sdxl", "kohya", kinds_of("kohya")[0])
    adapter, report = read_report(made.save(tmp_path / "x.safetensors"), "sdxl")
    assert report.kinds.keys() >= {"lora", "locon", "loha", "lokr", "dora", "full", "bias"}
    for part in ("denoiser", "text_encoder", "text_encoder_2"):
        kind_names = {kind_name(delta) for module, delta in adapter.items() if module.part == part}
        assert kind_names >= {"lora", "loha", "lokr", "dora", "full", "bias"}
