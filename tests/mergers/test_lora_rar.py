"""LoRA.rar in factors against the published dense form, and its file."""

import numpy as np
import pytest

from deltas import difference, make, matrix
from lorarium import LorariumError
from lorarium.adapter import Adapter
from lorarium.formats import container
from lorarium.mergers import merge, merge_with_report
from lorarium.mergers.lora_rar import load_network

BLOCK = "down_blocks.1.attentions.0.transformer_blocks.0."
ATTENTION = [
    BLOCK + f"attn{i}.{name}" for i in (1, 2) for name in ("to_q", "to_k", "to_v", "to_out.0")
]


def inputs(kinds=("lora", "lora"), r=(3, 5), dtype=np.float32):
    return [
        Adapter(
            {("denoiser", p): make(kind, 10 * k + i, r=r[k], dtype=dtype)
             for i, p in enumerate(ATTENTION)}
            | {("text_encoder", "a.to_q"): make("lora", k)},
            "sdxl",
        )
        for k, kind in enumerate(kinds)
    ]  # fmt: skip


def tensors(*widths, hidden=16, seed=0):
    rng = np.random.default_rng(seed)
    found = {}
    for i, width in enumerate(widths, 1):
        found[f"input_{i}.weight"] = rng.standard_normal((hidden, 2 * width), np.float32) / 7
        found[f"input_{i}.bias"] = rng.standard_normal(hidden, np.float32)
    found["output.1.weight"] = rng.standard_normal((2, hidden), np.float32)
    found["output.1.bias"] = rng.standard_normal(2, np.float32)
    return found


@pytest.fixture
def path(tmp_path):
    container.save(tmp_path / "rar.safetensors", tensors(24, 7))
    return tmp_path / "rar.safetensors"


def dense(D1, D2, net):
    """The published form: a row of both columns for each input, through the network."""
    W, b = (net[f"input_1.{x}"].astype(np.float64) for x in ("weight", "bias"))
    rows = np.concatenate([D1, D2]).T
    hidden = np.maximum(rows @ W.T + b, 0)
    m = hidden @ net["output.1.weight"].T.astype(np.float64) + net["output.1.bias"]
    return m[:, 0] * D1 + m[:, 1] * D2


@pytest.mark.parametrize("kinds", [("lora", "lora"), ("loha", "lora"), ("lora", "lokr")])
def test_it_is_the_dense_form(path, kinds):
    subject, style = inputs(kinds)
    merged, report = merge_with_report([subject, style], method="lora-rar", network=path)
    net = tensors(24, 7)
    for module in subject:
        D1, D2 = matrix(subject[module]), matrix(style[module])
        by_network = module.part == "denoiser" and module.path.endswith((".to_q", ".to_out.0"))
        expected = dense(D1, D2, net) if by_network else D1 + D2
        assert difference(matrix(merged[module]), expected) < 1e-5
    assert "4 modules by the network, 5 added" in report.notes
    assert not any("licensed" in note for note in report.notes)


def test_weights_multiply_what_the_network_saw_unweighted(path):
    subject, style = inputs()
    module = ("denoiser", ATTENTION[0])
    parts = [
        matrix(merge([subject, style], w, method="lora-rar", network=path)[module])
        for w in ([1, 0.001], [0.001, 1], [0.7, 0.4])
    ]
    assert difference(parts[2], 0.7 * parts[0] + 0.4 * parts[1]) < 2e-3


def test_ranks_add_up_and_dtypes_stay(path):
    ones = [a.with_(deltas={m: type(d)(d.up, d.down) for m, d in a.items()})
            for a in inputs(r=(2, 6), dtype=np.float16)]  # fmt: skip
    found = merge(ones, method="lora-rar", network=path)["denoiser", ATTENTION[0]]
    assert found.rank == 8 and found.up.dtype == found.down.dtype == np.float16


def test_the_authors_file_brings_a_notice(tmp_path):
    torch = pytest.importorskip("torch")
    state = {k: torch.from_numpy(v) for k, v in tensors(640, 1280, hidden=128).items()}
    torch.save(state, tmp_path / "hyper.pth")
    net = load_network(tmp_path / "hyper.pth")
    assert sorted(net.inputs) == [640, 1280] and net.output[0].shape == (2, 128)
    assert sum(W.size + b.size for W, b in [*net.inputs.values(), net.output]) == 492034
    rng = np.random.default_rng(0)

    def wide():
        draw = [rng.standard_normal(s, np.float32) for s in ((640, 2), (2, 640))]
        return Adapter({("denoiser", ATTENTION[0]): make("lora").__class__(*draw)}, "sdxl")

    _, report = merge_with_report([wide(), wide()], method="lora-rar", network=net)
    assert any("non-commercial" in note for note in report.notes)


def without(net, name):
    return {k: v for k, v in net.items() if k != name}


@pytest.mark.parametrize(
    "change",
    [
        lambda net: without(net, "input_1.bias"),
        lambda net: without(net, "output.1.weight"),
        lambda net: {k: v for k, v in net.items() if not k.startswith("input")},
        lambda net: {**net, "output.1.weight": np.ones((3, 16), np.float32)},
        lambda net: {**net, "input_2.weight": np.ones((15, 14), np.float32)},
        lambda net: {**net, "input_2.bias": np.full(16, np.nan, np.float32)},
    ],
)
def test_other_files_are_refused(tmp_path, change):
    container.save(tmp_path / "x.safetensors", change(tensors(24, 7)))
    with pytest.raises(LorariumError, match=r"not a LoRA\.rar network; it has input_1"):
        load_network(tmp_path / "x.safetensors")


def test_a_network_that_reads_nothing(tmp_path):
    container.save(tmp_path / "x.safetensors", tensors(1280))
    with pytest.raises(LorariumError, match=r"reads none of these modules; .* width 1280"):
        merge(inputs(), method="lora-rar", network=tmp_path / "x.safetensors")


def test_pickles_that_run_code_are_refused(tmp_path):
    torch = pytest.importorskip("torch")
    import os

    class Bomb:
        def __reduce__(self):
            return (os.getcwd, ())

    torch.save({"x": Bomb()}, tmp_path / "x.pth")
    with pytest.raises(LorariumError, match="asks to run code"):
        load_network(tmp_path / "x.pth")
