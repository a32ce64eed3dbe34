"""Files that hold one adapter, by what can be done about them (`copies`).

Sketches find candidates; equal bytes, equal fingerprints and the algebra of `compare` on the files
decide.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from lorarium.library.candidates import (
    candidate_pairs,
    form_of,
    forms_of,
    print_of,
    repeated_rows,
    rows_with,
)
from lorarium.library.compare import CUT, NEAR, NEAR_COSINE, SAME, Relation, compare
from lorarium.library.copies import (
    CLASSES,
    IDENTICAL,
    Copy,
    Group,
    Row,
    copy_of,
    file_place,
    spare_bytes,
)
from lorarium.library.held import HeldWeights
from lorarium.library.keeper import Contestant, order, reason, surplus
from lorarium.library.snapshot import Snapshot
from lorarium.library.weights import Weights

OF_ROUNDING = 0.3  # of the rounding of a file: new float16 factors of bfloat16 ones have 0.2
STRAINED = 0.85  # of a cut: more than the rounding of the two files themselves


def duplicates(snapshot: Snapshot, where: str | None = None) -> list[Group]:
    """All groups, copies first, the largest gain first; no file is a copy in two of them."""
    return groups_of(Links(snapshot, where))


def prints_of(rows: Sequence[Row]) -> list[Print]:
    """Files by their bytes and then by their fingerprints."""
    contents = [Content(same) for same in _by(rows, lambda row: row["id"])]
    return [Print(same) for same in _by(contents, lambda content: content.print)]


def groups_of(links: Links) -> list[Group]:
    clusters = links.clusters()
    contents = [content for fingerprint in links.prints for content in fingerprint.contents]
    groups = [content.group() for content in contents if len(content.rows) > 1]
    groups += [c.group() for c in clusters if len(c.contents) > 1]
    groups += links.other_groups(clusters)
    return sorted(groups, key=lambda g: (CLASSES.index(g.name), -g.bytes_to_win, g.keeper))


def _by(items: Sequence[Any], key: Any) -> list[list[Any]]:
    grouped: dict[Any, list[Any]] = {}
    for item in items:
        grouped.setdefault(key(item), []).append(item)
    return list(grouped.values())


class Content:
    """Files of the same bytes, the keeper first."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = sorted(rows, key=lambda row: order(Contestant(row)))
        self.row = self.rows[0]

    @property
    def print(self) -> tuple[str, str]:
        return print_of(*(self.row[name] for name in ("family", "fingerprint", "id", "described")))

    def group(self) -> Group:
        first, *others = self.rows
        copies = []
        for row in others:
            linked = file_place(row) == file_place(first)
            word = "the same file by another name" if linked else "identical file"
            copies.append(Copy(row["path"], (word,), 0.0, 1.0, row["size"]))
        why = reason(Contestant(first), [Contestant(row) for row in others])
        return Group(
            IDENTICAL, first["family"], first["path"], why, tuple(copies), spare_bytes(self.rows)
        )


class Print:
    """Contents of one fingerprint: the same weights without a look at the files."""

    def __init__(self, contents: Sequence[Content]) -> None:
        self.contents = contents
        self.bits = self.modules = 0
        self.padding: tuple[float, ...] = ()
        self.rounding = 0.0  # the expected error of its numbers, a share of the norm

    def measure(self, weights: Weights) -> None:
        if not self.bits:
            self.bits, self.modules = weights.bits, len(weights.energy)
            self.padding = weights.padding
            self.rounding = (math.fsum(weights.rounding.values()) / weights.total) ** 0.5

    @property
    def row(self) -> Row:
        return min((c.row for c in self.contents), key=lambda row: order(self.contestant(row)))

    def contestant(self, row: Row, padding: tuple[float, ...] | None = None) -> Contestant:
        return Contestant(
            row, self.bits, self.modules, surplus(row) if padding is None else padding
        )


class Cluster:
    """Prints of the same weights up to rounding, each beside the one it was joined to."""

    def __init__(self, root: Print) -> None:
        self.root = root
        self.joined: list[tuple[Print, Relation]] = [(root, Relation(SAME, 1.0, 0.0))]

    @property
    def contents(self) -> list[Content]:
        return [content for fingerprint, _ in self.joined for content in fingerprint.contents]

    def group(self) -> Group:
        members = [
            (fingerprint.contestant(content.row), relation)
            for fingerprint, relation in self.joined
            for content in fingerprint.contents
        ]
        members.sort(key=lambda member: order(member[0]))
        (keeper, _), *others = members
        copies = tuple(copy_of(keeper.row, other.row, relation) for other, relation in others)
        why = reason(keeper, [other for other, _ in others])
        rows = [contestant.row for contestant, _ in members]
        return Group(SAME, keeper.row["family"], keeper.row["path"], why, copies, spare_bytes(rows))


@dataclass(frozen=True)
class Link:
    one: Print
    other: Print
    relation: Relation  # what `other` is to `one`

    def turned(self) -> Link:
        """The same seen from the other side."""
        relation = self.relation
        if relation.name == CUT:
            relation = replace(relation, cut="a" if relation.cut == "b" else "b")
        else:
            relation = replace(relation, factor=1 / relation.factor)
        return Link(self.other, self.one, relation)


class Links:
    """What the candidates among the prints are to one another; `prints` are those that something
    is like."""

    def __init__(self, snapshot: Snapshot, where: str | None = None) -> None:
        files = snapshot.files if where is None else snapshot.files.filter(snapshot.mask(where))
        rows, alone = repeated_rows(files)
        self.prints = prints_of(rows)
        forms = {p.row["id"]: form_of(p.row) for p in self.prints if p.row["described"]}
        pairs = sorted(candidate_pairs(snapshot, forms | forms_of(alone)))
        self.prints += prints_of(rows_with(alone, {id for pair in pairs for id in pair[:2]}))
        by_id = {p.row["id"]: p for p in self.prints if p.row["described"]}
        cache = HeldWeights()
        self.all: list[Link] = []
        for one, other, cosine in pairs:
            first, second = by_id[one], by_id[other]
            a, b = cache.weights(first.row), cache.weights(second.row)
            if a is not None and b is not None:
                relation = compare(a, b)
            else:  # a file that is not there, or another by now: never said to be a copy
                unchecked = Relation(NEAR, cosine, max(0.0, 1 - cosine**2) ** 0.5, checked=False)
                relation = unchecked if abs(cosine) >= NEAR_COSINE else None
            if relation is not None:
                self.all.append(Link(first, second, relation))
                for fingerprint, weights in ((first, a), (second, b)):
                    if weights is not None:
                        fingerprint.measure(weights)
        self._share_precision()

    def _share_precision(self) -> None:
        """New factors fill their number type without knowing more: a file is as coarse as the
        nearest one in other factors, when it differs by far less than the rounding of that."""
        nearest: dict[int, tuple[float, Print]] = {}
        for link in self.all:
            if link.relation.refactored:
                for fingerprint, other in ((link.one, link.other), (link.other, link.one)):
                    near = link.relation.error, other
                    nearest[id(fingerprint)] = min(
                        nearest.get(id(fingerprint), near), near, key=lambda n: n[0]
                    )
        coarser = {}
        for fingerprint in self.prints:
            error, other = nearest.get(id(fingerprint), (math.inf, fingerprint))
            if other.bits < fingerprint.bits and error < OF_ROUNDING * other.rounding:
                coarser[id(fingerprint)] = other.bits
        for fingerprint in self.prints:
            fingerprint.bits = coarser.get(id(fingerprint), fingerprint.bits)

    def clusters(self) -> list[Cluster]:
        """Each print joins a finer one that it is a rounding of, the nearest first."""
        ordered = sorted(self.prints, key=lambda p: order(p.contestant(p.row)))
        place = {id(p): i for i, p in enumerate(ordered)}
        finer: dict[int, list[tuple[float, int, Print]]] = {}
        for link in self.all:
            if link.relation.name == SAME:
                first, second = sorted((link.one, link.other), key=lambda p: place[id(p)])
                choice = link.relation.error, place[id(first)], first
                finer.setdefault(id(second), []).append(choice)
        self.home: dict[int, Cluster] = {}
        clusters = []
        for fingerprint in ordered:
            choices = finer.get(id(fingerprint))
            if choices:
                error, _, to = min(choices, key=lambda choice: choice[:2])
                cluster = self.home[id(to)]
                cluster.joined.append((fingerprint, Relation(SAME, 1.0, error)))
            else:
                cluster = Cluster(fingerprint)
                clusters.append(cluster)
            self.home[id(fingerprint)] = cluster
        return clusters

    def other_groups(self, clusters: Sequence[Cluster]) -> list[Group]:
        """Each cluster beside at most one other that it was cut from, is a multiple of, or is
        near to."""
        ordered = sorted(
            clusters, key=lambda c: order(c.root.contestant(c.root.row, c.root.padding))
        )
        place = {id(c): i for i, c in enumerate(ordered)}
        best: dict[int, tuple[Any, Cluster, Cluster, Link]] = {}
        for link in self.all:
            one, other = self.home[id(link.one)], self.home[id(link.other)]
            if link.relation.name == SAME or one is other:
                continue
            back = place[id(one)] > place[id(other)]
            if link.relation.name == CUT:
                back = link.relation.cut == "a"
            keeper, child = (other, one) if back else (one, other)
            turned = link.turned() if back else link
            rank = (CLASSES.index(turned.relation.name), *_preference(turned), place[id(keeper)])
            if id(child) not in best or rank < best[id(child)][0]:
                best[id(child)] = rank, keeper, child, turned
        grouped = _by(list(best.values()), lambda item: (item[0][0], id(item[1])))
        return [_other_group(group[0][1], [item[2:] for item in group]) for group in grouped]


def _preference(link: Link) -> tuple[float, ...]:
    """A cut is shown beside the largest that it fits, what is near beside the nearest."""
    if link.relation.name == CUT:
        rank = link.one.row["rank"]
        strained = link.relation.strain > STRAINED
        return strained, -link.one.row["modules"], -float("inf") if rank is None else -rank
    return (link.relation.error,) if link.relation.name == NEAR else ()


def _other_group(keeper: Cluster, members: Sequence[tuple[Cluster, Link]]) -> Group:
    root = keeper.root
    name = members[0][1].relation.name
    copies = []
    for child, link in members:
        source = "" if link.one is root else link.one.row["path"]
        copies.append(replace(copy_of(link.one.row, child.root.row, link.relation), source=source))
    if name == CUT:
        why = "the others are parts of it"
    else:
        rivals = [child.root.contestant(child.root.row, child.root.padding) for child, _ in members]
        why = reason(root.contestant(root.row, root.padding), rivals)
    copies.sort(key=lambda copy: (copy.error, copy.path))
    return Group(name, root.row["family"], root.row["path"], why, tuple(copies))
