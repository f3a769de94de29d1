"""Numbers of another library, recorded for tests/golden; run where that library is installed."""

import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

GOLDEN = Path(__file__).parents[2] / "tests" / "golden"
FOLDER = GOLDEN / "layers"


def record(name: str, tensors: Mapping[str, np.ndarray], packages: list[str], folder: Path = FOLDER) -> None:
    """Write `tensors` to `name`.safetensors in `folder`, with the versions of `packages` and the script's name."""
    about = {package: version(package) for package in packages}
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.safetensors"
    save_file(
        {k: np.ascontiguousarray(v) for k, v in tensors.items()}, path, {**about, "script": Path(sys.argv[0]).name}
    )
    print(path.name, path.stat().st_size, "bytes,", ", ".join(f"{p} {v}" for p, v in about.items()))
