"""The protocol `evaluate merge`: subjects in styles, judged against true pictures of each cell.

All rows of a cell share prompts, noise and references. See docs/evaluate-merges.md.
"""

from lorarium.evaluation.merge.protocol import Options, evaluate_merge

__all__ = ["Options", "evaluate_merge"]
