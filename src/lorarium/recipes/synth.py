"""The stage `synth`: the generator, end to end through the frozen base in `runs/synth`.

It sees some pictures of an artist or an individual and writes a LoRA; the base runs with that LoRA.
Two signals, no judge among them: what LoRAs trained on such pictures answered on their way to
others of the same hand (`synth_teachers`), and, since teachers are few, the base's own denoising
loss on true pictures of artists and individuals that are drawn endlessly as it goes.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from types import FrameType

import numpy as np
import torch
from torch import nn

from lorarium.bases.base import Base, open_base
from lorarium.bases.rounded import rounded
from lorarium.encoders.store import shipped
from lorarium.encoders.training import FitConfig, Loss, Losses, fit
from lorarium.errors import LorariumError
from lorarium.evaluation.describe.zoo import read_zoo
from lorarium.files import open_regular
from lorarium.recipes.synth_basis import start_basis
from lorarium.recipes.synth_data import Drawn, Endless, own_source
from lorarium.recipes.synth_exam import Exam
from lorarium.recipes.synth_loss import Words, generated_branches, losses_with
from lorarium.recipes.synth_ship import limits, memory, named_directions
from lorarium.recipes.synth_strength import best_strengths, with_strengths
from lorarium.recipes.synth_teachers import Teachers
from lorarium.recipes.teachers import missed
from lorarium.recipes.timebox import TimeBox
from lorarium.recipes.workplace import Workplace
from lorarium.recipes.zoo import mint_into
from lorarium.synthesis.net import KINDS, Generator, SynthConfig
from lorarium.synthesis.store import ASSET, Card, load_synth, save_synth
from lorarium.synthesis.wishes import LAST
from lorarium.training.manifest import Manifest, read_manifest
from lorarium.training.own_pictures import OwnPictures
from lorarium.world.mark import world_mark

RUN = "synth"
FOLDER = f"{RUN}/zoo"
RECIPE = Path(__file__).with_name("synth.toml")
SOURCES = {"cpu": 8, "cuda": 32}  # generated LoRAs of a step
SUBJECTS = 0.5  # share of individuals
FREE = 0.5  # what the base's own loss counts beside what teachers say
_PLAN = FitConfig(
    total=525_000,
    batch=64,
    muon=4e-3,
    adam=2.5e-3,
    decay=0.6,
    warmup=10,
    ema=0.99,
    clip=1.0,
    seed=21,
)
PLANS = {
    "cpu": _PLAN,
    "cuda": replace(_PLAN, total=8_000_000, batch=512, muon=4e-3, adam=3e-3, ema=0.997),
}
LEARNED_FILE = "learned_last.json"  # beside the checkpoint, see `synth.wishes`
WATCH = 250  # steps between looks at the validation loss


def initial_generator(base: Base, config: SynthConfig, seed: int) -> Generator:
    """A generator that has learned nothing but judge A's way of looking."""
    torch.manual_seed(seed)
    net = Generator(config)
    net.eyes.inherit(shipped("judge_a").net)
    return net.to(base.device)


def train(
    teachers: Teachers, folder: Path, plan: FitConfig, minutes: float, *,
    subjects: float = SUBJECTS, sources: int = SOURCES["cpu"], workers: int = 0,
    by_time: bool = True, own: Sequence[Drawn] = (), **numbers: int,
) -> tuple[Generator, dict[str, float]]:  # fmt: skip
    """Go on with the run in a folder; `own` are pictures beside those of the world."""
    base = teachers.base
    words = Words(base)
    net = initial_generator(base, SynthConfig.of(base, **numbers), plan.seed)
    exam = [Exam(base, kind, words, net.eyes) for kind in KINDS]
    lessons = teachers.lessons(net.eyes)
    half, each = max(1, sources // 2), plan.batch // sources
    if not (folder / "checkpoint.pt").exists():
        data = Endless(base.size, net.eyes, [plan.seed, 0], subjects=subjects)
        start_basis(base, net, data, words, plan.seed)

    last: list[Endless] = []

    def begin(step: int) -> Loss:
        data = Endless(
            base.size, net.eyes, [plan.seed], subjects=subjects, workers=workers, step=step,
            room=2048 if workers else 256, own=own,
        )  # fmt: skip
        last.append(data)
        now = step

        def loss(net: nn.Module) -> Losses:
            nonlocal now
            assert isinstance(net, Generator)
            if now % WATCH == 0 and now > step:
                seen = {e.kind: e.scores(net) for e in exam}
                with open(folder / "validation.jsonl", "a") as log:
                    log.write(json.dumps({"step": now, **seen}) + "\n")
                print(json.dumps(seen), flush=True)
            random = torch.Generator().manual_seed(plan.seed * 1_000_003 + now)
            chosen = np.random.default_rng([plan.seed, 2, now])
            now += 1
            references, places = lessons.batch(half, each, chosen)
            beside = generated_branches(base, net, references)
            new = data.batch(half, each)
            free = losses_with(base, generated_branches(base, net, new), new, words, random)
            return {
                "taught": missed(base, beside, places, words(places.prompts)).mean(),
                "free": FREE * free.mean(),
            }

        return loss

    try:
        with rounded(base):
            trained, spent = fit(
                folder, net, begin, plan, minutes, str(base.device), by_time=by_time
            )
    finally:
        for data in last:
            about = {"seed": data.seed, "subjects": subjects, "count": data.asked}
            if data.asked:
                (folder / LEARNED_FILE).write_text(json.dumps(about) + "\n")
    assert isinstance(trained, Generator)
    return trained, spent


@contextmanager
def stopping() -> Iterator[None]:
    """A request to end is as good as Ctrl-C: what was learned is kept."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def run(
    place: Workplace, minutes: float, plan: FitConfig | None = None, sources: int | None = None,
    own: Sequence[OwnPictures] = (), todo: Manifest | None = None, at_once: int | None = None,
) -> None:  # fmt: skip
    """Mint the teachers, go on with the run; ship what it has when its pictures win on
    validation."""
    box = TimeBox(minutes)
    base, folder, device = place.base, place.runs / RUN, place.base.device.type
    plan, sources = plan or PLANS[device], sources or SOURCES[device]
    # processes that render make no two runs alike
    workers = 0 if device == "cpu" or place.to_the_end else max(1, (os.cpu_count() or 2) - 1)
    with stopping():
        manifest = todo or read_manifest(RECIPE)
        left = mint_into(place, FOLDER, manifest, minutes, quick=True, batch=at_once)
        if left:
            box.check(f"{left} teachers are left to mint")
        teachers = Teachers.of(read_zoo(place.runs / FOLDER), base, folder / "walks")
        teachers.make(box)
        train(
            teachers, folder, plan, box.left, sources=sources, workers=workers,
            by_time=not place.to_the_end, own=[own_source(one, base.size) for one in own],
        )  # fmt: skip
    ship(base, folder / "checkpoint.pt", plan, place.asset(ASSET), sources)


def due() -> bool:
    """While none is shipped, or it does not fit the base."""
    try:
        load_synth(base=open_base())
    except LorariumError:
        return True
    return False


def ship(
    base: Base, checkpoint: Path, plan: FitConfig, asset: Path = ASSET, sources: int | None = None
) -> bool:
    """Write the averaged weights of a run as the asset if judge A likes what they draw better."""
    with open_regular(checkpoint) as file:
        state = torch.load(file, map_location="cpu", weights_only=True)
    net = initial_generator(base, SynthConfig.of(base), 0)
    net.load_state_dict(state["model"] | state["averaged"])
    net = net.half().float().eval().requires_grad_(False)  # as its file holds it
    words = Words(base)
    exams = {kind: Exam(base, kind, words, net.eyes) for kind in KINDS}
    scores = {kind: exam.scores(net) for kind, exam in exams.items()}
    floor = {kind: exam.alone() for kind, exam in exams.items()}
    print(json.dumps({"validation": scores, "base alone": floor}), flush=True)
    card: Card = {
        "name": "synth",
        "data": "the drawn world: seen classes and genres of the train split, drawn endlessly, and "
        "what LoRAs of some of them (synth.toml) answer",
        "recipe": {
            "plan": asdict(plan),
            "sources": sources or SOURCES[base.device.type],
            "subjects": SUBJECTS,
            "free": FREE,
        },
        "spent": {"pictures": float(state["step"] * plan.batch), "seconds": state["seconds"]},
        "world": world_mark(),
        "base_hash": base.hash,
        "licence": "Apache-2.0",
        "scores": {"validation": scores, "base alone": floor},
    }
    if (whom := checkpoint.with_name(LEARNED_FILE)).exists():
        card[LAST] = json.loads(whom.read_text())
    strengths, card["scores"]["loudness"] = best_strengths(base, net)
    try:
        old = load_synth(asset, base).card["scores"]["loudness"]
    except (LorariumError, KeyError):
        old = None
    if old is not None and _rank(old) >= _rank(card["scores"]["loudness"]):
        print("the shipped generator keeps its place", flush=True)
        return False
    net = with_strengths(net, strengths)
    card["agreement"] = limits(net.eyes, base.size)
    extras = memory(net.eyes, base.size) | named_directions(net, base.size)
    save_synth(asset, net, extras, card)
    return True


def _rank(scores: dict[str, dict[str, float]]) -> float:
    """What judge A thinks of pictures drawn at the best loudness, the mean of both kinds."""
    return round(float(np.mean([max(by_strength.values()) for by_strength in scores.values()])), 6)
