"""Subsets of modules: by part, by depth, by what a module does inside its block."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cache, lru_cache
from zlib import crc32

from lorarium.adapter import Adapter, Module
from lorarium.errors import LorariumError, quoted
from lorarium.formats.families import FAMILIES

SORTS = ("q", "k", "v", "out", "feed-forward", "conv", "other")
ATTENTION = SORTS[:4]
# what a module of attention or feed-forward does in more detail; the latter, where most numbers
# are, by chance in two
MODULE_ROLES = (
    *(f"{what} {sort}" for what in ("self", "cross") for sort in ATTENTION),
    *(f"feed-forward {side} {half}" for side in ("in", "out") for half in (1, 2)),
)
_SORTS = (
    ("q", r"(to_q|to_q_t|to_query|add_q_proj|q_proj|SelfAttention\.q|wq)$"),
    ("k", r"(to_k|to_k_t|to_key|add_k_proj|k_proj|SelfAttention\.k|wk|k_img)$"),
    ("v", r"(to_v|to_v_t|to_value|add_v_proj|v_proj|SelfAttention\.v|wv|v_img)$"),
    ("out", r"(to_out|to_out\.0|to_out_t|to_add_out|SelfAttention\.o|attention\.out_layer)$"),
    # T5's feed-forward has a `wo` too
    ("out", r"attn\d?[._](proj|wo|out_proj)$"),
    # the last matrix of a single FLUX block takes attention and feed-forward together
    ("feed-forward", r"(^|[._])(ff|mlp|ffn|feed_forward|DenseReluDense|proj_mlp)([._]|$)"),
    ("feed-forward", r"^single_transformer_blocks\.\d+\.proj_out$"),
    ("feed-forward", r"(_mlp|ff_context)\."),
    ("conv", r"(^conv_(in|out)|^detailer\.(first|deep\.\d+|last)|\.conv\d?|\.conv_shortcut)$"),
)
_PATTERNS = tuple((sort, re.compile(pattern)) for sort, pattern in _SORTS)
_CROSS = re.compile(r"\.attn2\.|add_|_context")
_LAST = re.compile(r"(net\.2|fc2|w2|wo|proj_out|down_proj|linear_2|mlp\.2)$")
_UNET = re.compile(r"((?:down|up)_blocks\.\d+)\.\w+\.(\d+)")
_NUMBERED = re.compile(r"(\w*(?:blocks|layers|refiner))\.(\d+)")

Choice = Callable[[Module, str], bool]


@lru_cache(maxsize=2**16)
def sort_of(module: Module) -> str:
    """What a module does: one of `SORTS`, told from its path (a bias goes with its weight)."""
    path = module.path.removesuffix(".bias")
    for sort, pattern in _PATTERNS:
        if pattern.search(path):
            return sort
    return "other"


@lru_cache(maxsize=2**16)
def role_of(module: Module) -> str | None:
    """One of `ROLES` for a module of the denoiser, if it has one."""
    sort = sort_of(module)
    if not module.part.startswith("denoiser"):
        return None
    if sort in ATTENTION:
        return f"{'cross' if _CROSS.search(module.path) else 'self'} {sort}"
    if sort != "feed-forward":
        return None
    side = "out" if _LAST.search(module.path) else "in"
    return f"feed-forward {side} {1 + crc32(module.path.encode()) % 2}"


@lru_cache(maxsize=2**16)
def block_of(module: Module) -> str:
    """`down_blocks.1.0`, `mid_block`, `transformer_blocks.7`, `text_encoder`... or `other`."""
    if module.part.startswith("text_encoder"):
        return module.part
    if module.path.startswith("mid_block."):
        return "mid_block"
    if match := _UNET.match(module.path):
        return f"{match[1]}.{'sampler' if 'samplers.' in module.path else match[2]}"
    if match := _NUMBERED.match(module.path):
        return f"{match[1]}.{match[2]}"
    return "other"


@cache
def blocks(family: str) -> tuple[str, ...]:
    """Blocks of a known family's denoiser in the order of the network, then `other` and its text
    encoders; empty for an unknown one."""
    if family not in FAMILIES:
        return ()
    parts = FAMILIES[family].parts
    paths = parts["denoiser"].shapes
    seen = dict.fromkeys(block_of(Module("denoiser", path)) for path in paths)
    inner = [block for block in seen if block != "other"]
    return (*inner, "other", *(part for part in parts if not part.startswith("denoiser")))


@cache
def depth(block: str, family: str) -> float | None:
    """Place of a denoiser's block between 0 and 1; None where the family or the block has none."""
    inner = [b for b in blocks(family) if b != "other" and not b.startswith("text_encoder")]
    return (inner.index(block) + 0.5) / len(inner) if block in inner else None


def _sort(*sorts: str) -> Choice:
    return lambda module, family: sort_of(module) in sorts


def _depth(low: float, high: float) -> Choice:
    def chosen(module: Module, family: str) -> bool:
        place = depth(block_of(module), family)
        return place is not None and low <= place < high

    return chosen


def _block(name: str) -> Choice:
    return lambda module, family: block_of(module) == name


SELECTIONS: dict[str, Choice] = {
    "all": lambda module, family: True,
    "denoiser": lambda module, family: module.part.startswith("denoiser"),
    "text": lambda module, family: module.part.startswith("text_encoder"),
    "attention": _sort(*ATTENTION),
    "feed-forward": _sort("feed-forward"),
    "conv": _sort("conv"),
    "q": _sort("q"),
    "k": _sort("k"),
    "v": _sort("v"),
    "out": _sort("out"),
    "self": lambda module, family: ".attn1." in module.path,
    "cross": lambda module, family: ".attn2." in module.path,
    "early": _depth(0, 1 / 3),
    "middle": _depth(1 / 3, 2 / 3),
    "late": _depth(2 / 3, 1),
}


def choose(modules: Iterable[Module], selection: str, family: str) -> list[Module]:
    """The modules of a selection: a name of `SELECTIONS`, a block such as `up_blocks.1.0`, or
    several of these joined by `+`, all of which must hold."""
    modules = list(modules)
    known = {*blocks(family), *map(block_of, modules)}
    rules: list[Choice] = []
    for name in (part.strip() for part in selection.split("+")):
        if name in SELECTIONS:
            rules.append(SELECTIONS[name])
        elif name in known:
            rules.append(_block(name))
        else:
            raise LorariumError(
                f"no selection of modules {quoted(name)}", hint="one of " + ", ".join(SELECTIONS)
            )
    return [module for module in modules if all(rule(module, family) for rule in rules)]


def select(adapter: Adapter, selection: str) -> Adapter:
    """The adapter with the modules of a selection alone, and without opaque tensors.

    >>> select(adapter, "cross+v")  # doctest: +SKIP
    """
    chosen = choose(adapter, selection, adapter.family)
    return adapter.with_(deltas={module: adapter[module] for module in chosen}, opaque={})
