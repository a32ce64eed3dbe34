"""The learned descriptors, those that ship and those of adopted bases, as spaces: `probe` to search
by adapter, `aligned` to search by pictures and words as well."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from pathlib import Path

from lorarium.adapter import Array
from lorarium.adopted import adopted_bases
from lorarium.descriptors import learned
from lorarium.descriptors.learned import Learned
from lorarium.errors import LorariumError, missing_extra
from lorarium.library.spaces import BUILT_IN, PROBE, VectorSpace

PROBE_SIZE = 2048  # room for its vector whole
PICTURE = 48  # pixels of a side that judge A sees


def default_encoders(asset: Path | None = None) -> dict[str, VectorSpace]:
    """The built-in spaces, and the learned ones: those that ship, and of every adopted base."""
    spaces = BUILT_IN | learned_spaces(learned.ASSET if asset is None else asset)
    for base in adopted_bases():
        spaces |= learned_spaces(base.file(learned.ASSET.stem), f"-{base.name}")
    return spaces


def learned_spaces(path: Path, whose: str = "") -> dict[str, VectorSpace]:
    """The spaces of a file; none when it is missing or of another version."""
    try:
        card = learned.read_card(path)
    except LorariumError:
        return {}
    with open(path, "rb") as file:
        version = hashlib.file_digest(file, "sha256").hexdigest()[:12]
    open_ = functools.cache(functools.partial(learned.load_learned, path))
    families = frozenset({str(card["family"])})
    probe = VectorSpace(
        PROBE + whose,
        version,
        lambda s: open_().probes([s])[0] if len(s.effect) else None,
        families=families,
        stored=PROBE_SIZE,
        together=lambda sketches: open_().probes(sketches),
    )
    aligned = VectorSpace(
        f"aligned{whose}",
        version,
        lambda s: open_().aligned([s])[0] if len(s.effect) else None,
        pictures=lambda paths: _pictures(open_(), paths),
        words=lambda text: _words(open_(), text),
        families=families,
        thresholds={kind: float(score) for kind, score in card.get("least", {}).items()},
        together=lambda sketches: open_().aligned(sketches),
    )
    return {probe.name: probe, aligned.name: aligned}


def _pictures(networks: Learned, paths: Sequence[Path]) -> Array:
    try:
        from lorarium.pictures import read_pictures
    except ModuleNotFoundError as error:
        raise missing_extra(f"reading pictures needs {error.name}", "torch") from None
    return networks.pictures(read_pictures(paths, PICTURE))


def _words(networks: Learned, text: str) -> Array:
    """Texts were learned with an article, which people leave out."""
    prompt = text if text.lower().startswith(("a ", "an ")) else f"a {text}"
    return networks.words([prompt])[0]
