"""Every way of making a LoRA from pictures, on test artists and individuals: all of docs/synth.md.

    python benchmarks/synth.py runs/zoo
    python benchmarks/synth.py --quick

Drawn pictures are kept in `runs/synth/samples`; run again, it goes on with them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from machine import machine, save

from lorarium.bases.base import open_base
from lorarium.evaluation.describe.zoo import read_zoo
from lorarium.evaluation.synth import Options, evaluate_synth
from lorarium.evaluation.synth.page import page, summary
from lorarium.evaluation.synth.rows import SynthContender
from lorarium.formats.target import write_atomically
from lorarium.recipes.lora_diffusion import learn
from lorarium.recipes.lora_diffusion.rows import paper_rows
from lorarium.synthesis.store import load_synth


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("zoo", type=Path, nargs="?")
    parser.add_argument("--split", default="test")
    parser.add_argument("--judge", default="b")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--most", type=int, help="artists of seen genres")
    parser.add_argument("--held", type=int, default=3, help="artists of each held-out genre")
    parser.add_argument("--individuals", type=int, default=14)
    parser.add_argument("--trained", type=int, nargs="*", default=[10, 30, 100, 300])
    parser.add_argument("--only", choices=["style", "subject"])
    parser.add_argument("--base")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--cache", type=Path, default=Path("runs/synth/samples"))
    parser.add_argument("--page", type=Path, default=Path("runs/synth/synth.html"))
    asked = parser.parse_args()
    base = open_base(asked.base, asked.device)
    options = Options(
        asked.split, asked.judge, most=asked.most, held=asked.held, individuals=asked.individuals,
        trained=tuple(asked.trained), kinds=(asked.only,) if asked.only else Options.kinds,
    )  # fmt: skip
    zoo = read_zoo(asked.zoo) if asked.zoo else None

    def paper(kind: str) -> list[SynthContender]:
        """The paper's generators, where the stage has learned them."""
        folder = learn.RUN / learn.mark(zoo) / kind if zoo else None
        if zoo is None or folder is None or not (folder / "done.json").exists():
            return []
        generators = learn.learn(learn.examples(zoo, kind, base.size), folder, learn.Plan())
        return paper_rows(base, generators)

    document = evaluate_synth(
        base,
        load_synth(base=base),
        asked.cache,
        options.quick() if asked.quick else options,
        zoo=zoo,
        more=paper,
        say=lambda words: print(words, flush=True),
    )
    print(summary(document))
    asked.page.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(asked.page, [page(document).encode()], force=True)
    name = "synth-quick" if asked.quick else "synth"
    print("written to", save(name, {**document, "machine": machine()}))
    print("page", asked.page)


if __name__ == "__main__":
    main()
