"""Pictures in, a new LoRA out, without training.

>>> from lorarium.synth import synth
>>> synth(["drawings/"], "ink.safetensors").warnings
()
"""

from lorarium.synth.between import between
from lorarium.synth.make import Made, directions, refined, synthesize
from lorarium.synth.run import synth
from lorarium.synth.store import Synth, load_synth

__all__ = [
    "Made",
    "Synth",
    "between",
    "directions",
    "load_synth",
    "refined",
    "synth",
    "synthesize",
]
