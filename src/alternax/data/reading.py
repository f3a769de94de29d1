"""New data read the way a model was taught to read: the same columns, usual step and calendar."""

from dataclasses import replace

import numpy as np

from alternax.core.errors import InputError
from alternax.data.calendar import check_calendar
from alternax.data.checks import listed
from alternax.data.classes import UNKNOWN, renumbered
from alternax.data.schema import Schema
from alternax.data.sequences import Sequences

LEARNT = ("values", "kinds", "covariates", "targets", "calendar", "step", "classes")


def read_like(data: Sequences, fitted: Schema) -> Sequences:
    """See `Sequences.like`."""
    found = data.schema
    for role in ("controls", "static"):
        _same(role, getattr(fitted, role), getattr(found, role))
    if found.targets:
        _same("targets", fitted.targets, found.targets)
    if (fitted.time_kind == "datetime") != (found.time_kind == "datetime"):
        raise InputError(f"times: the model was fitted on times of kind {fitted.time_kind}, found {found.time_kind}.")
    check_calendar(fitted.calendar, found.time_kind)
    same_grid = found.grid is not None and fitted.grid is not None and _cells(found) == _cells(fitted)
    place = {name: i for i, name in enumerate(found.values)}
    absent = [name for name in fitted.values if name not in place]
    if absent and not same_grid:
        raise InputError(
            f"Column {absent[0]!r}, which the model was fitted on, is missing: the data have {listed(found.values)}."
        )
    schema = replace(
        found,
        **{name: getattr(fitted, name) for name in LEARNT},
        grid=fitted.grid if same_grid else found.grid,
    )
    source = [place.get(name, -1) for name in fitted.values]
    known = np.array(source) >= 0  # a cell of the grid that is missing throughout is no column of the new data
    fields = {"x": data.x[..., source] * known, "observed": data.observed[..., source] & known}
    fields["labels"] = (
        renumbered(data.labels, found.classes, fitted.classes) if fitted.classes else np.full(data.series, UNKNOWN)
    )
    if fitted.targets and not found.targets:
        none = np.zeros((*data.valid.shape, len(fitted.targets)))
        fields |= {"targets": none, "labelled": none.astype(bool)}
    return replace(data, **fields, schema=schema)


def _same(role: str, wanted: tuple[str, ...], found: tuple[str, ...]) -> None:
    if wanted != found:
        raise InputError(
            f"{role}: expected {listed(wanted)} as in the data the model was fitted on, found {listed(found)}."
        )


def _cells(schema: Schema) -> tuple:
    """All that tells the cells of two grids apart."""
    variables = {v["name"]: (v["dims"], v["shape"]) for v in schema.grid["variables"]}
    return variables, {c["name"]: (c["dims"], c["values"]) for c in schema.grid["coords"]}
