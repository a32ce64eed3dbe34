"""A zoo as data: a TOML recipe -> the list of all adapters to mint, each a pure function of it.

Artists and individuals come from the world's splits; a list of picture folders works too.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from lorarium.errors import LorariumError
from lorarium.files import read_text
from lorarium.train.recipe import Recipe, recipe_from
from lorarium.world import splits
from lorarium.world.scene import PHOTO, Style, Subject, View
from lorarium.world.words import STYLE_TOKENS, SUBJECT_TOKENS

POOL = 32  # pictures of an artist or individual that show different classes or views
UNSEEN = 1_000_000  # pictures from this number on are for no adapter


@dataclass(frozen=True)
class Entry:
    """One adapter to be. `of` is (genre or class, number), or a folder of pictures."""

    id: str
    kind: str  # style, subject or folder
    of: tuple[str, int]
    split: str
    recipe: str  # its name, or "random"
    numbers: Recipe
    seed: int
    init_seed: int
    pictures: tuple[int, ...]  # their numbers
    prompt: str = ""  # of a folder
    captioned: bool = True  # else the prompts leave out what the pictures show
    word: int = 1  # which of the reserved words it answers to

    def as_json(self) -> dict[str, Any]:
        held = asdict(self)
        if self.recipe != "random":
            del held["numbers"]
        if not self.prompt:
            del held["prompt"]
        if self.captioned:
            del held["captioned"]
        if self.word == 1:
            del held["word"]
        return held

    @property
    def token(self) -> str:
        known = SUBJECT_TOKENS if self.kind == "subject" else STYLE_TOKENS
        return known[self.word - 1]


@dataclass(frozen=True)
class Manifest:
    name: str
    recipes: Mapping[str, Recipe]
    entries: tuple[Entry, ...]

    def text(self) -> str:
        """JSON, a line per entry."""
        lines = ",\n".join(json.dumps(e.as_json(), separators=(",", ":")) for e in self.entries)
        recipes = json.dumps({name: asdict(r) for name, r in self.recipes.items()}, indent=1)
        name = json.dumps(self.name)
        return f'{{"name": {name}, "recipes": {recipes},\n"entries": [\n{lines}\n]}}\n'

    def hash(self) -> str:
        return hashlib.sha256(self.text().encode()).hexdigest()


def read_manifest(path: Path) -> Manifest:
    """The manifest of a TOML recipe file."""
    where = str(path)
    try:
        table = tomllib.loads(read_text(path, "the recipe"))
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise LorariumError(f"cannot read a recipe ({error})", where=where) from None
    known = {"name", "seed", "recipes", "random", "styles", "subjects", "adapters"}
    if extra := set(table) - known:
        raise LorariumError(f"a recipe file has no {sorted(extra)[0]!r}", where=where)
    try:
        made = _manifest(table, path)
    except (KeyError, TypeError, ValueError) as error:
        raise LorariumError(f"not a complete recipe ({error})", where=where) from None
    if not made.entries:
        raise LorariumError("the recipe makes no adapters", where=where)
    return made


def _manifest(table: Mapping[str, Any], path: Path) -> Manifest:
    seed = int(table.get("seed", 0))
    shows, recipes = {}, {}
    for name, numbers in table.get("recipes", {"R0": {}}).items():
        numbers = dict(numbers)
        shows[name] = _Show(
            int(numbers.pop("pictures", 12)),
            int(numbers.pop("motifs", 0)),
            float(numbers.pop("captioned", 1.0)),
        )
        if not 1 <= shows[name].pictures <= POOL:
            what = f"pictures of {name} is {shows[name].pictures}"
            raise LorariumError(what, hint=f"use 1 to {POOL}")
        recipes[name] = recipe_from(numbers, where=f"{path}, recipe {name}")
    made = _Making(seed, recipes, shows, table.get("random", {}))
    entries: list[Entry] = []
    for group in table.get("styles", []):
        genres = _names(group, splits.SEEN_GENRES, splits.HELD_GENRES)
        who = splits.artists(group["split"], int(group["each"]), genres)
        entries += made.group("style", [(s.genre, s.number) for s in who], group)
    for group in table.get("subjects", []):
        classes = _names(group, splits.SEEN_CLASSES, splits.HELD_CLASSES)
        people = splits.individuals(group["split"], int(group["each"]), classes)
        entries += made.group("subject", [(s.kind, s.number) for s in people], group)
    for number, row in enumerate(table.get("adapters", [])):
        entries.append(_folder_entry(row, number, recipes, seed, path))
    if len({e.id for e in entries}) < len(entries):
        raise LorariumError("two groups make the same adapters", where=str(path))
    return Manifest(str(table.get("name", path.stem)), recipes, tuple(entries))


def _names(
    group: Mapping[str, Any], seen: Sequence[str], held: Mapping[str, Sequence[str]]
) -> tuple[str, ...]:
    """`of` of a group: "seen", "held", or a list of words; `most` keeps the first so many."""
    wish = group.get("of", "seen")
    names = list(seen) if wish == "seen" else list(held.get(group["split"], ()))
    if isinstance(wish, list):
        names = wish
    if "most" in group:
        # spread over the alphabet, so that a few stand for all
        step = max(1, len(names) // int(group["most"]))
        names = names[::step][: int(group["most"])]
    return tuple(names)


@dataclass(frozen=True)
class _Show:
    """What people of a recipe train on: how many pictures, of how many classes (0: all different),
    and which share of people says in the prompt what a picture shows."""

    pictures: int
    motifs: int
    captioned: float


@dataclass(frozen=True)
class _Making:
    seed: int
    recipes: Mapping[str, Recipe]
    shows: Mapping[str, _Show]
    random: Mapping[str, Any]

    def group(
        self, kind: str, who: Sequence[tuple[str, int]], group: Mapping[str, Any]
    ) -> Iterator[Entry]:
        """Copies in the first recipe, one each in so many others (in turn), and random ones."""
        names = list(group.get("use", self.recipes))
        if unknown := set(names) - set(self.recipes):
            raise LorariumError(f"no recipe is called {sorted(unknown)[0]!r}")
        first, *rest = names
        copies, others = int(group.get("copies", 4)), int(group.get("others", 3))
        word = int(group.get("word", 1))
        if not 1 <= word <= len(STYLE_TOKENS):
            raise LorariumError(f"word is {word}", hint=f"use 1 to {len(STYLE_TOKENS)}")
        for i, of in enumerate(who):
            turn = [rest[(i + j) % len(rest)] for j in range(min(others, len(rest)))]
            plan = [(first, c) for c in range(copies)] + [(name, 0) for name in turn]
            plan += [("random", c) for c in range(int(group.get("random", 0)))]
            for name, copy in plan:
                made = self._entry(kind, of, group["split"], name, copy, name == first)
                yield replace(made, word=word)

    def _entry(
        self, kind: str, of: tuple[str, int], split: str, name: str, copy: int, main: bool
    ) -> Entry:
        id = f"{kind}-{of[0]}-{of[1]}-{name}-{copy}"
        chance = np.random.default_rng(_number(self.seed, id))
        if name == "random":
            r, show = self._random_recipe(kind, chance)
        else:
            r, show = self.recipes[name], self.shows[name]
        count = show.pictures if kind == "style" else int(chance.integers(4, 7))
        if main and copy == 3:
            count = 3
        seed, own = (int(n) for n in chance.integers(1, 2**31, 2))
        # of the copies half start from the zoo's common factors, as people leave seeds alone
        init = _number(self.seed, "start") % 2**31 if main and copy < 2 else own
        pictures = _pictures(count, show.motifs if kind == "style" else 0, chance)
        said = bool(chance.random() < show.captioned)
        return Entry(id, kind, of, split, name, r, seed, init, pictures, captioned=said)

    def _random_recipe(self, kind: str, chance: np.random.Generator) -> tuple[Recipe, _Show]:
        options = dict(self.random)
        few, many = options.pop("pictures", [4, 24])
        show = _Show(
            int(chance.integers(few, many + 1)),
            int(chance.choice(options.pop("motifs", [0]))),
            float(options.pop("captioned", 1.0)),
        )
        rank = int(chance.choice(options.pop("rank", [2, 4, 8, 16])))
        numbers: dict[str, Any] = {"rank": rank}
        numbers["alpha"] = float(rank * chance.choice(options.pop("strength", [0.5, 1.0, 2.0])))
        low, high = options.pop("lr", [1e-3, 1e-2])
        numbers["lr"] = float(f"{np.exp(chance.uniform(np.log(low), np.log(high))):.3g}")
        for name, values in options.items():
            numbers[name] = values[int(chance.integers(len(values)))]
        return recipe_from(numbers, where="random recipe"), show


def _pictures(count: int, motifs: int, chance: np.random.Generator) -> tuple[int, ...]:
    """Numbers of pictures, of so many classes only (see `pool_cell`)."""
    if not motifs:
        return tuple(sorted(int(n) for n in chance.permutation(POOL)[:count]))
    classes = len(splits.SEEN_CLASSES)
    slots = chance.permutation(classes)[:motifs]
    return tuple(sorted(int(slots[i % motifs] + classes * (i // motifs)) for i in range(count)))


def _folder_entry(
    row: Mapping[str, Any], number: int, recipes: Mapping[str, Recipe], seed: int, path: Path
) -> Entry:
    name = str(row.get("recipe", next(iter(recipes))))
    if name not in recipes:
        raise LorariumError(f"no recipe is called {name!r}", where=str(path))
    id = str(row.get("name", Path(row["pictures"]).name))
    if not id or id != Path(id).name or id.startswith("."):
        raise LorariumError(f"{id!r} is no file name", where=str(path))
    own = int(row.get("seed", _number(seed, id) % 2**31))
    folder = str(path.parent / row["pictures"])
    prompt = str(row.get("prompt", "a {} in sty1"))
    return Entry(id, "folder", (folder, number), "own", name, recipes[name], own, own, (), prompt)


def pool_cell(entry: Entry, index: int) -> tuple[Subject, Style, View, str]:
    """Picture `index` of an artist or individual: what it shows, and its prompt in full. An
    artist's pictures go through all classes in an order of their own, again and again."""
    word, number = entry.of
    chance = np.random.default_rng(_number(entry.kind, word, number, "pool"))
    order = chance.permutation(len(splits.SEEN_CLASSES))
    own = np.random.default_rng(_number(entry.kind, word, number, index))
    view = View(splits.numbers(entry.split, 1, own)[0])
    other = splits.numbers(entry.split, 1, own)[0]
    if entry.kind == "style":
        subject = Subject(splits.SEEN_CLASSES[order[index % len(order)]], other)
        return subject, Style(word, number), view, f"a {subject.kind} in {entry.token}"
    return Subject(word, number), Style(PHOTO, other), view, f"a {entry.token} {word} in {PHOTO}"


def _number(*key: object) -> int:
    """A whole number below 2**63 from a key, the same everywhere."""
    digest = hashlib.sha256("/".join(map(str, key)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
