"""OFT and BOFT on a base weight, against LyCORIS and PEFT themselves."""

from __future__ import annotations

import numpy as np
import pytest

from lorarium.algebra.rotations import butterfly_of_columns, rotation_of_columns, rotation_of_rows
from lorarium.errors import LorariumError

torch = pytest.importorskip("torch")
RNG = np.random.default_rng(5)
LAYERS = {"linear": (32, 16), "conv": (32, 4, 3, 3)}


def layer(shape: tuple[int, ...]):
    """A layer whose weight is random, in float64."""
    if len(shape) == 2:
        made = torch.nn.Linear(shape[1], shape[0], dtype=torch.float64)
    else:
        made = torch.nn.Conv2d(shape[1], shape[0], shape[2], dtype=torch.float64)
    with torch.no_grad():
        made.weight.copy_(torch.from_numpy(RNG.standard_normal(shape)))
    return made


@pytest.mark.parametrize("constraint", [0.0, 1e-2])
@pytest.mark.parametrize("rescaled", [False, True])
@pytest.mark.parametrize("shape", LAYERS.values(), ids=LAYERS)
@pytest.mark.parametrize("algo", ["diag-oft", "boft"])
def test_lycoris(
    algo: str,
    shape: tuple[int, ...],
    rescaled: bool,
    constraint: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("lycoris")
    monkeypatch.setenv("LYCORIS_KERNEL_BACKEND", "torch")  # compiling takes minutes
    from lycoris.modules.boft import ButterflyOFTModule
    from lycoris.modules.diag_oft import DiagOFTModule

    kind = DiagOFTModule if algo == "diag-oft" else ButterflyOFTModule
    base = layer(shape).float()
    module = kind("x", base, lora_dim=4, rescaled=rescaled, constraint=constraint)
    with torch.no_grad():
        module.oft_blocks.copy_(
            torch.from_numpy(0.3 * RNG.standard_normal(module.oft_blocks.shape))
        )
        if rescaled:
            module.rescale.copy_(
                torch.from_numpy(1 + 0.1 * RNG.standard_normal((32,))).reshape(module.rescale.shape)
            )
        theirs = module.get_diff_weight()[0].numpy().reshape(32, -1)
    tensors = {name: array.detach().numpy() for name, array in module.state_dict().items()}
    ours = rotation_of_rows(
        tensors["oft_blocks"], tensors.get("rescale"), float(tensors["alpha"])
    ).change(base.weight.detach().numpy())
    assert np.abs(ours).max() > (1e-2 if constraint else 0.3)
    np.testing.assert_allclose(ours, theirs, atol=2e-6)


@pytest.mark.parametrize(
    "options",
    [
        {"use_cayley_neumann": False},
        *({"use_cayley_neumann": True, "num_cayley_neumann_terms": n} for n in (1, 2, 3, 5, 7)),
        {"use_cayley_neumann": False, "block_share": True},
        {"use_cayley_neumann": False, "coft": True, "eps": 0.3},
    ],
    ids=str,
)
@pytest.mark.parametrize("shape", LAYERS.values(), ids=LAYERS)
def test_peft_oft(shape: tuple[int, ...], options: dict) -> None:
    peft = pytest.importorskip("peft")
    base = layer(shape)
    weight = base.weight.detach().numpy().copy()
    config = peft.OFTConfig(oft_block_size=4, target_modules=["0"], init_weights=False, **options)
    model = peft.get_peft_model(torch.nn.Sequential(base), config)
    upper = model.base_model.model[0].oft_R["default"].weight
    upper.data = torch.from_numpy(0.3 * RNG.standard_normal(upper.shape))
    stored = upper.detach().numpy().copy()
    theirs = model.merge_and_unload()[0].weight.detach().numpy() - weight
    rotation = rotation_of_columns(
        stored,
        shared=options.get("block_share", False),
        terms=options.get("num_cayley_neumann_terms") if options["use_cayley_neumann"] else None,
        limit=options.get("eps"),
    )
    ours = rotation.change(weight)
    assert np.abs(ours).max() > 0.1 or options.get("num_cayley_neumann_terms") == 1
    np.testing.assert_allclose(ours, theirs.reshape(ours.shape), atol=1e-6)


@pytest.mark.parametrize("factors", [1, 2, 3])
def test_peft_boft(factors: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its CUDA extension PEFT makes one factor only: more are its own matrices, applied."""
    peft = pytest.importorskip("peft")
    from peft.tuners.boft import layer as boft

    monkeypatch.setattr(boft, "get_fbd_cuda", lambda: object())
    base = layer((6, 32))
    weight = base.weight.detach().numpy().copy()
    config = peft.BOFTConfig(
        boft_block_size=4, boft_n_butterfly_factor=factors, target_modules=["0"]
    )
    model = peft.get_peft_model(torch.nn.Sequential(base), config)
    made = model.base_model.model[0]
    monkeypatch.setattr(
        boft.FastBlockDiag,
        "apply",
        lambda stages: torch.stack([torch.block_diag(*stage) for stage in stages]),
    )
    blocks, rescale = made.boft_R["default"], made.boft_s["default"]
    blocks.data = torch.from_numpy(0.5 * RNG.standard_normal(blocks.shape))
    rescale.data = torch.from_numpy(1 + 0.1 * RNG.standard_normal(rescale.shape))
    stored = blocks.detach().numpy().copy(), rescale.detach().numpy().copy()
    assert len(stored[0]) == factors
    with torch.no_grad():
        matrix, scale = made.get_delta_weight("default")
    theirs = (matrix.detach().numpy() @ weight.T).T * scale.detach().numpy() - weight
    np.testing.assert_allclose(butterfly_of_columns(*stored).change(weight), theirs, atol=1e-6)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: rotation_of_rows(np.ones((2, 3, 4))), "square"),
        (lambda: rotation_of_rows(np.ones((2, 2, 3, 3))), "butterfly"),
        (lambda: rotation_of_rows(np.full((2, 2, 2), np.nan)), "NaN"),
        (lambda: rotation_of_columns(np.ones((2, 4))), "diagonal"),
        (lambda: rotation_of_columns(np.ones(3)), "no matrix"),
        (lambda: rotation_of_columns(np.ones((2, 6))).change(np.ones((3, 9))), "8 columns"),
        (lambda: rotation_of_rows(np.ones((2, 4, 4))).change(np.ones((9, 3))), "8 rows"),
    ],
)
def test_what_is_no_rotation_is_said_in_a_line(make, words: str) -> None:
    with pytest.raises(LorariumError, match=words):
        make()
