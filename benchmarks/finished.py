"""What is finished is kept in a folder, so that a long study that is broken off goes on where it was."""

import json
from collections.abc import Callable
from pathlib import Path


def once(folder: Path | None, name: str, make: Callable[[], dict]) -> dict:
    """What `make` returns, or returned in an earlier run of the same settings; numbers, texts and lists of them."""
    if folder is None:
        return make()
    file = folder / f"{name}.json"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(make()))
    return json.loads(file.read_text())
