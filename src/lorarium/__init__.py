"""LoRA adapters of text-to-image diffusion models, treated as data."""

from lorarium.adapter import Adapter
from lorarium.errors import LorariumError

__version__ = "0.1.0"
__all__ = ["Adapter", "LorariumError", "__version__"]
