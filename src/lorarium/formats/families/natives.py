"""The original checkpoints' weights, as the modules of ours that stand in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import gcd
from typing import NamedTuple

from .native_rows import ROWS

Shape = tuple[int, ...]


class Native(NamedTuple):
    """An original weight: the modules stacked in its rows, and the relative height of each.

    `swapped`: its two halves of rows (shift, scale) stand in the other order in ours.
    """

    name: str
    paths: tuple[str, ...]
    heights: tuple[int, ...] = (1,)
    swapped: bool = False


# how ComfyUI spells names of HunyuanVideo's checkpoint, read beside the original ones
_COMFY_HUNYUAN = (
    ("_mod.linear", "_mod.lin"),
    ("modulation.linear", "modulation.lin"),
    ("_attn_qkv", "_attn.qkv"),
    ("_attn_proj", "_attn.proj"),
    ("_mlp.fc1", "_mlp.0"),
    ("_mlp.fc2", "_mlp.2"),
)
_DEEPEST = 128
# the names of xlabs' trainer for FLUX.1, without their `processor.`
_XLABS_NETS = ("flux1",)
_XLABS_DOUBLE = {
    "double_blocks.*.qkv_lora1": "double_blocks.*.img_attn.qkv",
    "double_blocks.*.qkv_lora2": "double_blocks.*.txt_attn.qkv",
    "double_blocks.*.proj_lora1": "double_blocks.*.img_attn.proj",
    "double_blocks.*.proj_lora2": "double_blocks.*.txt_attn.proj",
}
_XLABS_SINGLE = ("single_blocks.*.qkv_lora", "single_blocks.*.proj_lora")


def natives_of(net: str, shapes: Mapping[str, Shape]) -> Iterator[Native]:
    """The original weights of a network, in the order of their rows; a later one of the same name
    takes the place of an earlier."""
    for name, ours in ROWS.get(net, {}).items():
        paths = tuple(ours.split())
        if "*" in ours:
            numbers = [str(n) for n in range(_DEEPEST) if paths[0].replace("*", str(n)) in shapes]
        elif "$" in ours:
            numbers = [str(_last(paths[0].partition("$")[0], shapes))]
        else:
            numbers = [""]
        for number in numbers:
            module_paths = tuple(path.replace("*", number).replace("$", number) for path in paths)
            if all(path in shapes for path in module_paths):
                spelled = name.replace("*", number).replace("$", number)
                yield _native(spelled, module_paths, shapes)


def _native(name: str, paths: tuple[str, ...], shapes: Mapping[str, Shape]) -> Native:
    rows = [shapes[path][0] for path in paths]
    unit = gcd(*rows)
    heights = tuple(count // unit for count in rows)
    return Native(name.removeprefix("~"), paths, heights, name.startswith("~"))


def _last(stack: str, shapes: Mapping[str, Shape]) -> int:
    inside = (path.removeprefix(stack) for path in shapes if path.startswith(stack))
    return max((int(path.partition(".")[0]) for path in inside), default=0)


def row_names(net: str) -> Iterator[str]:
    """The native names of a network's rows, with their signs for numbers."""
    return (name.removeprefix("~") for name in ROWS.get(net, {}))


def other_spellings(net: str) -> Iterator[str]:
    if net == "hunyuan-video":
        yield from (_comfy_hunyuan(name.replace("*", "0")) for name in row_names(net))
    if net in _XLABS_NETS:
        yield from (name.replace("*", "0") for name in (*_XLABS_DOUBLE, *_XLABS_SINGLE))


def _comfy_hunyuan(name: str) -> str:
    for old, new in _COMFY_HUNYUAN:
        name = name.replace(old, new)
    return name


def spelled_by_others(net: str, natives: Mapping[str, Native]) -> dict[str, Native]:
    """Spellings of the same weights that are read and never written."""
    if net == "hunyuan-video":
        return {_comfy_hunyuan(name): native for name, native in natives.items()}
    return dict(_xlabs(natives)) if net in _XLABS_NETS else {}


def _xlabs(natives: Mapping[str, Native]) -> Iterator[tuple[str, Native]]:
    """xlabs names an attention's processor; of a single block's linear1 it has q, k and v alone."""
    for number in range(_DEEPEST):
        for name, row in _XLABS_DOUBLE.items():
            if native := natives.get(row.replace("*", str(number))):
                yield name.replace("*", str(number)), native
        if native := natives.get(f"single_blocks.{number}.linear1"):
            paths = native.paths[:3]
            name = f"single_blocks.{number}.qkv_lora"
            yield name, Native(name, paths, (1, 1, 1))
        if native := natives.get(f"single_blocks.{number}.linear2"):
            yield f"single_blocks.{number}.proj_lora", native
