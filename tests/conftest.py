"""One environment for all tests: CPU, no windows, no compilation cache of another run, the same examples every time."""

import atexit
import os
import shutil
import signal
import tempfile
import threading
from pathlib import Path

os.environ["MPLBACKEND"] = "Agg"
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import hypothesis
import jax
import pytest

# What several tests or workers compile is compiled once a run. The cache goes with the run: an executable of another
# jax or machine must never decide a test.
CACHE = "ALTERNAX_TEST_CACHE"
if CACHE not in os.environ:
    os.environ[CACHE] = tempfile.mkdtemp(prefix="alternax-tests-")
    atexit.register(shutil.rmtree, os.environ[CACHE], ignore_errors=True)
for name, value in {
    "jax_compilation_cache_dir": os.environ[CACHE],
    "jax_persistent_cache_min_compile_time_secs": 0,
    "jax_persistent_cache_min_entry_size_bytes": -1,
}.items():
    jax.config.update(name, value)
# Compiling takes far longer here than running, so optimise little.
jax.config.update("jax_disable_most_optimizations", True)

# A run in the background inherits that Ctrl-C is ignored; the tests of an interrupted training send it to themselves.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN and threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)

HERE = Path(__file__).parent

for profile, examples in (("quick", 8), ("thorough", 50)):
    settings = {"deadline": None, "derandomize": True, "database": None}
    hypothesis.settings.register_profile(profile, max_examples=examples, **settings)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # The files beside this one run longest: begun last, they would keep one worker busy and the other idle.
    items.sort(key=lambda item: item.path.parent != HERE)
    if jax.config.jax_enable_x64:
        return
    for item in items:
        if item.get_closest_marker("float64"):
            item.add_marker(pytest.mark.skip(reason="needs double precision: set JAX_ENABLE_X64=1"))
