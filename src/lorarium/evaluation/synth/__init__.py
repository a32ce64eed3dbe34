"""The protocol `evaluate synth`: pictures of artists and individuals nobody trained on, and the
LoRAs that each way of making one writes from them. See docs/synth.md.
"""

from lorarium.evaluation.synth.protocol import Options, evaluate_synth

__all__ = ["Options", "evaluate_synth"]
