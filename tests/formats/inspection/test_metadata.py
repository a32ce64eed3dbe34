"""Training metadata of each trainer, read; hostile values, survived."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lorarium.formats.inspection.metadata import training, trigger_words

KOHYA = {
    "ss_output_name": "inkwash",
    "ss_sd_model_name": "v1-5-pruned.safetensors",
    "ss_base_model_version": "sd_v1",
    "ss_network_module": "lycoris.kohya",
    "ss_network_args": json.dumps({"algo": "loha", "conv_dim": 4}),
    "ss_network_dim": "16",
    "ss_network_alpha": "8.0",
    "ss_learning_rate": "0.0001",
    "ss_steps": "1200",
    "ss_epoch": "10",
    "ss_num_train_images": "400",
    "ss_training_started_at": "1700000000.5",
    "ss_seed": "42",
    "ss_clip_skip": "None",
    "ss_dataset_dirs": json.dumps({"10_inkwash": {"n_repeats": 10, "img_count": 40}}),
    "ss_tag_frequency": json.dumps({"10_inkwash": {"inkwash": 40, "tree": 12, "no humans": 38}}),
}


def test_kohya() -> None:
    facts = training(KOHYA)
    assert facts["tool"] == "kohya sd-scripts" and facts["algorithm"] == "loha"
    assert (facts["rank"], facts["alpha"], facts["steps"]) == (16, 8, 1200)
    assert facts["started"] == "2023-11-14T22:13:20+00:00"
    assert "clip_skip" not in facts
    assert facts["datasets"] == [{"folder": "10_inkwash", "pictures": 40, "repeats": 10}]


def test_trigger_words_are_the_tags_of_nearly_every_picture() -> None:
    words = [(word.text, word.share) for word in trigger_words(KOHYA)]
    assert words == [("inkwash", 1.0), ("no humans", 0.95)]


def test_stated_phrase_comes_first() -> None:
    words = trigger_words({**KOHYA, "modelspec.trigger_phrase": "ink wash painting"})
    assert words[0].text == "ink wash painting" and words[0].source == "modelspec.trigger_phrase"


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        (
            {
                "software": json.dumps({"name": "ai-toolkit", "version": "0.5"}),
                "training_info": json.dumps({"step": 2000, "epoch": 3}),
                "ss_base_model_version": "flux1",
            },
            {"tool": "ai-toolkit 0.5", "steps": 2000, "epochs": 3, "base": "flux1"},
        ),
        (
            {
                "ot_branch": "master",
                "ot_config": json.dumps(
                    {
                        "base_model_name": "some/model",
                        "lora_rank": 16,
                        "lora_alpha": 1.0,
                        "optimizer": {"optimizer": "ADAMW"},
                    }
                ),
            },
            {
                "tool": "OneTrainer",
                "base": "some/model",
                "rank": 16,
                "alpha": 1,
                "optimizer": "ADAMW",
            },
        ),
        (
            {"modelspec.implementation": "x", "modelspec.title": "t", "modelspec.tags": "a, b"},
            {"tool": "x", "title": "t", "tags": ["a", "b"]},
        ),
        ({"unet:0:rank": "4"}, {"tool": "cloneofsimo/lora"}),
        ({"lora_adapter_metadata": "{}", "format": "pt"}, {"tool": "diffusers"}),
        ({"format": "pt"}, {}),
    ],
)
def test_other_trainers(metadata: dict[str, str], expected: dict[str, object]) -> None:
    facts = training(metadata)
    assert {key: facts.get(key) for key in expected} == expected
    assert bool(facts) == bool(expected)


def test_embedded_tokens_are_trigger_words() -> None:
    metadata = {"<s1>": "<embed>", "<s2>": "<embed>", "<b>x</b>": "<embed>", "<s3>": "no"}
    assert [word.text for word in trigger_words(metadata)] == ["<s1>", "<s2>"]


def test_escapes_are_visible_and_long_text_is_cut() -> None:
    facts = training({"modelspec.title": "\x1b[31mred\x07\n" + "x" * 10_000})
    assert facts["title"].startswith("\\x1b[31mred\\x07") and len(facts["title"]) == 500
    assert facts["title"].isprintable()


@pytest.mark.parametrize("value", ["nan", "inf", "-1e999", "9" * 5000, "1e400", "{}", "[", "\0"])
def test_numbers_that_are_none(value: str) -> None:
    for key in ("ss_steps", "ss_training_started_at", "ss_learning_rate"):
        facts = training({key: value})
        json.dumps(facts, allow_nan=False)


SHAPES = ['"x"', "[]", "[1]", "1", "null", '{"a":1}', '{"a":{"b":[]}}', '{"a":{"img_count":{}}}']


@pytest.mark.parametrize("value", [*SHAPES, "[" * 100_000, '{"a":' * 100_000, "{" + '"a":NaN}'])
@pytest.mark.parametrize(
    "key",
    [
        "ss_tag_frequency",
        "ss_dataset_dirs",
        "ss_datasets",
        "ot_config",
        "software",
        "ss_network_args",
    ],
)
def test_json_of_another_shape_is_ignored(key: str, value: str) -> None:
    json.dumps([training({key: value}), [word.text for word in trigger_words({key: value})]])


KEYS = st.sampled_from([*KOHYA, "software", "ot_config", "modelspec.tags", "training_info", "<a>"])
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(st.dictionaries(KEYS, st.text() | JSON.map(json.dumps)))
def test_any_metadata_gives_clean_json(metadata: dict[str, str]) -> None:
    json.dumps(training(metadata), allow_nan=False)
    assert all(word.text.isprintable() for word in trigger_words(metadata))
