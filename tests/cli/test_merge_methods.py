"""Stories: `merge --method` from files to a file, and what it says."""

import json
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner

from deltas import difference, matrix
from lorarium import LorariumError, algebra, formats
from lorarium.cli import cli
from lorarium.cli.merge import parse_options
from lorarium.formats import container
from lorarium.formats.example import example
from lorarium.mergers import METHODS, merge


def few(**options):
    """An example of two blocks of the narrowest layers."""
    adapter = example(**options)
    blocks = ("down_blocks.0.attentions.0", "up_blocks.3.attentions.0")
    deltas = {m: d for m, d in adapter.items() if m.path.startswith(blocks)}
    return adapter.with_(deltas=deltas)


@pytest.fixture
def files(tmp_path):
    formats.write(few(seed=1), tmp_path / "cat.safetensors", "kohya")
    formats.write(few(seed=2, rank=8), tmp_path / "ink.safetensors", "diffusers")
    return [str(tmp_path / f"{name}.safetensors") for name in ("cat", "ink")]


def run(*arguments):
    return CliRunner().invoke(cli, [str(x) for x in arguments], catch_exceptions=False)


def test_methods_are_listed_with_a_line_and_their_options():
    done = run("merge", "--methods")
    assert done.exit_code == 0
    for method in METHODS:
        assert f"\n{method} " in f"\n{done.output}"
    assert "options: density=0.5, election=total" in done.output
    assert "progress" not in done.output


FREE = [m for m in METHODS if m not in ("sum", "b-lora", "lora-rar", "roles", "ssr", "ziplora")]


@pytest.mark.parametrize("method", FREE)
def test_the_file_is_what_python_makes(files, tmp_path, method):
    out = tmp_path / "out.safetensors"
    done = run("merge", f"{files[0]}:0.7", files[1], "-o", out, "--method", method, "--json",
               *(["--seed", 3] if "seed" in METHODS[method].options else []))  # fmt: skip
    assert done.exit_code == 0
    document = json.loads(done.stdout)
    assert document["method"] == method and document["weights"] == [0.7, 1.0]
    assert len(document["norms"]) == 2 and isinstance(document["notes"], list)
    adapters = [formats.read(name) for name in files]
    seed = {"seed": 3} if "seed" in METHODS[method].options else {}
    expected = merge(adapters, [0.7, 1.0], method=method, **seed)
    merged = formats.read(out)
    assert merged.dialect == adapters[0].dialect and set(merged) == set(expected)
    for module, delta in expected.items():
        assert difference(matrix(merged[module]), matrix(delta)) < 2e-3
    if "total" in document:
        assert 0 <= document["total"]["relative"] < 1


def test_options_and_notes(files, tmp_path):
    out = tmp_path / "out.safetensors"
    formats.write(
        algebra.scale(formats.read(files[1]), 50.0).with_(dialect="diffusers"),
        tmp_path / "loud.safetensors",
    )
    loud = tmp_path / "loud.safetensors"
    done = run("merge", files[0], loud, "-o", out, "--method", "ties", "--option", "density=0.2")
    assert "times apart" in done.output and "error" in done.output
    done = run("merge", files[0], loud, "-o", out, "--normalize", "--json", "--force")
    document = json.loads(done.stdout)
    factors = document["normalized"]
    assert factors[0] / factors[1] == pytest.approx(document["norms"][1] / document["norms"][0])
    schedule = tmp_path / "s.json"
    rendered = tmp_path / "rendered.safetensors"
    k_lora = ["--method", "k-lora", "--option", f"schedule={schedule}"]
    done = run("merge", *files, "-o", rendered, *k_lora)
    assert "static approximation" in done.output and json.loads(schedule.read_text())
    assert "static" in formats.read(rendered).metadata["lorarium.approximation"]
    assert run("merge", *files, "-o", out, "--method", "ties", "--quiet", "--force").output == ""


def test_the_network_of_lora_rar_is_an_option(files, tmp_path):
    adapter = formats.read(files[0])
    widths = {d.shape[0] for m, d in adapter.items() if m.path.endswith("to_q")}
    rng = np.random.default_rng(0)
    tensors = {"output.1.weight": rng.standard_normal((2, 4), np.float32),
               "output.1.bias": np.ones(2, np.float32)}  # fmt: skip
    for i, width in enumerate(sorted(widths), 1):
        tensors[f"input_{i}.weight"] = rng.standard_normal((4, 2 * width), np.float32)
        tensors[f"input_{i}.bias"] = np.ones(4, np.float32)
    container.save(tmp_path / "net.safetensors", tensors)
    out = tmp_path / "out.safetensors"
    done = run("merge", *files, "-o", out, "--method", "lora-rar", "--option",
               f"network={tmp_path / 'net.safetensors'}")  # fmt: skip
    assert done.exit_code == 0 and "by the network" in done.output


def test_option_values():
    given = ["steps=3", "lr=1e-3", "prompts=5", "prompts=a=b", "prompts=x", "pictures=2"]
    expected = {"steps": 3, "lr": 0.001, "prompts": ["5", "a=b", "x"], "pictures": ["2"]}
    assert parse_options(given, "ziplora") == expected
    assert parse_options(["mu=inf"], "np-lora") == {"mu": float("inf")}
    with pytest.raises(LorariumError, match="density was given twice"):
        parse_options(["density=0.1", "density=0.2"], "ties")
    for text in ("density", "=3"):
        with pytest.raises(LorariumError, match="is not NAME=VALUE"):
            parse_options([text], "ties")


@pytest.mark.parametrize(
    "arguments,message",
    [
        (["--method", "nope"], "'nope' is not one of"),
        (["--base", "micro-1"], "'sum' needs no base; leave --base out"),
        (["--method", "ties", "--option", "colour=1"], "has no option 'colour'; it has density"),
        (["--method", "ties", "--option", "density=x"], "density 'x' is not a number"),
        (["--method", "dare-ties", "--option", "seed=3"], "has no option 'seed'"),
        (["--method", "lora-rar"], "needs a network that was trained on this base"),
        (["--method", "ssr", "--option", "prompts=a", "--option", "prompts=b"], "needs the base"),
        (["--method", "ssr", "--base", "nowhere", "--option", "prompts=a", "--option",
          "prompts=b"], "nowhere: no such base"),
        (["--method", "ties", "--rank", "0"], "neither a whole number"),
        (["--method", "ssr", "--base", "x", "--option", "device=nope", "--option", "prompts=a",
          "--option", "prompts=b"], "no device is called 'nope'"),
    ],
)  # fmt: skip
def test_errors_are_one_line_and_nothing_is_written(files, tmp_path, arguments, message):
    out = tmp_path / "out.safetensors"
    done = subprocess.run(
        [sys.executable, "-m", "lorarium", "merge", *files, "-o", str(out), *arguments],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 2 and message in done.stderr, done.stderr
    assert len(done.stderr.splitlines()) == 1 and done.stdout == ""
    assert not out.exists()


def test_ziplora_from_files(tmp_path):
    pytest.importorskip("torch")
    from tests.bases.tiny import random_adapter, saved

    base = saved(tmp_path / "base.safetensors")
    from lorarium.bases.base import open_base

    model = open_base(base)
    for seed in range(2):
        adapter = random_adapter(model, 2, seed, 2.0)
        prompt = json.dumps(["a cat in sty1", "a house in sty2"][seed : seed + 1])
        metadata = {**adapter.metadata, "lorarium.prompts": prompt}
        formats.write(adapter.with_(metadata=metadata), tmp_path / f"{seed}.safetensors")
    for method, more in (("ssr", []), ("ziplora", ["--option", "steps=2", "--option", "drawn=1"])):
        out = tmp_path / f"{method}.safetensors"
        done = run("merge", tmp_path / "0.safetensors", tmp_path / "1.safetensors", "-o", out,
                   "--method", method, "--base", base, *more)  # fmt: skip
        assert done.exit_code == 0, done.output
        header = json.loads(formats.read(out).metadata["lorarium.options"])
        assert header["base"] == model.hash[:16] and header["prompts"][0] == ["a cat in sty1"]
