"""Training metadata made readable: one table of what is said under which key by which trainer.

Everything here is somebody's claim about the file. It is text from a stranger: sizes are
limited, numbers must be finite, and no string leaves with a control character in it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from lorarium.errors import one_line

MAX_JSON = 16 * 2**20  # characters of JSON inside one metadata value
MAX_TEXT = 500
MAX_LIST = 100

Metadata = Mapping[str, str]


@dataclass(frozen=True)
class TriggerWord:
    """A word that should wake the adapter, who says so, and in what share of the pictures."""

    text: str
    source: str
    share: float | None = None


def text(value: object) -> str | None:
    """One harmless line, or None for nothing."""
    line = one_line(str(value), MAX_TEXT) if isinstance(value, (str, int, float)) else ""
    return None if line in ("", "None", "null", "{}", "[]") else line


def number(value: object) -> int | float | None:
    """A finite number, whole where it is whole."""
    try:
        x = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    if not math.isfinite(x):
        return None
    return int(x) if x == int(x) and abs(x) < 2**53 else x


def moment(value: object) -> str | None:
    """Seconds since 1970 as a date in UTC."""
    seconds = number(value)
    try:
        stamp = datetime.fromtimestamp(seconds or 0, UTC)
    except (OverflowError, OSError, ValueError):
        return None
    return stamp.isoformat(timespec="seconds") if seconds else None


def words(value: object) -> list[str] | None:
    """A list of words from JSON or from text with commas."""
    if isinstance(value, str):
        inner = parse_json(value) if value.lstrip().startswith("[") else None
        value = inner if isinstance(inner, list) else value.split(",")
    if not isinstance(value, list):
        return None
    lines = [line for line in map(text, value[:MAX_LIST]) if line]
    return lines or None


def parse_json(value: str) -> Any:
    """The JSON inside a metadata value, None when it is not any or too much."""
    if len(value) > MAX_JSON:
        return None
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return None


def table(value: object) -> dict[str, Any]:
    """A JSON table, empty when it is anything else."""
    document = parse_json(value) if isinstance(value, str) else value
    return document if isinstance(document, dict) else {}


# field -> how to read it, and the keys that may hold it, best first; `a/b` is `b` inside JSON `a`
FIELDS: tuple[tuple[str, Callable[[object], Any], tuple[str, ...]], ...] = (
    ("title", text, ("modelspec.title", "ss_output_name", "name")),
    ("author", text, ("modelspec.author",)),
    ("license", text, ("modelspec.license",)),
    ("description", text, ("modelspec.description",)),
    ("usage_hint", text, ("modelspec.usage_hint",)),
    ("comment", text, ("ss_training_comment",)),
    ("architecture", text, ("modelspec.architecture",)),
    (
        "base",
        text,
        ("ss_base_model_version", "ot_config/base_model_name", "lora_adapter_metadata/base_model"),
    ),
    ("base_file", text, ("ss_sd_model_name", "ot_config/base_model_name")),
    ("base_hash", text, ("ss_new_sd_model_hash", "ss_sd_model_hash")),
    ("prediction_type", text, ("modelspec.prediction_type",)),
    ("network", text, ("ss_network_module", "ot_config/peft_type")),
    ("rank", number, ("ss_network_dim", "ot_config/lora_rank")),
    ("alpha", number, ("ss_network_alpha", "ot_config/lora_alpha")),
    ("optimizer", text, ("ss_optimizer", "ot_config/optimizer/optimizer")),
    ("learning_rate", number, ("ss_learning_rate", "ot_config/learning_rate")),
    ("unet_learning_rate", number, ("ss_unet_lr", "ot_config/unet/learning_rate")),
    ("text_encoder_learning_rate", number, ("ss_text_encoder_lr",)),
    ("scheduler", text, ("ss_lr_scheduler", "ot_config/learning_rate_scheduler")),
    ("pictures", number, ("ss_num_train_images",)),
    ("batch_size", number, ("ss_total_batch_size", "ss_batch_size_per_device")),
    ("steps", number, ("ss_steps", "training_info/step", "ss_max_train_steps")),
    ("epochs", number, ("ss_epoch", "training_info/epoch", "ot_config/epochs")),
    ("resolution", text, ("ss_resolution", "modelspec.resolution", "ot_config/resolution")),
    ("clip_skip", number, ("ss_clip_skip",)),
    ("noise_offset", number, ("ss_noise_offset",)),
    ("precision", text, ("ss_mixed_precision", "ot_config/train_dtype")),
    ("seed", number, ("ss_seed", "ot_config/seed")),
    ("started", moment, ("ss_training_started_at",)),
    ("finished", moment, ("ss_training_finished_at",)),
    ("date", text, ("modelspec.date",)),
    ("tags", words, ("modelspec.tags",)),
    ("merged_from", text, ("modelspec.merged_from",)),
)

TOOLS: tuple[tuple[str, str], ...] = (
    ("ot_branch", "OneTrainer"),
    ("ot_config", "OneTrainer"),
    ("ss_network_module", "kohya sd-scripts"),
    ("ss_sd_scripts_commit_hash", "kohya sd-scripts"),
    ("lora_adapter_metadata", "diffusers"),
    ("unet:0:rank", "cloneofsimo/lora"),
    ("text_encoder:0:rank", "cloneofsimo/lora"),
)


def training(metadata: Metadata) -> dict[str, Any]:
    """What the file says about its making, in plain fields; absent fields are left out."""
    tables: dict[str, dict[str, Any]] = {}

    def look_up(key: str) -> object:
        name, _, rest = key.partition("/")
        if not rest:
            return metadata.get(name)
        if name not in tables:
            tables[name] = table(metadata.get(name))
        value: Any = tables[name]
        for step in rest.split("/"):
            value = value.get(step) if isinstance(value, dict) else None
        return value

    facts: dict[str, Any] = {}
    if tool := trainer(metadata):
        facts["tool"] = tool
    for name, read, keys in FIELDS:
        for key in keys:
            value = look_up(key)
            read_value = read(value) if value is not None else None
            if read_value is not None:
                facts[name] = read_value
                break
    if algorithm := text(table(metadata.get("ss_network_args")).get("algo")):
        facts["algorithm"] = algorithm
    if data := datasets(metadata):
        facts["datasets"] = data
    return facts


def trainer(metadata: Metadata) -> str | None:
    """The program that says it wrote the file."""
    software = table(metadata.get("software"))
    if name := text(software.get("name")):
        version = text(software.get("version"))
        return f"{name} {version}" if version else name
    for key, name in TOOLS:
        if key in metadata:
            return name
    return text(metadata.get("modelspec.implementation"))


def datasets(metadata: Metadata) -> list[dict[str, Any]]:
    """Folders of training pictures: name, number of pictures, repeats."""
    rows: list[dict[str, Any]] = []
    folders = table(metadata.get("ss_dataset_dirs"))
    for name, facts in list(folders.items())[:MAX_LIST]:
        facts = facts if isinstance(facts, dict) else {}
        row = {
            "folder": text(name) or "",
            "pictures": number(facts.get("img_count")),
            "repeats": number(facts.get("n_repeats")),
        }
        rows.append({key: value for key, value in row.items() if value is not None})
    return rows


def tag_shares(metadata: Metadata) -> list[tuple[str, float]]:
    """Training tags and the share of the pictures that carry them, most frequent first.

    Where the number of pictures is not told, the most frequent tag stands for all of them.
    """
    folders = {row["folder"]: row.get("pictures") for row in datasets(metadata)}
    counts: dict[str, float] = {}
    total = 0.0
    for folder, tags in table(metadata.get("ss_tag_frequency")).items():
        if not isinstance(tags, dict):
            continue
        here: dict[str, float] = {}
        for tag, count in tags.items():
            name, times = text(tag), number(count)
            if name and times and times > 0:
                here[name] = here.get(name, 0) + times
        if not here:
            continue
        pictures = folders.get(text(folder) or "") or 0
        total += max(pictures, *here.values()) if pictures else max(here.values())
        for name, times in here.items():
            counts[name] = counts.get(name, 0) + times
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [(name, round(min(times / total, 1.0), 4)) for name, times in ranked if total]


TOKEN = re.compile(r"<[^<>\s]{1,60}>")
ALWAYS = 0.9  # a tag on this share of the pictures was most likely put there on purpose


def trigger_words(metadata: Metadata, limit: int = 20) -> list[TriggerWord]:
    """Words to wake the adapter: stated ones, embeddings, then tags of nearly every picture."""
    triggers: dict[str, TriggerWord] = {}

    def add(word: str | None, source: str, share: float | None = None) -> None:
        if word and word not in triggers and len(triggers) < limit:
            triggers[word] = TriggerWord(word, source, share)

    for key in ("modelspec.trigger_phrase", "trigger_word", "instance_prompt", "ss_trigger_words"):
        add(text(metadata.get(key)), key)
    for key, value in metadata.items():
        if TOKEN.fullmatch(key) and value == "<embed>":
            add(text(key), "embedding in the file")
    for tag, share in tag_shares(metadata):
        if share >= ALWAYS:
            add(tag, "training tags", share)
    subsets = parse_json(metadata.get("ss_datasets", ""))
    for dataset in subsets if isinstance(subsets, list) else []:
        inner = dataset.get("subsets") if isinstance(dataset, dict) else None
        for subset in inner[:MAX_LIST] if isinstance(inner, list) else []:
            if isinstance(subset, dict):
                add(text(subset.get("class_tokens")), "class tokens")
    return list(triggers.values())
