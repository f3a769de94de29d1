"""Settings of a module that are no arrays."""

import copy
from typing import Any, TypeVar

Module = TypeVar("Module")


def with_static(module: Module, **settings: Any) -> Module:
    """The same module, its arrays shared, with other values of static fields; `__init__` does not run again."""
    changed = copy.copy(module)
    for name, value in settings.items():
        object.__setattr__(changed, name, value)
    return changed
