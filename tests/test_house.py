"""The house stands: imports point one way, nothing heavy loads early, the core lives alone."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

import lorarium
from tests.timing import numpy_imports

SOURCE = Path(lorarium.__file__).parent

# a room may import its own row and the rows below it
ROOMS = (
    ("cli", "studio", "recipes"),
    ("evaluation",),
    ("forecasts",),
    ("synthesis", "mergers", "library"),
    ("descriptors", "training"),
    ("bases", "world", "encoders"),
    ("trained", "pictures", "adopted"),
    ("formats",),
    ("algebra",),
    ("notebook",),
    ("remote",),
    ("adapter",),
    ("soundness", "errors", "files"),
)
LEVEL = {room: len(ROOMS) - i for i, row in enumerate(ROOMS) for room in row}
TORCH_ROOMS = {"bases", "training", "encoders", "synthesis", "recipes", "evaluation"}
PRINTED = "lorarium.algebra.printed"  # how an adapter shows itself, when somebody looks
FREE = {"__init__", "__main__", "verbs"}  # the public names and the door of the command line


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(SOURCE.rglob("*.py")):
        room = path.relative_to(SOURCE).parts[0].removesuffix(".py")
        if room not in FREE:
            yield room, path


def imports(path: Path, everywhere: bool) -> Iterator[str]:
    """Absolute names a file imports, at its top or everywhere; relative ones made absolute."""
    tree = ast.parse(path.read_text())
    package = ["lorarium", *path.relative_to(SOURCE).parts[:-1]]
    typing_only = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    nodes = [n for n in (ast.walk(tree) if everywhere else tree.body) if n not in typing_only]
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{name.name}" for name in node.names)


def test_every_room_has_a_place() -> None:
    assert {room for room, _ in modules()} <= LEVEL.keys()


def test_imports_point_one_way() -> None:
    wrong = []
    for room, path in modules():
        for name in imports(path, everywhere=True):
            other = name.split(".")[1] if name.startswith("lorarium.") else None
            upward = other in LEVEL and LEVEL[other] > LEVEL[room]
            if upward and not (room == "adapter" and name.startswith(PRINTED)):
                wrong.append(f"{path.relative_to(SOURCE)} imports {name}")
    assert wrong == []


def module_name(path: Path) -> str:
    parts = ["lorarium", *path.relative_to(SOURCE).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_no_imports_go_in_a_circle() -> None:
    """Inside a room neither: what a file needs is read before it, whatever is imported first."""
    files = {module_name(path): path for path in SOURCE.rglob("*.py")}
    needs = {
        name: {other for other in imports(path, everywhere=False) if other in files} - {name}
        for name, path in files.items()
    }
    while free := {name for name, others in needs.items() if not others & needs.keys()}:
        for name in free:
            del needs[name]
    assert {name: sorted(others & needs.keys()) for name, others in needs.items()} == {}


def test_the_base_that_comes_along_is_compared_with_in_one_place() -> None:
    comparing = [
        str(path.relative_to(SOURCE))
        for _, path in modules()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Compare)
        and any(
            (isinstance(side, ast.Constant) and side.value == "micro-1")
            or (isinstance(side, ast.Name) and side.id == "SHIPPED")
            for side in (node.left, *node.comparators)
        )
    ]
    assert comparing == ["formats/families/embedded.py"]


def test_torch_is_imported_only_where_networks_run() -> None:
    wrong = [
        str(path.relative_to(SOURCE))
        for room, path in modules()
        if room not in TORCH_ROOMS
        for name in imports(path, everywhere=False)
        if name.split(".")[0] in ("torch", "diffusers", "peft", "transformers")
    ]
    assert wrong == []


def test_no_file_is_very_long() -> None:
    # the house aims at 300 lines and looks hard at 400; this catches what nobody looked at
    assert [p.name for _, p in modules() if len(p.read_text().splitlines()) > 500] == []


def test_one_door_knows_which_files_are_pictures() -> None:
    """A second reader of picture folders once followed links that the first refused."""
    named = {
        str(path.relative_to(SOURCE))
        for _, path in modules()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and node.value == ".webp"
    }
    # sidecars are beside an adapter's file, and are moved and never opened as pictures; the studio
    # names what it draws itself, and uploads by what `pictures.py` found them to be
    ours = {"studio/previews.py", "studio/uploads.py"}
    assert named - ours == {"pictures.py", "formats/inspection/sidecars.py"}


def test_nothing_points_at_one_machine() -> None:
    root = SOURCE.parent.parent
    if not (root / ".git").exists():
        pytest.skip("not a checkout")
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    spellings = ["/" + "work/", "/" + "tmp/", "/" + "home/"]
    wrong = []
    for name in filter(None, listed):
        path = root / name
        if path.suffix in {".py", ".md", ".toml", ".txt", ".json", ""} and path.is_file():
            text = path.read_text(errors="ignore")
            wrong += [f"{name}: {spelling}" for spelling in spellings if spelling in text]
    assert wrong == []


# words that say nothing of the thing they name (docs/develop.md)
NAMELESS = set("found said who how told counted gathered judged tried shown".split())


def test_names_say_what_a_thing_is() -> None:
    wrong = []
    for _, path in modules():
        with open(path, "rb") as file:
            wrong += [
                f"{path.relative_to(SOURCE)}:{token.start[0]}: {token.string}"
                for token in tokenize.tokenize(file.readline)
                if token.type == tokenize.NAME and token.string in NAMELESS
            ]
    assert wrong == []


# Everything below starts a process of its own.

BLOCK = """
import sys
class Gone:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in {blocked!r}:
            raise ModuleNotFoundError(f'No module named {{name!r}}', name=name)
sys.meta_path.insert(0, Gone())
"""
EXTRAS = (
    *("torch", "diffusers", "peft", "transformers", "PIL", "scipy", "sklearn", "lycoris"),
    *("lancedb", "pyarrow", "pandas", "ray", "pacmap"),
    *("fsspec", "s3fs", "huggingface_hub"),
    *("fastapi", "uvicorn", "starlette"),
)


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, timeout=120
    )


def test_core_works_without_torch(tmp_path: Path) -> None:
    program = BLOCK.format(blocked=EXTRAS) + (
        "import sys, numpy as np, lorarium\n"
        "from lorarium.formats.container import load, save\n"
        "save(sys.argv[1], {'lora_unet_mid_block.lora_up.weight': np.ones((4, 2), 'f2')})\n"
        "assert load(sys.argv[1]).tensors\n"
        "sys.argv = ['lorarium', 'inspect', sys.argv[1]]\n"
        "from lorarium.cli import main\n"
        "main()\n"
    )
    done = run(program, str(tmp_path / "x.safetensors"))
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


def test_the_whole_tour_needs_no_torch(tmp_path: Path) -> None:
    program = BLOCK.format(blocked=EXTRAS) + (
        "import sys; sys.argv[0] = 'lorarium'\nfrom lorarium.cli import main\nmain()\n"
    )
    done = run(program, "tour", "-o", str(tmp_path / "tour"))
    assert done.returncode == 0 and done.stderr == "", done.stderr


def test_library_without_its_extra_is_one_line(tmp_path: Path) -> None:
    program = BLOCK.format(blocked=EXTRAS) + (
        "import sys; sys.argv[0] = 'lorarium'\nfrom lorarium.cli import main\nmain()\n"
    )
    done = run(program, "index", str(tmp_path))
    assert done.returncode == 2 and "lorarium[library]" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_torch_file_without_torch_names_the_extra(tmp_path: Path) -> None:
    (tmp_path / "x.pt").write_bytes(b"\x80\x02}q\0.")
    program = BLOCK.format(blocked=EXTRAS) + (
        "import sys; sys.argv[0] = 'lorarium'\nfrom lorarium.cli import main\nmain()\n"
    )
    done = run(program, "inspect", str(tmp_path / "x.pt"))
    assert done.returncode == 2 and "lorarium[torch]" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "program",
    [
        "import lorarium",
        "import sys; sys.argv = ['lorarium', '--help']\n"
        "from lorarium.cli import cli; cli(standalone_mode=False)",
        "import lorarium.formats.inspection.inspect",
        "import lorarium.cli.inspect",
        "import lorarium.cli.index, lorarium.cli.search, lorarium.cli.map, lorarium.cli.studio",
        "from lorarium import Library",
    ],
)
def test_nothing_heavy_is_loaded(program: str) -> None:
    heavy = ("torch", "diffusers", "peft", "transformers", "scipy", "matplotlib", "PIL")
    heavy += ("lancedb", "pyarrow", "pandas", "sklearn", "ray")
    heavy += ("fsspec", "s3fs", "huggingface_hub", "fastapi", "uvicorn")
    check = f"\nimport sys; sys.exit(' '.join(set(sys.modules) & set({heavy!r})) or 0)"
    done = run(program + check)
    assert done.returncode == 0 and done.stderr == "", done.stderr


def test_files_are_read_and_written_without_the_algebra() -> None:
    """Most commands use nothing of it, and every start would pay for loading it."""
    program = "import sys, lorarium.formats.reading, lorarium.formats.writing\n"
    done = run(program + "sys.exit(' '.join(m for m in sys.modules if 'algebra' in m) or 0)")
    assert done.returncode == 0, done.stderr


def test_import_is_light() -> None:
    # a quarter of numpy, which it leaves for later
    assert numpy_imports("-c", "import lorarium") <= 0.75


def test_help_is_fast() -> None:
    assert numpy_imports("-m", "lorarium", "--help") <= 1.5


ADDED = {
    "mergers/first.py": '''
from lorarium.mergers.inputs import Inputs, combine
from lorarium.mergers.registry import method

@method("first", group="sums")
def merge_first(inputs: Inputs, *, gain: float = 1.0):
    """The first adapter alone, at a gain."""
    return combine(inputs, [gain, *[0.0] * (len(inputs.adapters) - 1)])
''',
    "descriptors/counted_modules.py": '''
import numpy as np
from lorarium.descriptors.protocol import declared

@declared
class ModuleCount:
    """How many modules there are."""

    name, metric, size = "module-count", "euclidean", 1

    def fit(self, items):
        return self

    def describe(self, item):
        return np.array([len(item)], np.float32)
''',
    "evaluation/judging/bright_judge.py": '''
class BrightJudge:
    """Says yes to bright pictures."""

    def __init__(self, least: float) -> None:
        self.name, self.least = "bright", least

def open_named(rest, context):
    return BrightJudge(float(rest))
''',
    "cli/count.py": '''
import click
from lorarium import read

@click.command("count")
@click.argument("path")
def command(path: str) -> None:
    """Count the modules of a file."""
    click.echo(len(read(path)))
''',
}
USES_ADDED = """
import sys
from pathlib import Path
import lorarium as lo
from lorarium.cli import cli
from lorarium.descriptors import descriptor
from lorarium.library.samples import sample
assert str(Path(lo.__file__)).startswith(sys.argv[1]), lo.__file__
cat, ink = (lo.read(sample().adapters[i].path) for i in (-1, 0))
merged = lo.merge([cat, ink], method="first", gain=2.0)
assert set(merged) == set(cat)
assert descriptor("module-count").fit([cat]).describe(cat) == len(cat)
cli(["count", str(sample().adapters[0].path)], standalone_mode=False)
cli(["merge", "--methods"], standalone_mode=False)
"""


def test_what_is_new_needs_one_file(tmp_path: Path) -> None:
    """A merge method, a descriptor, a judge and a command, each added to a copy by one file."""
    house = tmp_path / "lorarium"
    shutil.copytree(SOURCE, house, ignore=shutil.ignore_patterns("__pycache__", "*.js", "*.png"))
    for name, text in ADDED.items():
        (house / name).write_text(text)
    done = subprocess.run(
        [sys.executable, "-c", USES_ADDED, str(tmp_path)], capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)}, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    count, *methods = done.stdout.splitlines()
    assert int(count) > 0 and any(line.startswith("first ") for line in methods)
    pytest.importorskip("torch")
    judge = (
        "from pathlib import Path\n"
        "from lorarium.evaluation.judging.open_judge import open_judges\n"
        "with open_judges(['bright:0.5'], Path('.')) as (judge,): print(judge.least)"
    )
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", judge], capture_output=True, text=True, env=env, cwd=tmp_path
    )
    assert done.stdout.strip() == "0.5", done.stderr
    rows = "from lorarium.evaluation.merge.rows import MERGES; print([row.name for row in MERGES])"
    done = subprocess.run(
        [sys.executable, "-c", rows], capture_output=True, text=True, env=env, cwd=tmp_path
    )
    assert "'first'" in done.stdout and "'auto'" not in done.stdout, done.stderr
