"""What a user runs: the library without the type checker that pytest puts around every function."""

from collections.abc import Iterator
from contextlib import contextmanager

from jaxtyping import config


@contextmanager
def untyped() -> Iterator[None]:
    """Shapes and types are not checked at run time inside, so that the library's own messages are reached."""
    before = config.jaxtyping_disable
    config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        config.update("jaxtyping_disable", before)
