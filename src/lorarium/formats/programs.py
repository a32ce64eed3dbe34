"""What other programs load: for each program and family the dialect to write, from one table.

A row stands for what the named source reads; what no row says is not known to be loaded, and is
refused rather than guessed. `docs/convert.md` shows the same table, written by `matrix`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lorarium.adapter import Adapter
from lorarium.errors import LorariumError

from .dialects import ALL_KINDS, CARRIED

PROGRAMS = ("comfyui", "forge", "diffusers", "invokeai", "sd-scripts")

_UNETS = ("sd1", "sd2", "sdxl", "sdxl-refiner", "ssd-1b", "vega", "koala")
_SD3 = ("sd3", "sd35-medium", "sd35-large")
_PLAIN = frozenset({"lora"})
_PEFT = frozenset({"lora", "dora", "bias"})


@dataclass(frozen=True)
class Row:
    """A program reads these families best in this dialect: these kinds, all parts but `unread`."""

    program: str
    families: tuple[str, ...]
    dialect: str
    kinds: frozenset[str]
    source: str
    unread: tuple[str, ...] = ()
    note: str = ""


_COMFY_KINDS = ALL_KINDS | (CARRIED - {"ia3"})
_FORGE_KINDS = ALL_KINDS | {"glora", "norm", "set-weight"}
_INVOKE_KINDS = (ALL_KINDS - {"bias"}) | {"ia3", "norm"}

_COMFY = "ComfyUI, comfy/lora.py at 17358c8"
_FORGE = "stable-diffusion-webui-forge, comfyui_lora_collection/lora.py at dfdcbab"
_INVOKE = "InvokeAI, backend/patches/lora_conversions/ at 8e71a8a"
_SCRIPTS = "sd-scripts, networks/ at 48d368f"
_DIFFUSERS = "diffusers 0.42, loaders/lora_pipeline.py"

ROWS: tuple[Row, ...] = (
    Row("comfyui", _UNETS, "kohya", _COMFY_KINDS, _COMFY,
        note="files of `--to diffusers` lose their attentions and their DoRA there"),
    Row("comfyui", ("flux1", "chroma", *_SD3, "flux2-dev", "flux2-klein-4b", "flux2-klein-9b",
                    "qwen-image", "z-image", "wan-14b", "wan-1.3b", "wan-5b", "ltx-video",
                    "ltx-video-13b", "ltx-2", "lumina2", "auraflow", "pixart", "hidream", "mochi",
                    "cosmos-2b", "cosmos-14b", "krea2"),
        "comfy", _COMFY_KINDS, _COMFY),
    Row("comfyui", ("hunyuan-video",), "comfy", _COMFY_KINDS, _COMFY,
        note="the embeddings of time, guidance and text have other names there"),
    Row("forge", ("sd1", "sd2", "sdxl", "flux1"), "kohya", _FORGE_KINDS, _FORGE),
    Row("diffusers", _UNETS, "diffusers", _PEFT, _DIFFUSERS,
        note="kohya files of a text encoder alone are not recognised"),
    Row("diffusers", ("flux1",), "diffusers", _PEFT, _DIFFUSERS, unread=("text_encoder_2",)),
    Row("diffusers", _SD3, "diffusers", _PEFT, _DIFFUSERS, unread=("text_encoder_3",)),
    Row("diffusers", ("flux2-dev", "flux2-klein-4b", "flux2-klein-9b", "flux3", "qwen-image",
                      "qwen-image-2.1", "z-image", "wan-14b", "wan-1.3b", "wan-5b", "wan-vace-14b",
                      "wan-vace-1.3b", "wan-animate", "anyflow", "anyflow-far", "hunyuan-video",
                      "hunyuan-video-framepack", "ltx-video", "ltx-video-13b", "ltx-2", "lumina2",
                      "auraflow", "chroma", "hidream", "krea2", "sana", "sana-0.6b", "sana-video",
                      "cogvideox-2b", "cogvideox-5b", "consisid", "consisid-2b", "cogview4",
                      "mochi", "cosmos-2b", "cosmos-14b", "kandinsky5-lite", "kandinsky5-image",
                      "kandinsky5-pro", "bria", "bria-fibo", "bria-fibo-2", "ernie-image",
                      "ideogram4", "helios", "ace-step", "minimax-h3", "amused"),
        "diffusers", _PEFT, _DIFFUSERS, unread=("text_encoder", "text_encoder_2")),
    Row("invokeai", ("sd1", "sd2", "sdxl"), "kohya", _INVOKE_KINDS, _INVOKE),
    Row("invokeai", ("flux1",), "kohya", _INVOKE_KINDS, _INVOKE, unread=("text_encoder_2",),
        note="refuses files with modules of T5, or outside the blocks and `final_layer.linear`"),
    Row("invokeai", ("flux2-klein-4b", "flux2-klein-9b"), "comfy-peft", _PLAIN, _INVOKE),
    Row("invokeai", ("qwen-image", "z-image", "krea2"), "diffusers", _PLAIN, _INVOKE),
    Row("invokeai", ("wan-14b", "wan-5b"), "diffusers", _PLAIN, _INVOKE,
        note="modules outside the blocks are left out"),
    Row("invokeai", ("cosmos-2b",), "comfy", _PLAIN | {"lokr", "dora"}, _INVOKE),
    Row("sd-scripts", ("sd1", "sd2", "sdxl"), "kohya", _PLAIN, _SCRIPTS,
        note="LoHa, LoKr and DoRA only with the LyCORIS module"),
    Row("sd-scripts", ("flux1", *_SD3, "lumina2", "hunyuan-image", "cosmos-2b"),
        "kohya", _PLAIN, _SCRIPTS),
)  # fmt: skip


def row_for(program: str, family: str) -> Row:
    """What a program reads of a family; a sentence when that is not known."""
    if program not in PROGRAMS:
        raise LorariumError(f"unknown program {program!r}", hint=f"one of {', '.join(PROGRAMS)}")
    for row in ROWS:
        if row.program == program and family in row.families:
            return row
    what = "a file of an unknown base" if family == "unknown" else f"adapters for {family}"
    raise LorariumError(
        f"{program} is not known to load {what}",
        hint="choose a dialect yourself with --to",
    )


def warnings(row: Row, adapter: Adapter, kinds: dict[str, int]) -> Iterator[str]:
    """What the program will leave out of this adapter, and what to know of the row."""
    for part in row.unread:
        if part in adapter.parts():
            yield f"{row.program} does not load the {part} of {adapter.family} files"
    names = {"locon": "lora", "opaque": ""}
    for kind in sorted(kinds):
        if names.get(kind, kind) and names.get(kind, kind) not in row.kinds:
            yield f"{row.program} does not load {kind} modules of {adapter.family} files"
    if row.note:
        yield f"{row.program}: {row.note}"


def matrix() -> str:
    """The table of the docs."""
    lines = ["| program | families | `--for` writes | kinds | not loaded | source |"]
    lines.append("|---|---|---|---|---|---|")
    for row in ROWS:
        kinds = ", ".join(sorted(row.kinds - ALL_KINDS))
        if row.kinds >= ALL_KINDS:
            kinds = f"all, {kinds}" if kinds else "all"
        else:
            kinds = ", ".join(sorted(row.kinds))
        ids = ", ".join(f"`{family}`" for family in row.families)
        left = "; ".join([*(f"`{part}`" for part in row.unread), *([row.note] if row.note else [])])
        cells = (row.program, ids, f"`{row.dialect}`", kinds, left or "-", row.source)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
