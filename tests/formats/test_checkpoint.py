"""Checkpoint tensors find their modules under both namings."""

import shutil

import numpy as np
import pytest

from checkpoints import diffusers, native, save_checkpoint, weights
from lorarium import LorariumError, formats
from lorarium.adapter import Module
from lorarium.formats.checkpoint import families_of, open_checkpoint
from lorarium.formats.container import save
from lorarium.formats.example import example
from lorarium.formats.families import FAMILIES as TABLES
from lorarium.formats.families import table
from lorarium.formats.header import TensorInfo
from tests.hostile import CORPUS

FAMILIES = ("sd1", "sdxl", "flux1")


@pytest.mark.parametrize("family", FAMILIES)
def test_both_namings_give_every_module_its_weight(family, tmp_path):
    made = weights(family)
    old = open_checkpoint(save_checkpoint(tmp_path / "old.safetensors", native(made, family)))
    new = open_checkpoint(save_checkpoint(tmp_path / "new.safetensors", diffusers(made)))
    assert old.family == new.family == family
    assert set(old.spots) == set(made)
    assert set(new.spots) == {module for module in made if module.part == "denoiser"}
    for module, array in made.items():
        assert np.array_equal(old.weight(module), array), module
        assert old.shape(module) == array.shape
        if module.part == "denoiser":
            assert np.array_equal(new.weight(module), array), module


@pytest.mark.parametrize("family", ["sd2", "sdxl-refiner"])
def test_openclip_towers(family, tmp_path):
    made = weights(family)
    checkpoint = open_checkpoint(save_checkpoint(tmp_path / "x.safetensors", native(made, family)))
    assert checkpoint.family == family and set(checkpoint.spots) == set(made)
    assert all(np.array_equal(checkpoint.weight(module), array) for module, array in made.items())


# families of one shape: a checkpoint of either is told by neither its names nor its shapes
ALIKE = {
    frozenset({"cogvideox-2b", "consisid-2b"}),
    frozenset({"cogview3", "cogview4-64"}),
}


@pytest.mark.parametrize("family", TABLES)
def test_real_shapes_give_the_family(family):
    for net in (TABLES[family].net, *TABLES[family].variants):
        shapes = table(net).shapes.items()
        infos = {f"{path}.weight": TensorInfo("F16", shape, 0, 0) for path, shape in shapes}
        families = families_of(infos)
        assert families == (family,) or (family in families and set(families) in ALIKE)


def test_a_fused_weight_is_one_module_under_either_naming(tmp_path):
    made = weights("flux1")
    tensors = native(made, "flux1")
    old = open_checkpoint(save_checkpoint(tmp_path / "old.safetensors", tensors))
    new = open_checkpoint(save_checkpoint(tmp_path / "new.safetensors", diffusers(made)))
    for name in ("double_blocks.3.img_attn.qkv", "final_layer.adaLN_modulation.1"):
        for checkpoint in (old, new):
            weight = checkpoint.weight(Module("denoiser", name))
            assert np.array_equal(weight, tensors[name + ".weight"])


def test_real_shapes_tell_what_names_cannot(tmp_path):
    # names of an SD 2 unet are those of SD 1; the text width tells
    path = "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight"
    save_checkpoint(tmp_path / "x.safetensors", {path: np.zeros((320, 1024), np.float16)})
    assert open_checkpoint(tmp_path / "x.safetensors").families == ("sd2",)
    save_checkpoint(tmp_path / "y.safetensors", diffusers(weights("sd1")))
    assert open_checkpoint(tmp_path / "y.safetensors").families == ("sd1", "sd2")


def test_folders_and_shards(tmp_path):
    tensors = diffusers(weights("sd1"))
    keys = sorted(tensors)
    folder = tmp_path / "pipeline" / "unet"
    folder.mkdir(parents=True)
    name = "diffusion_pytorch_model"
    for i, half in enumerate((keys[: len(keys) // 2], keys[len(keys) // 2 :]), 1):
        shard = {key: tensors[key] for key in half}
        save_checkpoint(folder / f"{name}-0000{i}-of-00002.safetensors", shard)
    checkpoint = open_checkpoint(tmp_path / "pipeline")
    assert set(checkpoint.tensors) == set(tensors)
    (folder / f"{name}-00001-of-00002.safetensors").rename(tmp_path / "away.safetensors")
    with pytest.raises(LorariumError, match="1 of 2 shards"):
        open_checkpoint(tmp_path / "pipeline")
    shutil.copy(tmp_path / "away.safetensors", folder / f"{name}.safetensors")
    assert len(open_checkpoint(folder).tensors) == len(keys) // 2
    with pytest.raises(LorariumError, match="no files"):
        open_checkpoint(tmp_path)


def test_what_is_no_checkpoint_is_refused(tmp_path):
    formats.write(example(), tmp_path / "lora.safetensors")
    with pytest.raises(LorariumError, match="not a LoRA"):
        open_checkpoint(tmp_path / "lora.safetensors")
    save(tmp_path / "none.safetensors", {})
    with pytest.raises(LorariumError, match="known base model"):
        open_checkpoint(tmp_path / "none.safetensors")


@pytest.mark.parametrize("name", sorted(set(CORPUS) - {"folder.safetensors"}))
def test_hostile_files_are_one_sentence(name, tmp_path):
    with pytest.raises(LorariumError) as caught:
        open_checkpoint(CORPUS[name](tmp_path))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "executed").exists()


def test_quantised_weights_are_refused(tmp_path):
    key = "single_blocks.0.linear2.weight"
    path = tmp_path / "q.safetensors"
    save(path, {key: np.ones((8, 8), np.int8)})
    with pytest.raises(LorariumError, match="quantised"):
        open_checkpoint(path).wide(key)
    scale = key.replace(".weight", ".scale_weight")
    scaled = {key: np.ones((8, 8), np.float16), scale: np.ones(1, np.float32)}
    save(path, scaled, force=True)
    with pytest.raises(LorariumError, match="quantised"):
        open_checkpoint(path).wide(key)
