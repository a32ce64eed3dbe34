"""Where an adapter comes from: copies, its run, what it was merged from, what shares its start.

Copies are decided by `compare`, merges by `origins`; the rest by cosines of sketches. The input
side says what the random start was: A begins at random and moves little, so a common row space
means the same trainer and seed, whatever was learned.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lorarium.library.compare import CUT, NEAR, Relation
from lorarium.library.copies import changes_between
from lorarium.library.lineage_answer import HeaderStatement, Lineage, Merge, Parent, Relative
from lorarium.library.lineage_children import find_children
from lorarium.library.members import Member, Members, turned
from lorarium.library.origin import Origins
from lorarium.library.origins import Searcher
from lorarium.library.parents import UNKNOWN
from lorarium.library.snapshot import Snapshot
from lorarium.library.subject import subject
from lorarium.remote import RemotePath

RELATED = 0.3  # least cosine of ΔW of one run, above what all of the library has in common
SAME_START = 0.6  # least cosine on the input side
MOST = 20  # listed of each sort


def lineage(snapshot: Snapshot, path: Path | RemotePath) -> Lineage:
    """Everything that the library can say about the descent of a file, indexed or not."""
    row = subject(path)
    family = str(row["family"])
    snapshot.need_family(family)
    if family not in snapshot.searchers:
        snapshot.searchers[family] = Searcher(Members(snapshot, family))
    searcher: Searcher = snapshot.searchers[family]
    return _Question(searcher, searcher.members.outside(row)).answer()


class _Question:
    """One file and its searcher."""

    def __init__(self, searcher: Searcher, asked: Member) -> None:
        self.searcher, self.asked = searcher, asked
        self.members = searcher.members

    def answer(self) -> Lineage:
        origins = self.searcher.origins(self.asked)
        relations = dict((o.path, (o, r)) for o, r in self.members.copies(self.asked))
        went_into = find_children(self.searcher, self.asked, relations, origins)
        certain = [o for o in origins.origins if o.verdict != UNKNOWN] if origins else []
        known = {m.path for o in certain for m in o.files}
        known |= {child.path for child in went_into if child.verdict != UNKNOWN}
        if origins is not None and origins.via is not None:
            known -= {origins.via.path}
        near = {path for path, (_, r) in relations.items() if r.name == NEAR}
        copies = [self._copy(o, r) for o, r in relations.values() if o.path not in known & near]
        listed = known | {copy.path for copy in copies}
        run, start = [], []
        for other in self.members.around(self.asked):
            c = self.asked.cosine(other)
            s = self.asked.start_cosine(other)
            if other.path in listed:
                continue
            if abs(c) - self.members.common(other) >= RELATED:
                run.append(Relative(other.path, c, s, _run_note(self.asked.row, other.row, s)))
            elif s >= SAME_START:
                start.append(Relative(other.path, c, s))
        return Lineage(
            self.asked.path,
            str(self.asked.row["family"]),
            tuple(sorted(copies, key=lambda r: -abs(r.cosine))[:MOST]),
            tuple(sorted(run, key=lambda r: -abs(r.cosine))[:MOST]),
            _merge(origins),
            tuple(went_into),
            tuple(sorted(start, key=lambda r: -r.start)[:MOST]),
            _header_statement(origins),
        )

    def _copy(self, other: Member, relation: Relation) -> Relative:
        cosine = self.asked.cosine(other)
        start = self.asked.start_cosine(other)
        if other.row["id"] and other.row["id"] == self.asked.row["id"]:
            return Relative(other.path, cosine, start, "identical file", "identical bytes")
        rows = dict(self.asked.row), dict(other.row)
        if relation.cut == "a":
            words = ["this was cut from it", *changes_between(*rows[::-1], turned(relation))]
        else:
            cut = ["cut from this"] if relation.name == CUT else []
            words = [*cut, *changes_between(*rows, relation)]
        return Relative(other.path, cosine, start, ", ".join(words), relation.name)


def _merge(origins: Origins | None) -> Merge | None:
    if origins is None:
        return None
    parents = [
        Parent(
            o.files[0].path,
            o.weight,
            o.low,
            o.high,
            o.share,
            o.verdict,
            o.said_by_file,
            tuple(sorted(m.path for m in o.files[1:])),
            tuple(m.path for m in o.instead),
        )
        for o in sorted(origins.origins, key=lambda o: -o.share)
    ]
    return Merge(
        tuple(parents),
        origins.verdict,
        1 - origins.rest,
        origins.exact,
        origins.cut,
        origins.varies,
        origins.via.path if origins.via else "",
    )


def _header_statement(origins: Origins | None) -> HeaderStatement | None:
    if origins is None or origins.claim is None:
        return None
    return HeaderStatement(
        origins.claim.method, origins.claim.inputs, origins.agrees, origins.absent
    )


def _run_note(a: Any, b: Any, start: float) -> str:
    """What the metadata adds: same start and steps told make it a checkpoint."""
    if start < SAME_START:
        return "weights in common, another start"
    if a.get("steps") and b.get("steps") and a["steps"] != b["steps"]:
        return "the same run, {} steps".format(f"{b['steps']:g}")
    return "the same run, or trained again from the same start"
