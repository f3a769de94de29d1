"""Test the lowest and the newest versions of what alternax depends on, each in a new environment.

    python .ci/test_versions.py [lowest] [newest]

Builds the wheel, installs it (wheels alone, so that nothing needs a compiler) into `.venv-lowest` with every dependency
at its lower bound in pyproject.toml and into `.venv-newest` with the newest releases, times `import alternax` in new
processes, asks the command for its help, and runs a part of the tests against the installed wheel. Leaves with 1 if
anything fails.
"""

import argparse
import re
import subprocess
import sys
import time
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BOUND = re.compile(r"(?P<name>[A-Za-z0-9._-]+)>=(?P<lowest>[0-9][0-9.]*)(,.*)?")
TOOLS = ("beartype", "hypothesis", "pytest")
SECONDS = 1.5
SHOWN = "jax|jaxlib|numpy|pandas|scipy|equinox|numpyro|optax|polars|xarray|narwhals|h5py|h5netcdf|matplotlib|typer"
TESTS = (
    "tests/core", "tests/data", "tests/files/test_folder.py", "tests/fit/test_fit.py", "tests/layers/test_lru.py",
    "tests/ops/test_linear_scan.py", "tests/plots", "tests/tasks/test_results.py", "tests/test_readme.py",
    "tests/test_saving.py",
)  # fmt: skip


def lower_bounds(project: dict) -> list[str]:
    """`name==lowest` for every dependency and every extra that users install.

    Raises:
        ValueError: If one has no lower bound.
    """
    asked = [*project["dependencies"], *project["optional-dependencies"]["polars"]]
    found = {line: BOUND.fullmatch(line.replace(" ", "")) for line in asked}
    missing = [line for line, match in found.items() if match is None]
    if missing:
        raise ValueError(f"no lower bound, or one that cannot be read: {', '.join(missing)}")
    return [f"{match['name']}=={match['lowest']}" for match in found.values() if match]


def run(*words: str | Path, **settings) -> str:
    """What a command prints; it must succeed."""
    command = [str(word) for word in words]
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE, **settings).stdout


def wheel(python: Path) -> Path:
    """The wheel of the working tree, for any machine."""
    folder = ROOT / "dist"
    run(python, "-m", "pip", "wheel", "-qq", "--no-deps", "--wheel-dir", folder, ROOT)
    built = max(folder.glob("alternax-*.whl"), key=lambda path: path.stat().st_mtime)
    assert built.name.endswith("-py3-none-any.whl"), f"{built.name} is not for every machine"
    return built


def environment(name: str, pins: list[str]) -> Path:
    """The Python of a new environment that holds the wheel alone; says how long its import takes."""
    folder = ROOT / f".venv-{name}"
    venv.create(folder, clear=True, with_pip=True)
    python = folder / "bin" / "python"
    constraints = folder / "pins.txt"
    constraints.write_text("\n".join(pins) + "\n")
    install = (python, "-m", "pip", "install", "-qq", "--only-binary", ":all:", "--constraint", constraints)
    run(*install, f"{wheel(python)}[polars]")
    took = [import_seconds(python) for _ in range(4)]
    print(f"{name}: import alternax took {took[0]:.2f} s the first time, {min(took):.2f} s at best", flush=True)
    if min(took) > SECONDS:
        raise ValueError(f"import alternax took {min(took):.2f} s; at most {SECONDS} s are allowed")
    for verb in ([], ["fit"], ["report"]):
        assert "Usage" in run(folder / "bin" / "alternax", *verb, "--help", cwd=ROOT / ".ci")
    run(*install, *TOOLS)
    listed = run(python, "-m", "pip", "list", "--format", "freeze").split()
    print(f"{name}:", ", ".join(line for line in listed if re.match(f"({SHOWN})==", line)), flush=True)
    return python


def import_seconds(python: Path) -> float:
    """Wall time of a process that imports alternax and ends."""
    started = time.perf_counter()
    run(python, "-c", "import alternax", cwd=ROOT / ".ci")
    return time.perf_counter() - started


def tested(name: str, python: Path) -> bool:
    """Whether the tests pass on the installed wheel (src/ is not on the path)."""
    where = run(python, "-c", "import alternax; print(alternax.__file__)", cwd=ROOT).strip()
    assert f".venv-{name}" in where, where
    command = [
        python,
        "-m",
        "pytest",
        "-q",
        "--maxfail=8",
        "--tb=short",
        "-m",
        "not slow and not float64",
        "-p",
        "no:cacheprovider",
        *TESTS,
    ]
    return subprocess.run([str(word) for word in command], cwd=ROOT).returncode == 0


def main() -> None:
    """Both environments, or those named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("which", nargs="*", default=["lowest", "newest"], help="lowest, newest; default both")
    options = parser.parse_args()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pins = {"lowest": lower_bounds(project), "newest": []}
    passed = {name: tested(name, environment(name, pins[name])) for name in options.which}
    print("\n".join(f"{name}: {'passed' if good else 'FAILED'}" for name, good in passed.items()))
    sys.exit(0 if all(passed.values()) else 1)


if __name__ == "__main__":
    main()
