"""`lorarium tour`: adapters through everything that exists, each claim checked."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click

from lorarium import formats
from lorarium.adapter import Adapter
from lorarium.algebra import add, fingerprint, norm, recompress
from lorarium.cli.common import force_flag
from lorarium.cli.inspect import card
from lorarium.cli.tour_sample import relatives, together
from lorarium.errors import LorariumError, missing_extra
from lorarium.formats.example import example
from lorarium.formats.inspection.inspect import inspect_file
from lorarium.formats.target import check_target
from lorarium.mergers import merge

INK = {
    "ss_output_name": "ink",
    "ss_base_model_version": "sd_v1",
    "ss_network_module": "networks.lora",
    "ss_steps": "1200",
    "ss_dataset_dirs": '{"10_inkwash": {"n_repeats": 10, "img_count": 40}}',
    "ss_tag_frequency": '{"10_inkwash": {"inkwash": 40, "mountain": 17, "tree": 12}}',
}
RAIN = {"modelspec.title": "rain", "modelspec.trigger_phrase": "in heavy rain"}


@click.command("tour")
@click.option(
    "-o", "--out", default="lorarium-tour", show_default=True, metavar="DIR", help="Where."
)
@click.option(
    "--steps",
    type=click.IntRange(1),
    metavar="N",
    help="Steps of its training: fewer take less time and show less.  [default: the recipe's]",
)
@force_flag
def command(out: str, steps: int | None, force: bool) -> None:
    """See everything work: files read, compared, converted, merged, resized, and refused; then the
    drawn world, a LoRA trained on an artist that its base has never seen, its relatives in the
    sample library, individuals drawn in that style, and a LoRA made at once.

    The adapters of the first part are made up from a seed, with the names and shapes of Stable
    Diffusion 1.5; nothing is fetched. The second part needs the extras `torch` and `library`.
    The folder must be new or empty; with --force the tour of an old one is taken again, and a
    training that was stopped in it goes on.
    """
    # everything below is the tour's own once its folder is, so it is written with force
    folder = check_target(out, force=force, folder=True)
    folder.mkdir(parents=True, exist_ok=True)
    walk(folder, steps)
    click.echo(f"\nThe files are in {folder}.")


def walk(folder: Path, steps: int | None = None) -> None:
    for title, stop in stops(steps):
        click.echo(click.style(f"\n── {title} " + "─" * max(0, 60 - len(title)), bold=True))
        stop(folder)


def look(folder: Path) -> None:
    ink = example(seed=1, strong="up_blocks", metadata=INK)
    rain = example(seed=2, strong="down_blocks", rank=8, metadata=RAIN)
    formats.write(ink, folder / "ink.safetensors", "kohya", force=True)
    formats.write(rain, folder / "rain.safetensors", "diffusers", force=True)
    for name in ("ink", "rain"):
        screen = card(inspect_file(folder / f"{name}.safetensors"))
        click.echo(screen.replace(f"{folder}/", ""))


def convert(folder: Path) -> None:
    source = folder / "ink.safetensors"
    before = fingerprint(formats.read(source))
    for dialect in ("diffusers", "peft", "comfy"):
        target = folder / (f"ink-{dialect}" + ("" if dialect == "peft" else ".safetensors"))
        formats.convert(source, target, dialect, force=True)
        after, report = formats.read_report(target)
        same = "the same adapter" if fingerprint(after) == before else "ANOTHER ADAPTER"
        click.echo(f"kohya → {report.dialect:12} {len(report.keys)} keys, fingerprint: {same}")


def combine(folder: Path) -> None:
    ink, rain = read(folder, "ink"), read(folder, "rain")
    merged = merge([ink, rain], [0.8, 0.5])
    formats.write(merged, folder / "both.safetensors", "kohya", force=True)
    written = read(folder, "both")
    click.echo(f"0.8 ink + 0.5 rain: one ordinary file of {len(written)} modules")
    stacked = add([ink, rain], [0.8, 0.5])
    gap = norm(add([written, stacked], [1.0, -1.0])) / norm(stacked)
    click.echo(f"against applying the two together: relative difference {gap:.1e}")


def shrink(folder: Path) -> None:
    merged = read(folder, "both")
    for rank in (8, 4, 2):
        small, report = recompress(merged, rank=rank)
        target = folder / f"both-rank{rank}.safetensors"
        formats.write(small, target, force=True)
        energy_share = 1 - report.relative**2
        size = target.stat().st_size / 2**20
        click.echo(f"rank {rank}: {size:.1f} MiB, keeps {energy_share:.1%} of the energy")


def collect(folder: Path) -> None:
    from lorarium.cli import duplicates, lineage
    from lorarium.library import Library

    try:
        library = Library(folder / "library")
    except LorariumError as missing:
        click.echo(f"{missing}, then take the tour again")
        return
    report = library.index([folder], workers=0)
    click.echo(f"{report.new + report.unchanged} files in {report.seconds:.1f} s")
    report_lines = [*duplicates.lines(library.duplicates())]
    report_lines += lineage.lines(library.lineage(folder / "both.safetensors"))
    for line in report_lines:
        click.echo(line.replace(f"{folder.resolve()}/", ""))
    library.map(folder / "map.html", force=True)
    click.echo("and a map of them all: map.html")


def refuse(folder: Path) -> None:
    data = (folder / "ink.safetensors").read_bytes()
    wrong = {
        "cut.safetensors": data[: len(data) // 2],
        "page.safetensors": b"<!DOCTYPE html><title>Sign in</title>",
        "pointer.safetensors": b"version https://git-lfs.github.com/spec/v1\n",
        "overlong.safetensors": b"\xff" * 7 + b"\x7f{" + data[9:999],
    }
    with tempfile.TemporaryDirectory() as place:
        for name, content in wrong.items():
            path = Path(place, name)
            path.write_bytes(content)
            try:
                inspect_file(path)
            except LorariumError as error:
                click.echo(str(error).replace(f"{place}/", ""))


def read(folder: Path, name: str) -> Adapter:
    return formats.read(folder / f"{name}.safetensors")


def live(folder: Path, steps: int | None = None) -> None:
    try:
        from lorarium.training.recipe import Recipe
        from lorarium.training.tour import world_tour
    except ImportError as missing:
        click.echo(str(missing_extra(f"this needs {missing.name}", "torch")))
        return
    from lorarium.cli.progress import bar

    with bar("training", silent=not sys.stderr.isatty()) as show:
        toured = world_tour(
            folder,
            recipe=Recipe(steps=steps) if steps else None,
            say=click.echo,
            force=True,
            progress=lambda step, steps, loss: show(step, steps, f"loss {loss:.4f}"),
        )
    click.echo(f"{toured.seconds:.0f} s; look at {toured.before_after}")


def at_once(folder: Path) -> None:
    try:
        from lorarium.synthesis.tour import synth_tour
    except ImportError as missing:
        click.echo(str(missing_extra(f"this needs {missing.name}", "torch")))
        return
    trained = sorted((folder / "trained").glob("*.safetensors"))
    if not trained:
        return
    try:
        synth_tour(folder / "pictures", trained[0], folder, say=click.echo, force=True)
    except LorariumError as missing:
        click.echo(str(missing))


def stops(steps: int | None = None) -> tuple[tuple[str, Callable[[Path], None]], ...]:
    return (
        ("lorarium inspect: what is in a file", look),
        ("lorarium convert: another dialect, the same weights", convert),
        ("lorarium merge: two files into one", combine),
        ("lorarium resize: smaller, with the error told", shrink),
        ("a library: what is the same, what was made of what", collect),
        ("broken files are one sentence", refuse),
        ("the drawn world, and a LoRA trained before your eyes", partial(live, steps=steps)),
        ("lorarium synth: a LoRA from three pictures, without training", at_once),
        ("its relatives among adapters that others trained", relatives),
        ("an individual in that style: the two merged", together),
    )
