"""The base models that have a module table: id, network, encoders, how their files spell it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Encoder:
    """A text encoder: its table, its kohya prefix and its name in ComfyUI."""

    net: str
    kohya: str
    comfy: str


@dataclass(frozen=True)
class Entry:
    """What is known of a family beside its tables.

    `names` are spellings of network prefixes -> part; `stamps` what metadata calls it; `variants`
    other networks of the family, smaller or with other sizes at a few places, and what each is.
    `kohya_native`, `comfy_native`: whether files of that kind bear the original checkpoint's names
    or diffusers'. `weight`: how common its files are beside those of others with equal shapes.
    `experts`: it has two denoisers of equal shape.
    """

    id: str
    title: str
    net: str
    denoiser: str = "transformer"
    encoders: Mapping[str, Encoder] = field(default_factory=dict)
    stamps: tuple[str, ...] = ()
    kohya_native: bool = True
    comfy_native: bool = True
    names: Mapping[str, str] = field(default_factory=dict)
    variants: Mapping[str, str] = field(default_factory=dict)
    weight: float = 1.0
    experts: bool = False


_CLIP_L = Encoder("clip-l", "te1", "clip_l")
_XL = {"text_encoder": _CLIP_L, "text_encoder_2": Encoder("clip-g", "te2", "clip_g")}
_XL_NAMES = {"te": "text_encoder"}
_T5 = {"text_encoder": Encoder("t5-xxl", "te", "t5xxl")}
_RARE = 0.05

_UNETS = (
    Entry(
        "sd1",
        "Stable Diffusion 1.x",
        "unet-sd1",
        "unet",
        {"text_encoder": Encoder("clip-l", "te", "clip_l")},
        ("sd_v1", "sd1", "stable-diffusion-v1", "sd-1", "sd 1"),
        kohya_native=False,
        names={"te1": "text_encoder"},
    ),
    Entry(
        "sdxl",
        "Stable Diffusion XL",
        "unet-sdxl",
        "unet",
        _XL,
        ("sdxl_base", "sdxl", "stable-diffusion-xl", "pony", "illustrious", "noob"),
        names=_XL_NAMES,
    ),
    Entry(
        "flux1",
        "FLUX.1",
        "flux1",
        encoders={"text_encoder": _CLIP_L, "text_encoder_2": Encoder("t5-xxl", "te3", "t5xxl")},
        stamps=("flux1", "flux-1", "flux.1"),
        names={"te": "text_encoder", "te2": "text_encoder_2"},
        variants={"flux1-control": "FLUX.1 Control", "flux1-fill": "FLUX.1 Fill"},
    ),
    Entry(
        "sd2",
        "Stable Diffusion 2.x",
        "unet-sd2",
        "unet",
        {"text_encoder": Encoder("clip-h", "te", "clip_h")},
        ("sd_v2", "stable-diffusion-v2", "sd-2", "sd 2"),
        kohya_native=False,
        names={"te1": "text_encoder"},
    ),
    Entry("ssd-1b", "SSD-1B", "unet-ssd-1b", "unet", _XL, ("ssd-1b", "ssd_1b"), names=_XL_NAMES),
    Entry("vega", "Segmind Vega", "unet-vega", "unet", _XL, ("segmind-vega",), names=_XL_NAMES),
    Entry(
        "koala",
        "KOALA",
        "unet-koala",
        "unet",
        _XL,
        ("koala",),
        names=_XL_NAMES,
        variants={"unet-koala-700m": "KOALA-700M"},
    ),
    Entry(
        "sdxl-refiner",
        "Stable Diffusion XL refiner",
        "unet-sdxl-refiner",
        "unet",
        {"text_encoder_2": Encoder("clip-g", "te2", "clip_g")},
        ("stable-diffusion-xl-v1-refiner", "sdxl_refiner"),
    ),
    Entry(
        "micro-1",
        "micro-1, the embedded base",
        "micro-1",
        encoders={"text_encoder": Encoder("micro-1-text", "te", "micro")},
        stamps=("micro-1",),
        kohya_native=False,
    ),
    Entry(
        "micro-2",
        "micro-2, the embedded base of Stable Diffusion's kind",
        "micro-2",
        "unet",
        {"text_encoder": Encoder("micro-2-text", "te", "micro2")},
        ("micro-2",),
        kohya_native=False,
        names={"te1": "text_encoder"},
    ),
)

_SD3_ENCODERS = {**_XL, "text_encoder_3": Encoder("t5-xxl", "te3", "t5xxl")}
_TRANSFORMERS = (
    Entry(
        "sd3",
        "Stable Diffusion 3 medium",
        "sd3",
        encoders=_SD3_ENCODERS,
        stamps=("sd3_m", "sd3-m", "stable-diffusion-3-medium", "sd3_medium"),
        names=_XL_NAMES,
    ),
    Entry(
        "sd35-medium",
        "Stable Diffusion 3.5 medium",
        "sd35-medium",
        encoders=_SD3_ENCODERS,
        stamps=("sd3.5_m", "sd3.5-m", "sd35_m", "sd3-5-m", "stable-diffusion-3.5-medium"),
        names=_XL_NAMES,
    ),
    Entry(
        "sd35-large",
        "Stable Diffusion 3.5 large",
        "sd35-large",
        encoders=_SD3_ENCODERS,
        stamps=("sd3.5_l", "sd3.5-l", "sd35_l", "sd3-5-l", "stable-diffusion-3.5-large"),
        names=_XL_NAMES,
    ),
    Entry(
        "qwen-image",
        "Qwen-Image and its Edit",
        "qwen-image",
        stamps=("qwen_image", "qwen-image", "qwenimage"),
    ),
    Entry(
        "z-image",
        "Z-Image, Base and Turbo",
        "z-image",
        stamps=("z_image", "z-image", "zimage"),
        kohya_native=False,
        comfy_native=False,
    ),
    Entry(
        "wan-14b",
        "Wan 2.1 14B and Wan 2.2 A14B",
        "wan-14b",
        stamps=("wan2.1-t2v-14b", "wan2.1-i2v-14b", "wan21_14b", "wan2.1_14b", "a14b", "wan22_14b"),
        variants={
            "wan-14b-t2v": "text to video",
            "wan-14b-a14b-i2v": "Wan 2.2 image to video",
        },
        experts=True,
    ),
    Entry(
        "wan-1.3b",
        "Wan 2.1 1.3B",
        "wan-1.3b",
        stamps=("wan2.1-t2v-1.3b", "wan21_1_3b", "wan2.1_1.3b"),
    ),
    Entry("wan-5b", "Wan 2.2 TI2V 5B", "wan-5b", stamps=("ti2v-5b", "wan22_5b", "wan2.2_5b")),
    Entry(
        "flux2-dev",
        "FLUX.2 dev",
        "flux2-dev",
        stamps=("flux.2-dev", "flux2-dev", "flux2_dev", "flux-2-dev"),
    ),
    Entry("flux2-klein-4b", "FLUX.2 klein 4B", "flux2-klein-4b", stamps=("klein-4b", "klein_4b")),
    Entry("flux2-klein-9b", "FLUX.2 klein 9B", "flux2-klein-9b", stamps=("klein-9b", "klein_9b")),
    Entry(
        "hunyuan-video",
        "HunyuanVideo",
        "hunyuan-video",
        encoders={"text_encoder_2": Encoder("clip-l", "te2", "clip_l")},
        stamps=("hunyuan_video", "hunyuan-video", "hunyuanvideo"),
    ),
    Entry(
        "hunyuan-image",
        "HunyuanImage 2.1",
        "hunyuan-image",
        stamps=("hunyuan_image", "hunyuan-image", "hunyuanimage"),
    ),
    Entry("ltx-video", "LTX-Video 2B", "ltx-video", stamps=("ltxv_2b", "ltx-video-2b")),
    Entry(
        "ltx-video-13b",
        "LTX-Video 13B",
        "ltx-video-13b",
        stamps=("ltxv_13b", "ltx-video-13b", "ltxv-13b"),
    ),
    Entry("chroma", "Chroma", "chroma", encoders=_T5, stamps=("chroma",), weight=0.2),
    Entry(
        "pixart",
        "PixArt-alpha and sigma",
        "pixart",
        encoders=_T5,
        stamps=("pixart",),
        kohya_native=False,
    ),
    Entry("lumina2", "Lumina Image 2", "lumina2", stamps=("lumina2", "lumina-2", "lumina-image")),
    Entry(
        "sana",
        "Sana 1.6B and 4.8B",
        "sana-4.8b",
        stamps=("sana",),
        kohya_native=False,
        variants={"sana": "Sana 1.6B"},
    ),
    Entry("sana-0.6b", "Sana 0.6B", "sana-0.6b", kohya_native=False),
    Entry("auraflow", "AuraFlow", "auraflow", stamps=("auraflow",)),
    Entry("hidream", "HiDream-I1", "hidream", stamps=("hidream",)),
    Entry("krea2", "Krea 2", "krea2", stamps=("krea2", "krea-2")),
    Entry("cogvideox-2b", "CogVideoX 2B", "cogvideox-2b", stamps=("cogvideox-2b",)),
    Entry(
        "cogvideox-5b",
        "CogVideoX 5B and 1.5",
        "cogvideox-1.5-5b",
        stamps=("cogvideox-5b", "cogvideox1.5"),
        variants={
            "cogvideox-5b": "CogVideoX 5B",
            "cogvideox-5b-i2v": "CogVideoX 5B image to video",
        },
    ),
    Entry("cogview4", "CogView4", "cogview4", stamps=("cogview4",)),
    Entry("mochi", "Mochi 1", "mochi", stamps=("mochi",)),
    Entry(
        "cosmos-2b",
        "Cosmos-Predict2 2B and Anima",
        "cosmos-2b",
        stamps=("cosmos-predict2-2b", "anima"),
    ),
    Entry("cosmos-7b", "Cosmos 1 7B", "cosmos-7b"),
    Entry("cosmos-14b", "Cosmos 14B", "cosmos-14b"),
    Entry("kandinsky5-lite", "Kandinsky 5 Video Lite", "kandinsky5-lite"),
    Entry("kandinsky5-image", "Kandinsky 5 Image Lite", "kandinsky5-image"),
    Entry("kandinsky5-pro", "Kandinsky 5 Video Pro", "kandinsky5-pro"),
    Entry(
        "stable-cascade-prior",
        "Stable Cascade, stage C",
        "stable-cascade-prior",
        "prior",
        stamps=("stable-cascade", "cascade"),
        kohya_native=False,
    ),
    Entry("kandinsky2-prior", "Kandinsky 2, the prior", "kandinsky2-prior", "prior"),
    Entry("ltx-2", "LTX-2", "ltx-2", stamps=("ltx-2", "ltx2")),
    Entry(
        "hunyuan-video-1.5",
        "HunyuanVideo 1.5",
        "hunyuan-video-1.5",
        stamps=("hunyuanvideo-1.5", "hunyuan_video_1_5"),
    ),
    Entry(
        "hunyuan-video-framepack",
        "FramePack",
        "hunyuan-video-framepack",
        stamps=("framepack",),
        weight=0.2,
    ),
    Entry(
        "qwen-image-2.1",
        "Qwen-Image 2.1",
        "qwen-image-2.1",
        stamps=("qwen-image-2.1", "qwen_image_2_1"),
    ),
    Entry("flux3", "FLUX.3", "flux3", stamps=("flux3", "flux-3", "flux.3")),
    Entry(
        "longcat-image",
        "LongCat-Image",
        "longcat-image",
        stamps=("longcat",),
        variants={"longcat-image-10": "of 10 and 20 blocks"},
        weight=_RARE,
    ),
    Entry("ovis-image", "Ovis-Image", "ovis-image", stamps=("ovis",), weight=_RARE),
    Entry("bria", "Bria 3", "bria", stamps=("bria-3", "bria_3"), weight=_RARE),
    Entry(
        "bria-fibo",
        "Bria FIBO",
        "bria-fibo",
        stamps=("fibo",),
        variants={"bria-fibo-8": "of 8 and 38 blocks"},
        weight=_RARE,
    ),
    Entry("bria-fibo-2", "Bria FIBO 2", "bria-fibo-2", weight=_RARE),
    Entry("wan-vace-14b", "Wan 2.1 VACE 14B", "wan-vace-14b", stamps=("vace-14b",), weight=_RARE),
    Entry(
        "wan-vace-1.3b", "Wan 2.1 VACE 1.3B", "wan-vace-1.3b", stamps=("vace-1.3b",), weight=_RARE
    ),
    Entry(
        "wan-animate",
        "Wan 2.2 Animate",
        "wan-animate",
        stamps=("wan2.2-animate", "wan-animate"),
        weight=_RARE,
    ),
    Entry("wan-animate-2", "Wan Animate 2", "wan-animate-2", weight=_RARE),
    Entry("anyflow", "AnyFlow", "anyflow", weight=_RARE),
    Entry("anyflow-far", "AnyFlow FAR", "anyflow-far", weight=_RARE),
    Entry("helios", "Helios", "helios", weight=_RARE),
    Entry("sana-video", "Sana Video", "sana-video", weight=_RARE),
    Entry("motif-video", "Motif Video", "motif-video", weight=_RARE),
    Entry("cogview3", "CogView3 Plus", "cogview3", weight=_RARE),
    Entry("cogview4-64", "CogView4 of 64 heads", "cogview4-64", weight=_RARE),
    Entry("consisid", "ConsisID", "consisid", weight=_RARE),
    Entry("consisid-2b", "ConsisID of 30 heads", "consisid-2b", weight=_RARE),
    Entry("glm-image", "GLM-Image", "glm-image", stamps=("glm-image",)),
    Entry("glm-image-40", "GLM-Image of 64 heads", "glm-image-40", weight=_RARE),
    Entry("cosmos3", "Cosmos 3 Omni", "cosmos3"),
    Entry("kandinsky6", "Kandinsky 6", "kandinsky6"),
    Entry("kandinsky6-sr", "Kandinsky 6, super-resolution", "kandinsky6-sr"),
    Entry("ernie-image", "ERNIE-Image", "ernie-image", stamps=("ernie",)),
    Entry("ideogram4", "Ideogram 4", "ideogram4", stamps=("ideogram",)),
    Entry("minimax-h3", "MiniMax H3", "minimax-h3"),
    Entry("nucleus-image", "Nucleus-Image", "nucleus-image"),
    Entry("amused", "aMUSEd", "amused"),
    Entry("ace-step", "ACE-Step (music)", "ace-step"),
    Entry("anima-text", "Anima, the text conditioner", "anima-text", "text_conditioner"),
)
# In order of how likely a file is when shapes alone cannot decide.
ENTRIES: tuple[Entry, ...] = (*_UNETS, *_TRANSFORMERS)
