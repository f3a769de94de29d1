"""What the benchmarks share: where data lie, what machine this is, how a table is written."""

import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path


def data_folder(name: str) -> Path:
    """A file of the data folder; leaves with the reason when it is not there."""
    folder = os.environ.get("ALTERNAX_DATA")
    if not folder or not (Path(folder) / name).is_file():
        sys.exit(f"skipped: set ALTERNAX_DATA to a folder that holds {name}")
    return Path(folder) / name


def machine() -> str:
    """Processor, cores and versions."""
    named = (line.split(":")[1].strip() for line in _cpuinfo() if line.startswith("model name"))
    model = next(named, platform.machine())
    packages = ", ".join(f"{name} {version(name)}" for name in ("alternax", "jax", "numpy"))
    return f"Machine: {model}, {os.cpu_count()} cores; Python {platform.python_version()}, {packages}."


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


def write_table(title: str, about: str | None, lines: list[str], out: str | None) -> None:
    """Print the table, and write it as Markdown when `out` is given."""
    text = "\n".join([f"# {title}", "", (about or "").strip(), "", *lines, ""])
    print(text)
    if out:
        Path(out).write_text(text)
