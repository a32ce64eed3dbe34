"""Networks, losses, episodes, files and the loop, each at its smallest."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from lorarium import trained  # noqa: E402
from lorarium.encoders.encode import as_input, encode  # noqa: E402
from lorarium.encoders.episodes import COUNT, EACH, GROUPS, MEMBERS, draw  # noqa: E402
from lorarium.encoders.losses import against_prototypes, contrast, same_rows  # noqa: E402
from lorarium.encoders.muon import Muon  # noqa: E402
from lorarium.encoders.nets import NETS, JudgeNet, NetConfig  # noqa: E402
from lorarium.encoders.store import KIND, load_encoder, save_encoder  # noqa: E402
from lorarium.encoders.training import FitConfig, fit  # noqa: E402
from lorarium.errors import LorariumError  # noqa: E402
from lorarium.world.mark import same_world, world_mark  # noqa: E402
from lorarium.world.splits import SEEN_GENRES, split_of  # noqa: E402

torch.set_num_threads(1)
SMALL = {"classes": 5, "genres": 4, "words": 30, "depth": 1, "width": 16}
PICTURES = np.random.default_rng(0).integers(0, 256, (6, 48, 48, 3), dtype=np.uint8)


@pytest.mark.parametrize("trunk", ["conv", "attention"])
def test_vectors_have_unit_length_and_do_not_depend_on_the_batch(trunk):
    net = JudgeNet(NetConfig(trunk, **SMALL)).eval()
    style, identity, genre = encode(net, PICTURES, "style", "identity", "genre")
    assert style.shape == identity.shape == (6, 16) and genre.shape == (6, 4)
    assert np.allclose(np.linalg.norm(style, axis=1), 1, atol=1e-5)
    assert np.allclose(encode(net, PICTURES[2:3], "style")[0], style[2:3], atol=1e-5)


def test_encode_keeps_leading_axes_and_takes_any_size():
    net = JudgeNet(NetConfig(**SMALL)).eval()
    (vectors,) = encode(net, PICTURES.reshape(2, 3, 48, 48, 3), "style")
    assert vectors.shape == (2, 3, 16)
    assert encode(net, np.zeros((1, 7, 90, 3), np.uint8), "style")[0].shape == (1, 16)
    flat = np.full((1, 128, 100, 3), 200, np.uint8)
    assert torch.allclose(as_input(flat), torch.full((1, 3, 48, 48), 200 / 127.5 - 1))


@pytest.mark.parametrize(
    "wrong",
    [np.zeros((1, 8, 8, 3)), np.zeros((8, 8, 3), np.uint8), np.zeros((0, 8, 8, 3), np.uint8)],
)
def test_what_is_no_picture_is_one_clear_line(wrong):
    with pytest.raises(LorariumError, match="pictures: ") as problem:
        as_input(wrong)
    assert "\n" not in str(problem.value)


def test_an_episode_crosses_artists_and_individuals():
    e = draw("a", 16, np.random.default_rng(0))
    members = GROUPS * MEMBERS
    assert e.pictures.shape == (COUNT, 3, 16, 16)
    for column in (e.artist, e.individual):
        assert torch.equal(column.bincount(), torch.full((members,), EACH))
    photo = e.genre == SEEN_GENRES.index("photo")
    assert torch.equal(e.individual[photo].bincount(), torch.ones(members, dtype=torch.long))
    for group in range(GROUPS):
        assert len(e.genre[e.artist // MEMBERS == group].unique()) == 1
        assert len(e.kind[e.individual // MEMBERS == group].unique()) == 1


def test_judges_share_half_of_their_artists():
    from lorarium.encoders.episodes import _numbers

    random = np.random.default_rng(0)
    a, b = (np.array(_numbers(half, 3000, random)) for half in "ab")
    assert {split_of(int(n)) for n in a} == {"train"}
    assert set(a % 3) == {0, 1} and set(b % 3) == {1, 2}


def test_prototype_loss_against_the_loop():
    torch.manual_seed(0)
    vectors = nn.functional.normalize(torch.randn(12, 5, dtype=torch.float64))
    member = torch.arange(12) // 3  # four members in two groups
    scale, bias = torch.tensor(1.5, dtype=torch.float64), torch.tensor(-2.0, dtype=torch.float64)
    choice, yes, no = [], [], []
    for i in range(12):
        row = []
        for m in range(4):
            rest = [j for j in range(12) if member[j] == m and j != i]
            row.append(vectors[i] @ nn.functional.normalize(vectors[rest].mean(0), dim=0))
        row = torch.stack(row) * scale.exp()
        choice.append(-row.log_softmax(0)[member[i]])
        yes.append(-nn.functional.logsigmoid(row[member[i]] + bias))
        other = member[i] ^ 1
        no.append(-nn.functional.logsigmoid(-row[other] - bias))
    expected = sum(torch.stack(part).mean() for part in (choice, yes, no))
    assert torch.allclose(against_prototypes(vectors, member, 2, scale, bias), expected)


def test_contrast_ignores_pairs_that_say_the_same():
    words = torch.tensor([[3, 4, 0], [4, 3, 0], [5, 0, 0]])
    same = same_rows(words)
    assert same.sum() == 2 and same[0, 1] and same[1, 0]
    v = nn.functional.normalize(torch.tensor([[1.0, 0], [1.0, 0], [0, 1.0]]))
    assert contrast(v, v, torch.tensor(4.0), same) < 1e-3 < contrast(v, v, torch.tensor(4.0))


def test_muon_on_kernels_moves_the_kernels():
    kernel = nn.Conv2d(32, 32, 3).to(memory_format=torch.channels_last).weight
    before = kernel.detach().clone()
    kernel.grad = torch.randn_like(kernel)
    Muon([kernel], lr=0.1).step()
    assert (kernel - before).abs().mean() > 1e-3


def test_the_loop_goes_on_where_it_stopped(tmp_path):
    torch.manual_seed(1)
    x = torch.randn(64, 32)
    y = x @ torch.randn(32, 32)

    def loss(model):
        return {"square": ((model(x) - y) ** 2).mean()}

    class Stop(Exception):
        pass

    def stopping(start):
        calls = iter(range(20))

        def limited_loss(model):
            if next(calls, None) is None:
                raise Stop
            return loss(model)

        return limited_loss

    def go(folder, begin=lambda start: loss, minutes=10.0):
        torch.manual_seed(0)
        plan = FitConfig(total=600, batch=10, muon=0.1)
        return fit(tmp_path / folder, nn.Linear(32, 32), begin, plan, minutes, "cpu")

    assert go("a", minutes=0.0)[1]["pictures"] == 0
    with pytest.raises(Stop):
        go("a", stopping)
    net, spent = go("a")
    once, _ = go("b")
    assert spent["pictures"] == 600
    assert torch.allclose(net.weight, once.weight, atol=1e-5)
    assert ((net(x) - y) ** 2).mean().detach() < 0.95 * (y**2).mean()
    lines = (tmp_path / "b" / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["pictures"] for line in lines] == [500]


@pytest.mark.parametrize("name", sorted(NETS))
def test_encoders_come_back_from_their_files(name, tmp_path):
    net = NETS[name](NetConfig(**SMALL)).eval()
    path = tmp_path / "it.safetensors"
    save_encoder(path, net, {"world": world_mark(), "name": "it"})
    back = load_encoder(path)
    assert back.card["name"] == "it" == json.loads(path.with_suffix(".json").read_text())["name"]
    (one,), (two,) = (
        encode(n, PICTURES, "picture") for n in (net, back.net)
    )  # fmt: skip
    assert np.allclose(one, two, atol=1e-2)


def test_an_encoder_of_another_world_is_refused(tmp_path):
    path = tmp_path / "it.safetensors"
    save_encoder(path, NETS["DinoLike"](NetConfig(**SMALL)), {"world": "00" + world_mark()[2:]})
    with pytest.raises(LorariumError, match="another world"):
        load_encoder(path)


def test_what_is_no_encoder_is_refused(tmp_path):
    path = tmp_path / "it.safetensors"
    path.write_bytes(b"no tensors here")
    with pytest.raises(LorariumError, match="cannot be read"):
        load_encoder(path)
    with pytest.raises(LorariumError, match="there is no such encoder"):
        load_encoder(tmp_path / "missing.safetensors")


def test_a_configuration_that_does_not_fit_is_one_line(tmp_path):
    path = tmp_path / "it.safetensors"
    net = NETS["DinoLike"](NetConfig(**SMALL))
    right = {"net": "DinoLike", "config": json.dumps(SMALL)}
    wider = json.dumps({**SMALL, "width": 32})
    for header in (
        {}, right | {"net": "Nothing"}, right | {"config": "[1"}, right | {"config": wider},
    ):  # fmt: skip
        trained.save(path, KIND, trained.half_weights(net), {"world": world_mark()}, header)
        with pytest.raises(LorariumError, match="do not fit its configuration") as error:
            load_encoder(path)
        assert "\n" not in str(error.value)


def test_world_mark_bears_the_last_digit_and_nothing_more():
    import base64

    words, looks = world_mark().split(":")
    raw = bytearray(base64.b64decode(looks))
    raw[0] += 1
    assert same_world(world_mark(), f"{words}:{base64.b64encode(raw).decode()}")
    raw[0] += 1
    assert not same_world(world_mark(), f"{words}:{base64.b64encode(raw).decode()}")
    assert not same_world(world_mark(), f"{words[:-1]}x:{looks}")
    assert not same_world(world_mark(), f"{words}:x")
