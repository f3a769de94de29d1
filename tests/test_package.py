"""The package as a whole: what its door offers, what it costs to open, and which way its rooms may look."""

import ast
import importlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import alternax

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "alternax"
FILES = sorted(SOURCE.rglob("*.py"))

# A room may import from its own line and those below it, never from those above it.
ROOMS = [
    {"cli"},
    {"demo"},
    {"report"},
    {"fit", "fitted", "latent_run", "run", "saving"},
    {"tasks"},
    {"models"},
    {"inference"},
    {"nets"},
    {"layers"},
    {"ops"},
    {"plots"},
    {"metrics"},
    {"data"},
    {"files"},
    {"core"},
    {"version"},
]
RANK = {room: rank for rank, rooms in enumerate(ROOMS) for room in rooms}


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def imported(path):
    """The modules of this library that a file imports when it runs (not those for type checkers only)."""
    tree = ast.parse(path.read_text())
    hidden = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in hidden:
            continue
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "alternax":
            yield from [f"alternax.{a.name}" for a in node.names] if node.module == "alternax" else [node.module]
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("alternax."))


@pytest.mark.parametrize("name", alternax.__all__)
def test_every_public_name_is_there(name):
    assert getattr(alternax, name) is not None


def test_unknown_names_are_refused():
    with pytest.raises(AttributeError, match="module 'alternax' has no attribute 'nonsense'"):
        alternax.nonsense  # noqa: B018


def test_fit_stays_a_function_after_its_room_is_imported():
    importlib.import_module("alternax.fit")
    assert callable(alternax.fit)


def test_door_and_command_line_import_nothing_heavy():
    heavy = "{'jax', 'numpy', 'pandas', 'xarray', 'matplotlib', 'equinox'} & set(sys.modules)"
    assert run(f"import sys, alternax; print({heavy})") == "set()"
    assert run(f"import sys, alternax.cli.main; print({heavy})") == "set()"


def test_version_is_the_one_of_the_package_and_of_the_papers():
    assert re.fullmatch(r"\d+\.\d+\.\d+", alternax.__version__)
    assert f"\nversion: {alternax.__version__}\n" in (ROOT / "CITATION.cff").read_text()
    assert f"\n## {alternax.__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_types_are_shipped():
    assert (SOURCE / "py.typed").exists()
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"] == ">=3.11"


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(SOURCE).as_posix())
def test_imports_go_downwards_only(path):
    room = path.relative_to(SOURCE).parts[0].removesuffix(".py")
    if room == "__init__":
        return
    for module in imported(path):
        assert RANK[module.split(".")[1]] >= RANK[room], f"{room} must not import {module}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(SOURCE).as_posix())
def test_files_stay_short_and_named_after_what_they_hold(path):
    assert len(path.read_text().splitlines()) <= 400
    assert path.stem not in {"utils", "helpers", "misc", "common"}
