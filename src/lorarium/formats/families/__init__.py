"""The base models we know, as data: module tables and the names other programs use for them.

Tables are built on first use and frozen; module paths follow diffusers (and transformers, with
CLIP's `text_model.` kept, as files have it).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property

from . import flux, text, unet
from .flux import Native
from .unet import Weight

__all__ = ["FAMILIES", "Family", "Native", "Table", "table"]

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Table:
    """The modules of one network."""

    shapes: Mapping[str, Shape]
    biased: frozenset[str]
    natives: Mapping[str, Native]

    @cached_property
    def dotted(self) -> Mapping[str, Native]:
        """Every dotted spelling -> the modules it stands for; CLIP also without `text_model.`."""
        names = {path: Native(path, (path,)) for path in self.shapes}
        for path in self.shapes:
            if path.startswith("text_model."):
                names[path.removeprefix("text_model.")] = names[path]
        return {**self.natives, **names}

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


@dataclass(frozen=True)
class Encoder:
    """A text encoder: its table, its kohya prefix and its name in ComfyUI."""

    net: str
    kohya: str
    comfy: str


@dataclass(frozen=True)
class Family:
    """A base model whose adapters are interchangeable by shape.

    `names` are spellings of network prefixes -> part; `stamps` what metadata calls it; `variants`
    other networks of the family, smaller and with the same names.
    """

    id: str
    title: str
    net: str
    denoiser: str
    encoders: Mapping[str, Encoder]
    stamps: tuple[str, ...] = ()
    kohya_native: bool = True
    names: Mapping[str, str] = field(default_factory=dict)
    variants: tuple[str, ...] = ()

    @cached_property
    def parts(self) -> Mapping[str, Table]:
        tables = {"denoiser": table(self.net)}
        return tables | {part: table(encoder.net) for part, encoder in self.encoders.items()}

    @cached_property
    def part_of(self) -> Mapping[str, str]:
        """Network prefix as the grammar reports it -> part."""
        named = {"denoiser": "denoiser", **{part: part for part in self.encoders}}
        for part, encoder in self.encoders.items():
            named[encoder.kohya] = named[encoder.comfy] = part
        return named | dict(self.names)


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
    )


def _flux() -> Table:
    shapes = dict(flux.shapes())
    return Table(shapes, frozenset(shapes), {native.name: native for native in flux.natives()})


_BUILDERS: dict[str, Callable[[], Table]] = {
    "unet-sd1": _unet(unet.SD1),
    "unet-sd2": _unet(unet.SD2),
    "unet-sdxl": _unet(unet.SDXL),
    "unet-sdxl-refiner": _unet(unet.SDXL_REFINER),
    "unet-ssd-1b": _unet(unet.SSD_1B),
    "unet-vega": _unet(unet.VEGA),
    "unet-koala": _unet(unet.KOALA_1B),
    "unet-koala-700m": _unet(unet.KOALA_700M),
    "flux1": _flux,
    "clip-l": _clip(text.CLIP_L),
    "clip-g": _clip(text.CLIP_G),
    "clip-h": _clip(text.CLIP_H),
    "t5-xxl": lambda: _of_weights(text.t5_weights()),
}


@cache
def table(net: str) -> Table:
    """The module table of one network, built once."""
    return _BUILDERS[net]()


_XL = {
    "text_encoder": Encoder("clip-l", "te1", "clip_l"),
    "text_encoder_2": Encoder("clip-g", "te2", "clip_g"),
}
_XL_NAMES = {"te": "text_encoder"}

# In order of how likely a file is when shapes alone cannot decide.
FAMILIES: dict[str, Family] = {
    family.id: family
    for family in (
        Family(
            "sd1",
            "Stable Diffusion 1.x",
            "unet-sd1",
            "unet",
            {"text_encoder": Encoder("clip-l", "te", "clip_l")},
            ("sd_v1", "sd1", "stable-diffusion-v1", "sd-1", "sd 1"),
            kohya_native=False,
            names={"te1": "text_encoder"},
        ),
        Family(
            "sdxl",
            "Stable Diffusion XL",
            "unet-sdxl",
            "unet",
            _XL,
            ("sdxl_base", "sdxl", "stable-diffusion-xl", "pony", "illustrious", "noob"),
            names=_XL_NAMES,
        ),
        Family(
            "flux1",
            "FLUX.1",
            "flux1",
            "transformer",
            {
                "text_encoder": Encoder("clip-l", "te1", "clip_l"),
                "text_encoder_2": Encoder("t5-xxl", "te3", "t5xxl"),
            },
            ("flux1", "flux-1", "flux.1"),
            names={"te": "text_encoder", "te2": "text_encoder_2"},
        ),
        Family(
            "sd2",
            "Stable Diffusion 2.x",
            "unet-sd2",
            "unet",
            {"text_encoder": Encoder("clip-h", "te", "clip_h")},
            ("sd_v2", "stable-diffusion-v2", "sd-2", "sd 2"),
            kohya_native=False,
            names={"te1": "text_encoder"},
        ),
        Family(
            "ssd-1b", "SSD-1B", "unet-ssd-1b", "unet", _XL, ("ssd-1b", "ssd_1b"), names=_XL_NAMES
        ),
        Family(
            "vega", "Segmind Vega", "unet-vega", "unet", _XL, ("segmind-vega",), names=_XL_NAMES
        ),
        Family(
            "koala",
            "KOALA",
            "unet-koala",
            "unet",
            _XL,
            ("koala",),
            names=_XL_NAMES,
            variants=("unet-koala-700m",),
        ),
        Family(
            "sdxl-refiner",
            "Stable Diffusion XL refiner",
            "unet-sdxl-refiner",
            "unet",
            {"text_encoder_2": Encoder("clip-g", "te2", "clip_g")},
            ("stable-diffusion-xl-v1-refiner", "sdxl_refiner"),
        ),
    )
}
