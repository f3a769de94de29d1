"""What a model was trained up to, and new data with the end of the training data before them."""

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Shaped

from alternax.data.cut import ROWWISE
from alternax.data.sequences import Sequences
from alternax.fitted import Fitted


def trained_until(fitted: Fitted, data: Sequences) -> Shaped[np.ndarray, "series"]:
    """Last training time of every series, NaT or NaN for one that was not in training."""
    last = dict(zip(fitted.tail.schema.ids, fitted.tail.last_times, strict=True))
    never = np.array("NaT" if data.times.dtype.kind == "M" else np.nan, data.times.dtype)
    return np.array([last.get(name, never) for name in data.schema.ids], data.times.dtype)


def never_trained(fitted: Fitted, data: Sequences) -> Bool[np.ndarray, "series"]:
    """The series that were not in training."""
    until = trained_until(fitted, data)
    return np.isnat(until) if until.dtype.kind == "M" else np.isnan(until)


def in_training(fitted: Fitted, data: Sequences) -> Bool[np.ndarray, "series time"]:
    """The rows that training may have seen: those of its series up to its end."""
    return data.valid & (data.times <= trained_until(fitted, data)[:, None])


def with_history(fitted: Fitted, data: Sequences) -> Sequences:
    """Data that begin after the training data, as `data.split` makes them, with the last training rows before them.

    Any other data are returned as they are.

    Args:
        fitted: The run, whose `tail` holds those rows.
        data: Series as `Sequences.like` reads them.
    """
    tail = fitted.tail
    place = {name: i for i, name in enumerate(tail.schema.ids)}
    if not set(data.schema.ids) <= place.keys() or data.lengths.min() == 0:
        return data
    before = tail.take([place[name] for name in data.schema.ids])
    if not (data.times[:, 0] > before.last_times).all():
        return data
    joined = {name: np.concatenate([getattr(before, name), getattr(data, name)], axis=1) for name in ROWWISE}
    # Padding between the two moves to the end.
    order = np.argsort(~joined["valid"], axis=1, kind="stable")[:, : joined["valid"].sum(1).max()]
    fields = {
        name: np.take_along_axis(array, order.reshape(*order.shape, *(1,) * (array.ndim - 2)), axis=1)
        for name, array in joined.items()
    }
    return replace(data, **fields)
