"""Numbers of another library's layers, recorded for tests/golden/layers; run where that library is installed."""

import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

FOLDER = Path(__file__).parents[2] / "tests" / "golden" / "layers"


def record(name: str, tensors: Mapping[str, np.ndarray], packages: list[str]) -> None:
    """Write `tensors` to `name`.safetensors with the versions of `packages` and the script that made it."""
    about = {package: version(package) for package in packages}
    path = FOLDER / f"{name}.safetensors"
    save_file(
        {k: np.ascontiguousarray(v) for k, v in tensors.items()}, path, {**about, "script": Path(sys.argv[0]).name}
    )
    print(path.name, path.stat().st_size, "bytes,", ", ".join(f"{p} {v}" for p, v in about.items()))
