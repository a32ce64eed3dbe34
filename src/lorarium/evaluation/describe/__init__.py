"""The protocol `evaluate describe`: what weights say of artists and individuals nobody trained on.

Every row is fitted on the gallery alone; every query is new to it. See docs/evaluate.md.
"""

from lorarium.evaluation.describe.protocol import Options, evaluate_describe
from lorarium.evaluation.describe.zoo import Corpus, Zoo, load, read_zoo

__all__ = ["Corpus", "Options", "Zoo", "evaluate_describe", "load", "read_zoo"]
