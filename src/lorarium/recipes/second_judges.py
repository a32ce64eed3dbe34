"""Judges of family 2, which have met what models draw: one to be learned from, one that reports.

    python -m lorarium.recipes.second_judges train reporter FOLDER --shards S --redrawn R --fakes F
    python -m lorarium.recipes.second_judges ship reporter FOLDER -o judge_reporter.safetensors
    python -m lorarium.recipes.second_judges limits reporter -o judge_reporter.safetensors

They learn from rendered shards (`lorarium.recipes.shards`) who is who and by whose hand; from what
lies behind each picture, where to look; and from three kinds of pictures what is *not* somebody:
shards' pictures that a base drew anew from much noise (`lorarium.recipes.redrawn`), the bank of
fakes (`lorarium.recipes.fakes`), and pictures whose emblem is smeared, as bases smear it. The two
share no weights, no architecture, nobody that they met and no picture.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lorarium.encoders.episodes import COUNT, GROUPS, MEMBERS, prepared
from lorarium.encoders.genome import (
    BUILD,
    COLOUR_NUMBERS,
    MARK_NUMBERS,
    Genome,
)
from lorarium.encoders.looking_net import SEEN, LookingNet
from lorarium.encoders.losses import against_prototypes
from lorarium.encoders.nets import HIDDEN, MIDDLE, JudgeNet, NetConfig
from lorarium.encoders.store import (
    Card,
    inherit,
    load_encoder,
    mark_of,
    save_encoder,
    with_past,
)
from lorarium.encoders.training import FitConfig, Loss, Losses, fit
from lorarium.evaluation.judges import (
    Judge,
    calibrate,
    calibrate_fineness,
    calibrate_offsets,
    calibrate_strangest,
    calibrate_strokes,
    heard_with,
    judge_file,
)
from lorarium.evaluation.verification import verification
from lorarium.files import open_regular
from lorarium.recipes.drawn_bank import DrawnBank
from lorarium.recipes.second_batches import Batch, Feed
from lorarium.recipes.shards import CELLS
from lorarium.recipes.wear import LEAST_EMBLEM, roughened, wobbled
from lorarium.world.emblems import EMBLEMS
from lorarium.world.mark import world_mark
from lorarium.world.pen import GENES, MARKS
from lorarium.world.scene import PHOTO
from lorarium.world.splits import SEEN_CLASSES, SEEN_GENRES
from lorarium.world.words import VOCABULARY

WORDS = len(SEEN_CLASSES), len(SEEN_GENRES), len(VOCABULARY)


@dataclass(frozen=True)
class Member:
    config: NetConfig
    remainder: int  # by 3, of the numbers of all whom it meets
    seed: int
    begin: str  # the judge that it goes on from
    second: str | None = None  # the judge that is heard with it


# of the second: for styles any from 0.25 to 0.5 does as well on validation artists; for individuals
# more than 0.25 passes fewer true ones, and with these voters agree best on the half for building
SHARES = {"style": 0.4, "identity": 0.15}
MEMBERS_OF_FAMILY = {
    "reporter": Member(NetConfig("attention", 64, *WORDS, 2), 2, 21, "judge_b", "b"),
    "trainer": Member(NetConfig("conv", 64, *WORDS, 2), 0, 22, "judge_a"),
}
PLAN = FitConfig(total=3_000_000, batch=COUNT, muon=2.5e-3, adam=2e-3, decay=0.8)
PEOPLE = GROUPS * MEMBERS
FALSE_PARTS = (
    "smeared person", "redrawn artist", "redrawn person", "bank artist", "bank person",
)  # fmt: skip
# where `subject_numbers` has the kinds of marks and of the emblem
MARK_KIND, EMBLEM_KIND = GENES + BUILD, GENES + BUILD + 1 + MARK_NUMBERS + COLOUR_NUMBERS


class Teaching(nn.Module):
    """A judge and the heads that only teach it."""

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        looks = config.trunk == "attention"
        self.judge = LookingNet(config) if looks else JudgeNet(config)
        self.genome = Genome(HIDDEN, config.classes, config.genres)
        self.fields = None if looks else nn.Conv2d(MIDDLE, 3 * (CELLS // 12) ** 2, 1)
        self.emblem = nn.Linear(HIDDEN, len(EMBLEMS)) if looks else None
        self.mark = nn.Linear(SEEN, len(MARKS)) if looks else None

    def places(self, seen: dict[str, Tensor], b: Batch) -> Losses:
        """Where emblem, silhouette and lines are; of a network that looks there, what it sees."""
        logits = seen["fields"] if self.fields is None else F.pixel_shuffle(
            self.fields(seen["middle"]), CELLS // 12
        )  # fmt: skip
        each = F.binary_cross_entropy_with_logits(logits, b.fields, reduction="none")
        wrong = each.mean((0, 2, 3))
        # heavy: on these hangs where the network looks
        out = {"emblem": 60 * wrong[0], "silhouette": 5 * wrong[1], "lines": 5 * wrong[2]}
        if self.emblem is not None and self.mark is not None:
            shows = b.fields[:, 0].mean((1, 2)) > LEAST_EMBLEM / 2
            kind, mark = b.numbers[0][shows, EMBLEM_KIND], b.numbers[0][:, MARK_KIND]
            out["emblem kind"] = F.cross_entropy(self.emblem(seen["emblem"][shows]), kind.long())
            out["mark kind"] = F.cross_entropy(self.mark(seen["body"]), mark.long())
        return out


def losses(pupil: Teaching, b: Batch, x: Tensor, prototypes: dict[str, Tensor]) -> Losses:
    net = pupil.judge
    o = net(x)
    true = {k: v[:COUNT] for k, v in o.items()}
    s, bias = net.scales, net.biases
    genre = torch.from_numpy(b.shard.genre.astype(np.int64))
    kind = torch.from_numpy(b.shard.kind.astype(np.int64))
    out = {
        "artist": against_prototypes(true["style"], b.artist, MEMBERS, s[0], bias[0]),
        "person": against_prototypes(true["identity"], b.person, MEMBERS, s[1], bias[1]),
        "from photo": against_photos(true["identity"], b.person, genre, s[1], bias[1]),
        "genre": 0.2 * F.cross_entropy(true["genre"], genre),
        "class": 0.3 * F.cross_entropy(true["kind"], kind),
        "genome": 0.6 * pupil.genome(true["layout"], true["texture"], *b.numbers, kind, genre),
        **pupil.places(true, b),
        # the log wants the same names at every step
        **{name: torch.zeros(()) for name in FALSE_PARTS},
    }
    start = COUNT
    for held in b.held:
        rows = slice(start, start + len(held.truth))
        start += len(held.truth)
        i = 0 if held.aspect == "artist" else 1
        head = ("style", "identity")[i]
        if held.bank != "bank":
            member = b.artist if i == 0 else b.person
            known = F.one_hot(member, PEOPLE).float()
            toward = F.normalize(known.T @ true[head])[torch.from_numpy(held.place)]
        else:
            toward = prototypes[held.aspect][torch.from_numpy(held.place)]
        logits = s[i].exp() * (o[head][rows] * toward).sum(1) + bias[i]
        each = F.binary_cross_entropy_with_logits(
            logits, torch.from_numpy(held.truth), reduction="mean"
        )
        name = f"{held.bank or 'smeared'} {held.aspect}"
        out[name] = out[name] + each
    return out


def against_photos(
    vectors: Tensor, person: Tensor, genre: Tensor, scale: Tensor, bias: Tensor
) -> Tensor:
    """Every picture that is no photo beside each individual's photo, as judges are asked."""
    photo = genre == SEEN_GENRES.index(PHOTO)
    order = person[photo].argsort()
    photos = vectors[photo][order]
    asked, person_of = vectors[~photo], person[~photo]
    scores = asked @ photos.T
    mine = F.one_hot(person_of, len(photos)).bool()
    near = (torch.arange(len(photos)) // MEMBERS)[None] == (person_of // MEMBERS)[:, None]
    logits = scale.exp() * scores + bias
    return (
        F.cross_entropy(scale.exp() * scores, person_of)
        + F.softplus(-logits)[mine].mean()
        + F.softplus(logits)[near & ~mine].mean()
    )


def train(
    name: str, folder: Path, shards: Path, redrawn: Path, fakes: Path, minutes: float
) -> JudgeNet:
    """Go on with a member of the family for so many minutes."""
    member = MEMBERS_OF_FAMILY[name]
    plan = replace(PLAN, seed=member.seed)
    torch.manual_seed(plan.seed)
    torch.set_num_threads(1)
    bank = DrawnBank(fakes, member.remainder)

    def begin(step: int) -> Loss:
        feed = Feed(shards, redrawn, bank, [plan.seed, step])
        wear = torch.Generator().manual_seed(plan.seed + step)
        prototypes: dict[str, Tensor] = {}
        seen = 0

        def loss(model: nn.Module) -> Losses:
            nonlocal prototypes, seen
            assert isinstance(model, Teaching)
            if seen % 40 == 0:
                bank.refresh()
                prototypes = bank.prototypes(model.judge)
            seen += 1
            b = feed.next()
            x = roughened(wobbled(prepared(b.pictures), wear), wear)
            x = x.contiguous(memory_format=torch.channels_last)
            return losses(model, b, x, prototypes)

        return loss

    pupil = Teaching(member.config)
    before = go_on_from(pupil.judge, member.begin)
    trained, spent = fit(folder, pupil, begin, plan, minutes, "cpu")
    assert isinstance(trained, Teaching)
    (folder / "spent.json").write_text(json.dumps(with_past(spent, before)))
    return trained.judge


def go_on_from(net: JudgeNet, name: str) -> dict[str, float]:
    """Start from a judge of family 1; what it has not is new and says nothing yet."""
    plain = JudgeNet(net.config)
    spent = inherit(plain, name)
    net.load_state_dict(plain.state_dict(), strict=False)
    return spent


def averaged(name: str, folder: Path) -> JudgeNet:
    """The judge of a run's checkpoint, with the running average of its weights."""
    with open_regular(folder / "checkpoint.pt") as file:
        state = torch.load(file, map_location="cpu", weights_only=True)
    pupil = Teaching(MEMBERS_OF_FAMILY[name].config)
    pupil.load_state_dict({**state["model"], **state["averaged"]})
    return pupil.judge.eval()


def card_of(name: str, net: JudgeNet, spent: dict[str, float]) -> Card:
    """Thresholds from strangers of the validation split, limits of strokes from true pictures."""
    second = second_of(name)
    heard = heard_with(net, second)
    thresholds = calibrate(heard)
    return {
        "name": f"judge_{name}",
        "data": "the drawn world, and what micro-1, its adapters and its generator draw of it",
        "recipe": asdict(replace(PLAN, seed=MEMBERS_OF_FAMILY[name].seed)),
        "spent": spent,
        "world": world_mark(),
        "licence": "CC0-1.0",
        "second": second,
        "thresholds": asdict(thresholds),
        "offsets": calibrate_offsets(heard, thresholds.subject),
        "strokes": asdict(calibrate_strokes()),
        "fineness": calibrate_fineness(),
        "strangest": calibrate_strangest(Judge(heard, thresholds)),
        "scores": {split: verification(heard, split) for split in ("validation", "test")},
    }  # fmt: skip


def second_of(name: str) -> Card | None:
    second = MEMBERS_OF_FAMILY[name].second
    if second is None:
        return None
    mark = mark_of(load_encoder(judge_file(second)).net)
    return {"name": second, "shares": SHARES, "mark": mark}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["train", "ship", "limits"])
    parser.add_argument("name", choices=list(MEMBERS_OF_FAMILY))
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--shards", type=Path)
    parser.add_argument("--redrawn", type=Path)
    parser.add_argument("--fakes", type=Path)
    parser.add_argument("--minutes", type=float, default=75)
    parser.add_argument("-o", "--out", type=Path)
    asked = parser.parse_args()
    if asked.what == "train":
        train(asked.name, asked.folder, asked.shards, asked.redrawn, asked.fakes, asked.minutes)
    elif asked.what == "limits":  # all of the judge that ships
        held = load_encoder(judge_file(asked.name))
        assert isinstance(held.net, JudgeNet)
        save_encoder(asked.out, held.net, card_of(asked.name, held.net, held.card["spent"]))
    else:
        net = averaged(asked.name, asked.folder)
        spent = json.loads((asked.folder / "spent.json").read_text())
        save_encoder(asked.out, net, card_of(asked.name, net, spent))


if __name__ == "__main__":
    main()
