"""Pictures in, a new LoRA out, without training.

>>> from lorarium.synthesis import synth
>>> synth(["drawings/"], "ink.safetensors").warnings
()
"""

from lorarium.synthesis.between import between
from lorarium.synthesis.make import Made, directions, refined, synthesize
from lorarium.synthesis.run import synth
from lorarium.synthesis.store import Synth, load_synth

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
