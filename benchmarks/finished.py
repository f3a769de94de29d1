"""What is finished is kept in a folder, so that a long study that is broken off goes on where it was."""

import json
from collections.abc import Callable
from pathlib import Path


def once(folder: Path | None, name: str, make: Callable[[], dict]) -> dict:
    """What `make` returns, or returned in an earlier run: the name must tell all settings that matter.

    Numbers, texts and lists of them; a run that is killed leaves either the whole answer or none.
    """
    if folder is None:
        return make()
    file = folder / f"{name}.json"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part")
        part.write_text(json.dumps(make()))
        part.replace(file)
    return json.loads(file.read_text())
