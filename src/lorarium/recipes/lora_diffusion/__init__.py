"""The stage `lora_diffusion`: the generators of "LoRA Diffusion" (Smith et al. 2024, arXiv
2412.02352) on the zoo's train split, to stand beside ours in `evaluate synth`. Nothing ships.

Vectors of fused, balanced, sign-fixed factors; PCA, because the zoo is small; a linear combination,
a VAE, and diffusion on its latents that predicts x0 or v, conditioned by AdaNorm or ADALoRA.
"""

from __future__ import annotations

from lorarium.recipes.lora_diffusion.learn import due, run

__all__ = ["due", "run"]
