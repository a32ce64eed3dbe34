"""Block weights: from a module to the name of its block, and from presets to weights.

Names are the usual ones: BASE (everything outside the denoiser's blocks, text encoders above
all), IN00.., M00, OUT00.. for UNets; D00..D18 and S00..S37 for the double and single blocks of
FLUX. A spec is a mapping from names, ranges (`IN04-IN08`) and presets to numbers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from lorarium.adapter import Module
from lorarium.errors import LorariumError

# family -> (input blocks, output blocks)
UNETS = {
    "sd1": (12, 12),
    "sd2": (12, 12),
    "sdxl": (9, 9),
    "ssd-1b": (9, 9),
    "vega": (9, 9),
    "koala": (9, 9),
}
FLUX = {"flux1": (19, 38)}

# Presets as users of block weights know them for SD 1.x (17 numbers: BASE IN01 IN02 IN04 IN05
# IN07 IN08 M00 OUT03..OUT11); a range takes the convolution blocks inside it along.
SD1_PRESETS = {
    "ALL": "ALL",
    "NONE": "",
    "INS": "BASE IN00-IN04",
    "IND": "BASE IN05-IN11",
    "INALL": "BASE IN00-IN11",
    "MIDD": "BASE IN05-IN11 M00 OUT00-OUT06",
    "OUTD": "BASE OUT00-OUT06",
    "OUTS": "BASE OUT07-OUT11",
    "OUTALL": "BASE OUT00-OUT11",
}
# The same idea on SDXL's shorter UNet (12 numbers: BASE IN04 IN05 IN07 IN08 M00 OUT00..OUT05).
SDXL_PRESETS = {
    "ALL": "ALL",
    "NONE": "",
    "INS": "BASE IN00-IN05",
    "IND": "BASE IN06-IN08",
    "INALL": "BASE IN00-IN08",
    "MIDD": "BASE IN06-IN08 M00 OUT00-OUT02",
    "OUTD": "BASE OUT00-OUT02",
    "OUTS": "BASE OUT03-OUT08",
    "OUTALL": "BASE OUT00-OUT08",
}
FLUX_PRESETS = {
    "ALL": "ALL",
    "NONE": "",
    "DOUBLE": "D00-D18",
    "SINGLE": "S00-S37",
    "TEXT": "BASE",
}

_UNET_LAYER = re.compile(
    r"(down|up)_blocks\.(\d+)\.(attentions|resnets|downsamplers|upsamplers)\.(\d+)"
)
_FLUX_BLOCK = re.compile(r"(single_)?transformer_blocks\.(\d+)")
_RANGE = re.compile(r"([A-Z]+)(\d+)(?:-([A-Z]+)(\d+))?")


def block_of(module: Module, family: str) -> str:
    """Name of the block that a module lies in; BASE when in none."""
    if not module.part.startswith("denoiser"):
        return "BASE"
    if family in UNETS:
        return _unet_block(module.path)
    if family in FLUX:
        match = _FLUX_BLOCK.match(module.path)
        return f"{'S' if match[1] else 'D'}{int(match[2]):02d}" if match else "BASE"
    raise LorariumError(
        f"no blocks are named for the family {family!r}", hint="choose modules by pattern instead"
    )


def block_names(family: str) -> list[str]:
    """All block names of a family, in order."""
    if family in UNETS:
        inputs, outputs = UNETS[family]
        return ["BASE", *_numbered("IN", inputs), "M00", *_numbered("OUT", outputs)]
    doubles, singles = FLUX.get(family) or (0, 0)
    if not doubles:
        block_of(Module("denoiser", ""), family)  # says that the family has no names
    return ["BASE", *_numbered("D", doubles), *_numbered("S", singles)]


def presets(family: str) -> dict[str, str]:
    if family in FLUX:
        return FLUX_PRESETS
    return SD1_PRESETS if UNETS.get(family, (0, 0))[0] == 12 else SDXL_PRESETS


def block_weights(spec: str | Mapping[str, float], family: str) -> dict[str, float]:
    """Weight of every block: a preset gives 1 inside and 0 outside; a mapping from names, ranges
    and presets to numbers gives those, later entries over earlier ones, and 1 elsewhere.
    """
    names = block_names(family)
    if isinstance(spec, str):
        inside = _expand(spec, family, names)
        return {name: 1.0 if name in inside else 0.0 for name in names}
    weights = dict.fromkeys(names, 1.0)
    for key, value in spec.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise LorariumError(f"the weight of block {key!r} is not a number")
        weights.update(dict.fromkeys(_expand(key, family, names), float(value)))
    return weights


def _expand(key: str, family: str, names: list[str]) -> list[str]:
    known = presets(family)
    wanted = known.get(key.upper(), key)
    if wanted == "ALL":
        return names
    selected: list[str] = []
    for word in wanted.upper().split():
        if word in names:
            selected.append(word)
            continue
        ends = _RANGE.fullmatch(word)
        low = f"{ends[1]}{int(ends[2]):02d}" if ends else ""
        high = f"{ends[3] or ends[1]}{int(ends[4] or ends[2]):02d}" if ends else ""
        if low not in names or high not in names or names.index(low) > names.index(high):
            raise LorariumError(
                f"no block or preset {word!r} for {family}",
                hint=f"blocks {names[0]}, {names[1]}..{names[-1]}; presets " + ", ".join(known),
            )
        selected += names[names.index(low) : names.index(high) + 1]
    return selected


def _unet_block(path: str) -> str:
    if path.startswith("mid_block."):
        return "M00"
    if path == "conv_in":
        return "IN00"
    match = _UNET_LAYER.match(path)
    if not match:
        return "BASE"
    side, block, kind, layer = match[1], int(match[2]), match[3], int(match[4])
    if side == "down":
        return f"IN{3 * block + (3 if kind == 'downsamplers' else layer + 1):02d}"
    return f"OUT{3 * block + (2 if kind == 'upsamplers' else layer):02d}"


def _numbered(prefix: str, count: int) -> list[str]:
    return [f"{prefix}{i:02d}" for i in range(count)]
