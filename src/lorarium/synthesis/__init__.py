"""Pictures in, a new LoRA out, without training.

>>> import lorarium as lo
>>> lo.synthesize(["drawings/"], "ink.safetensors").warnings
()
"""

from lorarium.synthesis.between import between
from lorarium.synthesis.make import SynthesisResult, directions, refined, synthesize
from lorarium.synthesis.run import synthesize_files
from lorarium.synthesis.store import Synth, load_synth

__all__ = [
    "Synth",
    "SynthesisResult",
    "between",
    "directions",
    "load_synth",
    "refined",
    "synthesize",
    "synthesize_files",
]
