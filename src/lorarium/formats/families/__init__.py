"""The base models we know, as data: module tables and the names other programs use for them.

Tables are built on first use and frozen; module paths follow diffusers (and transformers, with
CLIP's `text_model.` kept, as files have it).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property

from . import micro, tables, text, unet
from .catalog import ENTRIES, Encoder, Entry
from .natives import Native, natives_of, spelled_by_others
from .unet import Weight

__all__ = ["FAMILIES", "Encoder", "Family", "Native", "Table", "table"]

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Table:
    """The modules of one network; `others` are names that are read and never written."""

    shapes: Mapping[str, Shape]
    biased: frozenset[str]
    natives: Mapping[str, Native]
    others: Mapping[str, Native]

    @cached_property
    def dotted(self) -> Mapping[str, Native]:
        """Every dotted spelling -> the modules it stands for; CLIP also without `text_model.`."""
        names = {path: Native(path, (path,)) for path in self.shapes}
        for path in self.shapes:
            if path.startswith("text_model."):
                names[path.removeprefix("text_model.")] = names[path]
        # where a name of ours is also an original one of another weight, ours goes before
        return {**self.others, **self.natives, **names}

    @cached_property
    def flat(self) -> Mapping[str, Native]:
        """The same with underscores for dots."""
        return {name.replace(".", "_"): native for name, native in self.dotted.items()}

    @cached_property
    def native_of(self) -> Mapping[str, Native]:
        """Module path -> the native weight that holds it."""
        return {path: native for native in self.natives.values() for path in native.paths}

    def shape(self, native: Native) -> Shape:
        first = self.shapes[native.paths[0]]
        return (sum(self.shapes[path][0] for path in native.paths), *first[1:])


class _Tables(Mapping[str, Table]):
    """Part -> the table of its network, spelled out when it is asked for."""

    def __init__(self, nets: Mapping[str, str]):
        self._nets = nets

    def __getitem__(self, part: str) -> Table:
        return table(self._nets[part])

    def __contains__(self, part: object) -> bool:
        return part in self._nets

    def __iter__(self) -> Iterator[str]:
        return iter(self._nets)

    def __len__(self) -> int:
        return len(self._nets)


class Family(Entry):
    """A base model whose adapters are interchangeable by shape."""

    @cached_property
    def parts(self) -> Mapping[str, Table]:
        part_nets = {"denoiser": self.net}
        if self.experts:
            part_nets["denoiser_2"] = self.net
        return _Tables(part_nets | {part: encoder.net for part, encoder in self.encoders.items()})

    @cached_property
    def part_of(self) -> Mapping[str, str]:
        """Network prefix as the grammar reports it -> part."""
        named = {"denoiser": "denoiser", **{part: part for part in self.encoders}}
        if self.experts:
            named["denoiser_2"] = "denoiser_2"
        for part, encoder in self.encoders.items():
            named[encoder.kohya] = named[encoder.comfy] = part
        return named | dict(self.names)

    @cached_property
    def other_shapes(self) -> Mapping[str, Mapping[Shape, str]]:
        """Denoiser's module -> shapes it has in variants of the family, and what those are."""
        main = table(self.net).shapes
        titles: dict[str, dict[Shape, str]] = {}
        for net, title in self.variants.items():
            for path, shape in table(net).shapes.items():
                if main[path] != shape:
                    titles.setdefault(path, {})[shape] = title
        return titles

    def shapes_of(self, part: str, native: Native) -> tuple[Shape, ...]:
        """The shape of a weight, and those that it has in variants of the family."""
        shape = self.parts[part].shape(native)
        if not part.startswith("denoiser") or len(native.paths) > 1:
            return (shape,)
        return (shape, *self.other_shapes.get(native.paths[0], ()))

    def variant_of(self, part: str, native: Native, shape: Shape) -> str:
        """Which relative of the family gives a weight this shape; "" for the usual one."""
        if shape == self.parts[part].shape(native):
            return ""
        return self.other_shapes[native.paths[0]][shape]

    @property
    def nets(self) -> tuple[str, ...]:
        return (self.net, *self.variants)


def _unet(net: unet.UNet) -> Callable[[], Table]:
    return lambda: _of_weights(unet.weights(net))


def _clip(net: text.Clip) -> Callable[[], Table]:
    return lambda: _of_weights(text.clip_weights(net), text.openclip_natives(net))


def _of_weights(weights: Iterable[Weight], natives: Iterable[Native] = ()) -> Table:
    rows = tuple(weights)
    return Table(
        {row.path: row.shape for row in rows},
        frozenset(row.path for row in rows if row.bias),
        {row.native: Native(row.native, (row.path,)) for row in rows if row.native != row.path}
        | {native.name: native for native in natives},
        {},
    )


def _transformer(net: str) -> Table:
    rows = tuple(tables.weights(net))
    shapes = {row.path: row.shape for row in rows}
    natives = {native.name: native for native in natives_of(net, shapes)}
    others = spelled_by_others(net, natives)
    return Table(shapes, frozenset(row.path for row in rows if row.bias), natives, others)


_BUILDERS: dict[str, Callable[[], Table]] = {
    "unet-sd1": _unet(unet.SD1),
    "unet-sd2": _unet(unet.SD2),
    "unet-sdxl": _unet(unet.SDXL),
    "unet-sdxl-refiner": _unet(unet.SDXL_REFINER),
    "unet-ssd-1b": _unet(unet.SSD_1B),
    "unet-vega": _unet(unet.VEGA),
    "unet-koala": _unet(unet.KOALA_1B),
    "unet-koala-700m": _unet(unet.KOALA_700M),
    "clip-l": _clip(text.CLIP_L),
    "clip-g": _clip(text.CLIP_G),
    "clip-h": _clip(text.CLIP_H),
    "t5-xxl": lambda: _of_weights(text.t5_weights()),
    "micro-2": lambda: _of_weights(micro.weights(*micro.MICRO_2)),
    "micro-2-text": _clip(text.MICRO_2_TEXT),
    "micro-1": lambda: _of_weights(micro.weights(*micro.MICRO_1)),
    "micro-1-text": lambda: _of_weights(micro.text_weights()),
}


@cache
def table(net: str) -> Table:
    """The module table of one network, built once."""
    return _BUILDERS[net]() if net in _BUILDERS else _transformer(net)


def has_rows(net: str) -> bool:
    """Whether a network's table comes from rows, whose sorts of names need no spelling out."""
    return net not in _BUILDERS


FAMILIES: dict[str, Family] = {entry.id: Family(**vars(entry)) for entry in ENTRIES}
