"""The staged commands that made the shipped weights: `python -m lorarium.recipes STAGE`."""

from __future__ import annotations

# in the order in which they stand on each other; each module has `run`, which takes a device, or a
# workplace where it is in `OF_A_BASE`, and minutes, and may have `due()`
STAGES = {
    "base": "lorarium.recipes.base_stage",
    "micro2": "lorarium.recipes.micro2",
    "judges": "lorarium.recipes.judges",
    "inside": "lorarium.recipes.activations",
    "zoo": "lorarium.recipes.zoo",
    "describe": "lorarium.recipes.describe",
    "sample": "lorarium.recipes.sample",
    "merge": "lorarium.recipes.merge",
    "roles": "lorarium.recipes.roles",
    "forecast": "lorarium.recipes.forecast",
    "synth": "lorarium.recipes.synth",
    "lora_diffusion": "lorarium.recipes.lora_diffusion",
}
# those that can be run for any base
OF_A_BASE = ("inside", "zoo", "describe", "merge", "roles", "forecast", "synth")
