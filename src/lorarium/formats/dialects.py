"""How each dialect spells a module, as data, and what it can express."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .families import Family

ALL_KINDS = frozenset({"lora", "tucker", "loha", "lokr", "full", "bias", "dora"})
# kinds that are carried, not taken apart
CARRIED = frozenset({"oft", "boft", "ia3", "glora", "norm", "set-weight", "reshape-weight"})
_PLAIN = frozenset({"lora"})
_PEFT_KINDS = frozenset({"lora", "dora", "bias"})

_KOHYA = {"down": "lora_down.weight", "up": "lora_up.weight", "mid": "lora_mid.weight"}
_PEFT = {"down": "lora_A.weight", "up": "lora_B.weight", "up_bias": "lora_B.bias"}
_PEFT |= {"magnitude": "lora_magnitude_vector"}
_PEFT_TEXT = _PEFT | {"magnitude": "lora_magnitude_vector.weight"}
_OLD = {"down": "lora.down.weight", "up": "lora.up.weight"}
_OLD_TEXT = {"down": "lora_linear_layer.down.weight", "up": "lora_linear_layer.up.weight"}


@dataclass(frozen=True)
class Dialect:
    """`denoiser` and `encoder` are prefixes, with {net} for the family's or the part's name.

    `native`: the original checkpoint's names (True), diffusers' (False), or the family's usual
    (None). `alpha`: a key beside the factors, a config, or folded into the factors.
    """

    id: str
    title: str
    denoiser: str
    encoder: str
    flat: bool = False
    native: bool | None = False
    alpha: str = "fold"
    kinds: frozenset[str] = _PEFT_KINDS
    tails: Mapping[str, str] | None = None
    encoder_tails: Mapping[str, str] | None = None
    attention_only: bool = False
    opaque: tuple[str, ...] = ()
    carries: frozenset[str] = frozenset()

    @property
    def two_denoisers(self) -> bool:
        """Whether a file (or a folder of PEFT folders) can hold two experts."""
        return "{net}" in self.denoiser or self.id == "peft"

    def tail(self, slot: str, part: str) -> str:
        """Suffix of a slot's key; slots without a word of their own keep their name."""
        encoder = not part.startswith("denoiser")
        tails = self.encoder_tails if encoder and self.encoder_tails else self.tails
        return (tails or _PEFT).get(slot, slot)

    def prefix(self, part: str, family: Family | None) -> str:
        if part.startswith("denoiser"):
            net = family.denoiser if family else "transformer"
            if part != "denoiser":
                net += "_2"
            return self.denoiser.format(net=net)
        encoder = family.encoders.get(part) if family else None
        kohya = encoder.kohya if encoder else _GUESSED_KOHYA.get(part, "te")
        comfy = encoder.comfy if encoder else part
        return self.encoder.format(net=part, kohya=kohya, comfy=comfy)

    def uses_native(self, family: Family | None) -> bool:
        if family is None:
            return bool(self.native)
        if self.native is None:
            return family.kohya_native
        return self.native and (family.comfy_native or self.flat)


_GUESSED_KOHYA = {"text_encoder": "te1", "text_encoder_2": "te2", "text_encoder_3": "te3"}


def _kohya(id: str, title: str, prefix: str, native: bool | None) -> Dialect:
    return Dialect(
        id,
        title,
        prefix,
        "lora_{kohya}_",
        flat=True,
        native=native,
        alpha="key",
        kinds=ALL_KINDS,
        tails=_KOHYA,
        opaque=("lora_", "lycoris_", "bundle_emb."),
        carries=CARRIED,
    )


DIALECTS: dict[str, Dialect] = {
    dialect.id: dialect
    for dialect in (
        _kohya("kohya", "kohya, the family's usual names", "lora_unet_", None),
        _kohya("kohya-diffusers", "kohya with diffusers names", "lora_unet_", False),
        _kohya("kohya-ldm", "kohya with the original checkpoint's names", "lora_unet_", True),
        _kohya("lora-transformer", "OneTrainer's mixture", "lora_transformer_", False),
        _kohya("lycoris", "LyCORIS with diffusers names", "lycoris_", False),
        # transformers wants a magnitude's `.weight` spelled out, diffusers and PEFT do not
        Dialect("diffusers", "diffusers", "{net}.", "{net}.", encoder_tails=_PEFT_TEXT),
        Dialect(
            "diffusers-0.17",
            "diffusers 0.17 to 0.2x",
            "{net}.",
            "{net}.",
            kinds=_PLAIN,
            tails=_OLD,
            encoder_tails=_OLD_TEXT,
        ),
        Dialect(
            "diffusers-double",
            "diffusers with a doubled prefix",
            "{net}.{net}.",
            "{net}.",
            kinds=_PLAIN,
            tails=_OLD,
            encoder_tails=_OLD_TEXT,
        ),
        Dialect(
            "attention-processors",
            "attention processors",
            "",
            "{net}.",
            kinds=_PLAIN,
            tails=_OLD,
            encoder_tails=_OLD_TEXT,
            attention_only=True,
        ),
        Dialect(
            "attention-processors-unet",
            "attention processors with prefix",
            "{net}.",
            "{net}.",
            kinds=_PLAIN,
            tails=_OLD,
            encoder_tails=_OLD_TEXT,
            attention_only=True,
        ),
        Dialect("bare", "module names without a prefix", "", "{net}."),
        Dialect("peft", "PEFT folder", "base_model.model.", "base_model.model.", alpha="config"),
        Dialect(
            "peft-bare",
            "PEFT file without its config",
            "base_model.model.{net}.",
            "base_model.model.{net}.",
        ),
        Dialect(
            "comfy",
            "ComfyUI",
            "diffusion_model.",
            "text_encoders.{comfy}.transformer.",
            native=True,
            alpha="key",
            kinds=ALL_KINDS,
            tails=_KOHYA,
            opaque=("diffusion_model.", "text_encoders.", "bundle_emb."),
            carries=CARRIED - {"ia3"},
        ),
        Dialect(
            "comfy-peft",
            "ComfyUI names with PEFT's suffixes",
            "diffusion_model.",
            "text_encoders.{comfy}.transformer.",
            native=True,
            opaque=("diffusion_model.", "text_encoders.", "bundle_emb."),
            carries=CARRIED - {"ia3"},
        ),
        Dialect("cloneofsimo", "positions (cloneofsimo)", "", "", kinds=_PLAIN),
    )
}
TARGETS = ("kohya", "diffusers", "peft", "comfy")
