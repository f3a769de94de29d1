"""The type checker that the jaxtyping import hook puts around the functions of the inner rooms under pytest."""

from typing import Any, Self

from beartype import BeartypeConf, FrozenDict, beartype

# Methods are wrapped one by one, where beartype cannot know what `Self` is.
check = beartype(conf=BeartypeConf(hint_overrides=FrozenDict({Self: Any})))
