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
from lorarium.training.recipe import Recipe, recipe_from
from lorarium.training.table import Table
from lorarium.world import splits
from lorarium.world.scene import PHOTO, Style, Subject, View
from lorarium.world.words import STYLE_TOKENS, SUBJECT_TOKENS

POOL = 32  # pictures of an artist or individual that show different classes or views
LARGEST_SEED = 2**32 - 1
MOST = 100_000  # adapters of a group
# the names that the tables of a recipe file know
FILE = ("name", "seed", "recipes", "random", "styles", "subjects", "adapters")
GROUP = ("split", "of", "each", "most", "use", "copies", "others", "random", "word")
ADAPTER = ("name", "pictures", "prompt", "recipe", "seed")
OWN = "own"  # the split of folders of pictures, beside the world's
UNSEEN = 1_000_000  # pictures from this number on are for no adapter


@dataclass(frozen=True)
class Entry:
    """One adapter to be. `of` is (genre or class, number), or of the split `own` a folder of
    pictures, whose kind may not be known."""

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
        entry = asdict(self)
        if self.recipe != "random":
            del entry["numbers"]
        if not self.prompt:
            del entry["prompt"]
        if self.captioned:
            del entry["captioned"]
        if self.word == 1:
            del entry["word"]
        return entry

    @property
    def token(self) -> str:
        tokens = SUBJECT_TOKENS if self.kind == "subject" else STYLE_TOKENS
        return tokens[self.word - 1]


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


def manifest_of(values: dict[str, Any], path: Path) -> Manifest:
    """The manifest of what a recipe file says; `path` is its folder's, and its name in errors."""
    manifest = _manifest(Table(values, str(path)), path)
    if not manifest.entries:
        raise LorariumError("the recipe makes no adapters", where=str(path))
    return manifest


def read_manifest(path: Path) -> Manifest:
    """The manifest of a TOML recipe file."""
    where = str(path)
    try:
        values = tomllib.loads(read_text(path, "the recipe"))
    except (ValueError, RecursionError) as error:
        raise LorariumError(f"cannot read a recipe ({error})", where=where) from None
    return manifest_of(values, path)


def _manifest(table: Table, path: Path) -> Manifest:
    table.only("a recipe file", FILE)
    seed = table.integer("seed", 0, LARGEST_SEED, 0)
    named = table.table("recipes") if "recipes" in table.values else Table({"R0": {}}, table.where)
    shows, recipes = {}, {}
    if not named.values:
        raise LorariumError("there is no recipe", where=named.where, hint="write [recipes.NAME]")
    for name in named.values:
        numbers = named.table(name)
        shows[name] = _PictureChoice(
            numbers.integer("pictures", 1, POOL, 12),
            numbers.integer("motifs", 0, len(splits.SEEN_CLASSES), 0),
            numbers.number("captioned", 0.0, 1.0, 1.0),
        )
        recipes[name] = recipe_from(numbers.without("pictures", "motifs", "captioned"))
    maker = _EntryMaker(seed, recipes, shows, _Random.read(table.table("random")))
    entries: list[Entry] = []
    for group in table.tables("styles"):
        split, each, genres = _read_kinds(group, splits.SEEN_GENRES, splits.HELD_GENRES)
        artists = splits.artists(split, each, genres)
        entries += maker.group("style", [(s.genre, s.number) for s in artists], group)
    for group in table.tables("subjects"):
        split, each, classes = _read_kinds(group, splits.SEEN_CLASSES, splits.HELD_CLASSES)
        people = splits.individuals(split, each, classes)
        entries += maker.group("subject", [(s.kind, s.number) for s in people], group)
    for number, row in enumerate(table.tables("adapters")):
        entries.append(_folder_entry(row, number, recipes, seed, path))
    if len({e.id for e in entries}) < len(entries):
        raise LorariumError("two groups make the same adapters", where=str(path))
    return Manifest(table.text("name", path.stem), recipes, tuple(entries))


def _read_kinds(
    group: Table, seen: Sequence[str], held_out: Mapping[str, Sequence[str]]
) -> tuple[str, int, tuple[str, ...]]:
    """Of a group its split, how many of each kind, and the kinds: `of` is "seen", "held" or a list
    of words; `most` keeps the first so many."""
    group.only("a group", GROUP)
    split = group.text("split", among=splits.SPLITS)
    each = group.integer("each", 1, 1000)  # the numbers that a split has
    if isinstance(group.values.get("of"), list):
        allowed = [*seen, *(word for words in held_out.values() for word in words)]
        names = group.words("of", allowed)
    else:
        wish = group.text("of", "seen", among=("seen", "held"))
        names = list(seen if wish == "seen" else held_out.get(split, ()))
    if "most" in group.values:
        # spread over the alphabet, so that a few stand for all
        limit = group.integer("most", 1, 1000)
        names = names[:: max(1, len(names) // limit)][:limit]
    return split, each, tuple(names)


@dataclass(frozen=True)
class _PictureChoice:
    """What people of a recipe train on: how many pictures, of how many classes (0: all different),
    and which share of people says in the prompt what a picture shows."""

    pictures: int
    motifs: int
    captioned: float


@dataclass(frozen=True)
class _Random:
    """What random recipes are drawn from; `others` are values by a recipe's names."""

    pictures: Sequence[int]
    motifs: Sequence[int]
    captioned: float
    rank: Sequence[int]
    strength: Sequence[float]  # alpha over the rank
    lr: Sequence[float]
    others: Mapping[str, Sequence[Any]]

    @classmethod
    def read(cls, table: Table) -> _Random:
        other = table.without("pictures", "motifs", "captioned", "rank", "strength", "lr", "alpha")
        drawn = {name: other.entries(name, lambda _, value: value) for name in other.values}
        for name, values in drawn.items():
            for value in values:
                recipe_from(Table({name: value}, table.where))
        return cls(
            _ends(table.integers("pictures", 1, POOL, [4, 24])),
            table.integers("motifs", 0, POOL, [0]),
            table.number("captioned", 0.0, 1.0, 1.0),
            table.integers("rank", 1, 1024, [2, 4, 8, 16]),
            table.numbers("strength", 1e-3, 1e3, [0.5, 1.0, 2.0]),
            _ends(table.numbers("lr", 1e-8, 10.0, [1e-3, 1e-2])),
            drawn,
        )

    def draw(self, chance: np.random.Generator) -> tuple[Recipe, _PictureChoice]:
        few, many = self.pictures
        show = _PictureChoice(
            int(chance.integers(few, many + 1)), int(chance.choice(self.motifs)), self.captioned
        )
        rank = int(chance.choice(self.rank))
        numbers: dict[str, Any] = {"rank": rank}
        numbers["alpha"] = float(rank * chance.choice(self.strength))
        low, high = self.lr
        numbers["lr"] = float(f"{np.exp(chance.uniform(np.log(low), np.log(high))):.3g}")
        for name, values in self.others.items():
            numbers[name] = values[int(chance.integers(len(values)))]
        return recipe_from(numbers, where="random recipe"), show


def _ends(values: list[Any]) -> list[Any]:
    """A range, as its lowest and its highest value."""
    if len(values) != 2 or values[0] > values[1]:
        raise LorariumError(f"{values} is no range", hint="use [lowest, highest]")
    return values


@dataclass(frozen=True)
class _EntryMaker:
    seed: int
    recipes: Mapping[str, Recipe]
    shows: Mapping[str, _PictureChoice]
    random: _Random

    def group(
        self, kind: str, identities: Sequence[tuple[str, int]], group: Table
    ) -> Iterator[Entry]:
        """Copies in the first recipe, one each in so many others (in turn), and random ones."""
        first, *rest = group.words("use", tuple(self.recipes), list(self.recipes))
        copies, others = group.integer("copies", 0, 1000, 4), group.integer("others", 0, 1000, 3)
        random_count = group.integer("random", 0, 1000, 0)
        word = group.integer("word", 1, len(STYLE_TOKENS), 1)
        split = group.text("split")
        if len(identities) * (copies + others + random_count) > MOST:
            raise LorariumError(f"more than {MOST} adapters", where=group.where)
        for i, of in enumerate(identities):
            turn = [rest[(i + j) % len(rest)] for j in range(min(others, len(rest)))]
            plan = [(first, c) for c in range(copies)] + [(name, 0) for name in turn]
            plan += [("random", c) for c in range(random_count)]
            for name, copy in plan:
                entry = self._entry(kind, of, split, name, copy, name == first)
                yield replace(entry, word=word)

    def _entry(
        self, kind: str, of: tuple[str, int], split: str, name: str, copy: int, main: bool
    ) -> Entry:
        id = f"{kind}-{of[0]}-{of[1]}-{name}-{copy}"
        chance = np.random.default_rng(_number(self.seed, id))
        if name == "random":
            r, show = self.random.draw(chance)
        else:
            r, show = self.recipes[name], self.shows[name]
        count = show.pictures if kind == "style" else int(chance.integers(4, 7))
        if main and copy == 3:
            count = 3
        seed, own_seed = (int(n) for n in chance.integers(1, 2**31, 2))
        # of the copies half start from the zoo's common factors, as people leave seeds alone
        init = _number(self.seed, "start") % 2**31 if main and copy < 2 else own_seed
        pictures = _pictures(count, show.motifs if kind == "style" else 0, chance)
        captioned = bool(chance.random() < show.captioned)
        return Entry(id, kind, of, split, name, r, seed, init, pictures, captioned=captioned)


def _pictures(count: int, motifs: int, chance: np.random.Generator) -> tuple[int, ...]:
    """Numbers of pictures, of so many classes only (see `pool_cell`)."""
    if not motifs:
        return tuple(sorted(int(n) for n in chance.permutation(POOL)[:count]))
    classes = len(splits.SEEN_CLASSES)
    slots = chance.permutation(classes)[:motifs]
    return tuple(sorted(int(slots[i % motifs] + classes * (i // motifs)) for i in range(count)))


def _folder_entry(
    row: Table, number: int, recipes: Mapping[str, Recipe], seed: int, path: Path
) -> Entry:
    row.only("an adapter", ADAPTER)
    name = row.text("recipe", next(iter(recipes)), among=tuple(recipes))
    pictures = row.text("pictures")
    id = row.text("name", Path(pictures).name)
    if not id or id != Path(id).name or id.startswith("."):
        raise LorariumError(f"{id!r} is no file name", where=row.where)
    entry_seed = row.integer("seed", 0, LARGEST_SEED, _number(seed, id) % 2**31)
    prompt = row.text("prompt", "a {} in sty1")
    folder = str(path.parent / pictures)
    return Entry(
        id,
        "folder",
        (folder, number),
        OWN,
        name,
        recipes[name],
        entry_seed,
        entry_seed,
        (),
        prompt,
    )


def pool_cell(entry: Entry, index: int) -> tuple[Subject, Style, View, str]:
    """Picture `index` of an artist or individual: what it shows, and its prompt in full. An
    artist's pictures go through all classes in an order of their own, again and again."""
    word, number = entry.of
    chance = np.random.default_rng(_number(entry.kind, word, number, "pool"))
    order = chance.permutation(len(splits.SEEN_CLASSES))
    random = np.random.default_rng(_number(entry.kind, word, number, index))
    view = View(splits.numbers(entry.split, 1, random)[0])
    other = splits.numbers(entry.split, 1, random)[0]
    if entry.kind == "style":
        subject = Subject(splits.SEEN_CLASSES[order[index % len(order)]], other)
        return subject, Style(word, number), view, f"a {subject.kind} in {entry.token}"
    return Subject(word, number), Style(PHOTO, other), view, f"a {entry.token} {word} in {PHOTO}"


def _number(*key: object) -> int:
    """A whole number below 2**63 from a key, the same everywhere."""
    digest = hashlib.sha256("/".join(map(str, key)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
