import json
from pathlib import Path

import numpy as np
import pytest

from deltas import adapter, difference, make, matrix
from lorarium import LorariumError, algebra
from lorarium.adapter import Adapter, LowRank
from lorarium.mergers import METHODS, merge, merge_with_report, method
from lorarium.mergers.weights_file import read_weights

LOW = ("lora", "locon", "tucker", "loha")


def test_identity_merge_returns_its_input_tensor_for_tensor():
    a = adapter(1, dtype=np.float16).with_(opaque={"k": np.ones(2, np.float32)})
    b = merge([a])
    assert all(b[m] is a[m] for m in a) and len(b) == len(a)
    assert b.opaque["k"] is a.opaque["k"]
    assert (b.family, b.dialect) == (a.family, a.dialect)
    assert algebra.fingerprint(b) == algebra.fingerprint(a)


def test_it_equals_the_adapters_applied_together():
    a, b = adapter(1, kinds=LOW), adapter(2, kinds=LOW)
    both = merge([a, b], [0.7, -0.4])
    assert set(both) == set(a) | set(b)
    for module, delta in both.items():
        assert difference(matrix(delta), 0.7 * matrix(a[module]) - 0.4 * matrix(b[module])) < 1e-6
        assert both.dialect == "kohya"


def test_truncation_is_optimal_reported_and_in_the_dtype_of_the_inputs():
    a, b = (adapter(s, kinds=LOW, dtype=np.float16) for s in (1, 2))
    exact = merge([a, b], [0.7, 0.3])
    small, report = merge_with_report([a, b], [0.7, 0.3], rank=2)
    for layer in report.truncation.layers:
        (module,) = layer.modules
        S = np.linalg.svd(matrix(exact[module]), compute_uv=False)
        assert layer.error == pytest.approx(np.linalg.norm(S[layer.rank :]), rel=1e-4)
        assert small[module].up.dtype == np.float16


def test_rank_full_allows_whole_matrices():
    a, b = (Adapter({("denoiser", "x"): make("lokr-whole", s)}) for s in (1, 2))
    with pytest.raises(LorariumError, match="only a full matrix"):
        merge([a, b])
    expected = matrix(a["denoiser", "x"]) + matrix(b["denoiser", "x"])
    assert difference(matrix(merge([a, b], rank="full")["denoiser", "x"]), expected) < 1e-6
    S = np.linalg.svd(expected, compute_uv=False)
    assert merge_with_report([a, b], rank=1)[1].truncation.error == pytest.approx(
        np.linalg.norm(S[1:]), rel=1e-5
    )


def places(*paths, seed=0):
    deltas = {("denoiser", path): make("lora", seed) for path in paths}
    return Adapter({**deltas, ("text_encoder", "t"): make("lora", seed)}, family="sd1")


def scales(result, like):
    return {m.path: d.scale / like[m].scale for m, d in result.items()}


def test_block_pattern_and_module_weights_multiply():
    a = places("down_blocks.1.attentions.0.to_q", "up_blocks.3.attentions.2.to_q", "mid_block.x")
    result = merge([a], [2.0], blocks={"IN04": 0.5, "M00": 0}, patterns={"to_q$": 0.25})
    assert scales(result, a) == {
        "down_blocks.1.attentions.0.to_q": 0.25,
        "up_blocks.3.attentions.2.to_q": 0.5,
        "t": 2.0,
    }
    assert scales(merge([a], blocks="OUTS"), a) == {"up_blocks.3.attentions.2.to_q": 1, "t": 1}
    assert list(merge([a], only="text_encoder:").parts()) == ["text_encoder"]


def test_blocks_per_adapter():
    a, b = places("mid_block.x", seed=1), places("mid_block.x", seed=2)
    result = merge([a, b], blocks=["NONE", None])
    assert result["denoiser", "mid_block.x"] is b["denoiser", "mid_block.x"]


def test_provenance_and_metadata():
    shared = {"ss_base_model_version": "sd_v1", "sshs_model_hash": "1"}
    a = adapter(1, kinds=LOW).with_(metadata={**shared, "ss_output_name": "a"})
    b = adapter(2, kinds=LOW).with_(metadata={**shared, "ss_output_name": "b"})
    metadata = merge([a, b], [1, 0.5], blocks={"M00": 1.0}).metadata
    assert metadata["ss_base_model_version"] == "sd_v1"
    assert "ss_output_name" not in metadata and "sshs_model_hash" not in metadata
    assert metadata["lorarium.method"] == "sum"
    prints = [algebra.fingerprint(a), algebra.fingerprint(b)]
    assert json.loads(metadata["lorarium.inputs"]) == prints
    assert json.loads(metadata["lorarium.options"]) == {"weights": [1, 0.5], "blocks": {"M00": 1}}
    assert merge([a]).metadata["sshs_model_hash"] == "1"


@pytest.mark.parametrize(
    "call,message",
    [
        (lambda a: merge([]), "nothing to merge"),
        (lambda a: merge([a], method="nope"), "no merge method 'nope'"),
        (lambda a: merge([a], [float("nan")]), "a weight of nan"),
        (lambda a: merge([a], [1, 2]), "2 weights for 1"),
        (lambda a: merge([a, a.with_(family="sdxl")]), "different base models: sd1, sdxl"),
        (lambda a: merge([a], [0]), "no module is left"),
        (lambda a: merge([a], only="("), "not a regular expression"),
        (lambda a: merge([a], only="nothing like it"), "no module is left"),
        (lambda a: merge([a], rank=0), "rank 0"),
        (lambda a: merge([a], blocks="NOPE"), "no block or preset 'NOPE' for sd1"),
        (lambda a: merge([a], blocks={"IN04": "x"}), "is not a number"),
        (lambda a: merge([a.with_(family="micro-1")], blocks="ALL"), "no blocks are named"),
    ],
)
def test_one_line_errors(call, message):
    with pytest.raises(LorariumError, match=message) as caught:
        call(adapter(1, kinds=LOW))
    assert "\n" not in str(caught.value)


def test_an_unknown_family_is_not_taken_for_that_of_the_others():
    a = adapter(1, kinds=LOW)
    with pytest.raises(LorariumError, match="different base models"):
        merge([a.with_(family="unknown"), a])
    assert merge([a.with_(family="unknown")] * 2).family == "unknown"


def test_a_name_stands_for_one_method_only():
    with pytest.raises(ValueError, match="two merge methods are called 'sum'"):
        method("sum", group="sums")(METHODS["svd"].function)
    assert METHODS["sum"].function.__name__ == "merge_sum"


def test_mixed_ranks_and_kinds_become_ordinary_factors():
    a = Adapter({("denoiser", "x"): make("lora", 1, r=2)})
    b = Adapter({("denoiser", "x"): make("loha", 2, r=2)})
    c = Adapter({("denoiser", "x"): make("lokr", 3)})
    total = merge([a, b, c])["denoiser", "x"]
    assert isinstance(total, LowRank) and total.rank == 2 + 4 + 6


def test_weights_files(tmp_path):
    path = tmp_path / "w.toml"
    path.write_text("[blocks]\n'IN04-IN08' = 0.5\n[patterns]\nattn2 = 0\n")
    assert read_weights(path, 2) == {"blocks": {"IN04-IN08": 0.5}, "patterns": {"attn2": 0}}
    path.write_text("[[adapter]]\nblocks = 'OUTS'\n[[adapter]]\n")
    assert read_weights(path, 2) == {"blocks": ["OUTS", None], "patterns": [None, None]}
    with pytest.raises(LorariumError, match="expected 3"):
        read_weights(path, 3)


@pytest.mark.parametrize("text", ["[", "x = 1", "[patterns]\na = 'b'", "blocks = 3", "adapter = 1"])
def test_bad_weights_files(tmp_path, text):
    path = tmp_path / "w.toml"
    path.write_text(text)
    with pytest.raises(LorariumError) as caught:
        read_weights(path, 1)
    assert "\n" not in str(caught.value)


def test_a_missing_weights_file(tmp_path):
    with pytest.raises(LorariumError, match="no such file"):
        read_weights(tmp_path / "none.toml", 1)


@pytest.mark.parametrize(
    "pattern", ["(a+)+$", "(a|aa)*$", "a?a?a?aaa", "(.*)*x", "x*" * 9, "a{9}{9}{9}", "a" * 501]
)
def test_patterns_of_a_file_that_could_take_for_ever(tmp_path: Path, pattern: str) -> None:
    path = tmp_path / "x.toml"
    path.write_text(f"[patterns]\n'{pattern}' = 0\n")
    with pytest.raises(LorariumError, match="could take for ever"):
        read_weights(path, 1)


@pytest.mark.parametrize(
    "pattern",
    ["attn2", r"attn2\.to_[kv]", r"^denoiser:.*attn\d+", r"a\+\+\+\+", "[*+?]{2}", "(a|b)x"],
)
def test_patterns_as_people_write_them(tmp_path: Path, pattern: str) -> None:
    path = tmp_path / "x.toml"
    path.write_text(f"[patterns]\n'{pattern}' = 0.5\n")
    assert read_weights(path, 1) == {"patterns": {pattern: 0.5}}
