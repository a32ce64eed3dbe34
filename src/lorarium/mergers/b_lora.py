"""B-LoRA slicing (Frenkel et al. 2024, arXiv 2403.14572): two blocks of SDXL, one each.

The subject gives the block that holds content, the style the one that holds style; everything
else is left out.
"""

from __future__ import annotations

from lorarium.adapter import Adapter
from lorarium.errors import LorariumError
from lorarium.mergers.inputs import Inputs, Weight, combine, compiled, two_different
from lorarium.mergers.registry import method

# family -> (content, style), as the paper found them
_PLACE = r"^denoiser:up_blocks\.0\.attentions\.{}\."
BLOCKS = {"sdxl": (_PLACE.format(0), _PLACE.format(1))}


@method("b-lora", group="subject and style", min_inputs=2, max_inputs=2, require_shared=False)
def merge_b_lora(
    inputs: Inputs,
    *,
    content: str | None = None,
    style: str | None = None,
) -> Adapter:
    """The subject's content block and the style's style block (SDXL), nothing else.

    For other models name the blocks: `content` and `style` are regular expressions searched in
    `part:path`.
    """
    inputs.record(content=content, style=style)
    two_different(inputs)
    known = BLOCKS.get(inputs.family, (None, None))
    wanted = [content or known[0], style or known[1]]
    if None in wanted:
        raise LorariumError(
            f"no blocks of {inputs.family} are known to hold content and style",
            hint="name them: --option content=REGEX --option style=REGEX",
        )

    rules: list[Weight] = []
    for k, role in enumerate(("subject", "style")):
        pattern = compiled(str(wanted[k]))
        table = {
            module: term.weight
            for module, terms in inputs.modules.items()
            for term in terms
            if term.owner == k and pattern.search(str(module))
        }
        if not table:
            raise LorariumError(
                f"the {role} changes nothing in its block", hint="is it a B-LoRA of this model?"
            )
        rules.append(lambda module, table=table: table.get(module, 0.0))  # type: ignore[misc]
    return combine(inputs, rules)
