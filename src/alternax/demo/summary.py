"""The report of the main job: what was forecast, how well, and where the alternator is not best."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from alternax.demo import scores
from alternax.demo.result import Result
from alternax.report import Image, Prose, Section, Table, page


def html(result: Result, cells: pd.DataFrame, nino34: pd.DataFrame, images: Mapping[str, Image]) -> str:
    """The whole page."""
    samples, origins = next(iter(result.paths.values())).shape[:2]
    months = [f"{pd.Timestamp(date):%B %Y}" for date in (result.known_until[0], result.known_until[-1])]
    fans = [image for name, image in images.items() if name.startswith("nino34")]
    maps = [image for name, image in images.items() if name.endswith("maps")]
    lead = (
        f"{origins} forecasts, one from every month between {months[0]} and {months[1]}, each of {samples} joint "
        f"sample paths over {result.truth.shape[-1]} ocean cells, 1 to {len(result.leads)} months ahead."
    )
    sections = [
        Section("In short", [Prose(verdict(cells, "over all ocean cells")), Prose(verdict(nino34, "for Nino-3.4"))]),
        Section("El Niño and La Niña", [Prose(_INDEX), *fans]),
        Section("Scores over all ocean cells", [Prose(_SCORES), images["skill"], *_tables(cells)]),
        Section("Scores of the Nino-3.4 index", _tables(nino34)),
        Section("Where it is good, and where not", [Prose(where(result)), *maps]),
        Section("How this was made", [Prose(_method(result)), Prose(_BASELINES), Prose(_LIMITS)]),
    ]
    return page("Tropical sea-surface temperature, forecast by alternators", sections, lead=lead)


def verdict(table: pd.DataFrame, where: str) -> str:
    """In words and numbers: at which leads our mean and ensemble are best, and how far from calibrated."""
    ours = str(table.model.iloc[0])
    sentences = []
    for score, name in (("rmse", "root-mean-square error"), ("crps", "CRPS")):
        rows, winners = scores.by_lead(table, score), scores.best(table, score)
        sentences.append(_compared(ours, rows, winners, f"{name} {where}"))
    ratio = scores.by_lead(table, "ssr")[ours]
    share = scores.by_lead(table, "coverage90")[ours]
    sentences.append(
        f"Its spread is {ratio.min():.2f} to {ratio.max():.2f} times its error (1 is calibrated), and its 90 % "
        f"intervals hold {100 * share.min():.0f} to {100 * share.max():.0f} % of what happened."
    )
    return " ".join(sentences)


def _compared(ours: str, rows: dict[str, np.ndarray], winners: list[str], what: str) -> str:
    lost = [lead for lead, winner in enumerate(winners, 1) if winner != ours]
    rivals = np.min([values for name, values in rows.items() if name != ours], axis=0)
    change = 100 * (rows[ours] / rivals - 1)
    first, last = rows[ours][0], rows[ours][-1]
    start = f"The {ours}'s {what} is {first:.3f} °C at the first month and {last:.3f} °C at the last"
    if not lost:
        return f"{start}, the lowest at every lead: {-change.max():.0f} to {-change.min():.0f} % below the next best."
    if len(lost) == len(winners):
        return f"{start}, and another method is better at every lead, by {change.min():.0f} to {change.max():.0f} %."
    worse = ", ".join(f"{lead} ({winners[lead - 1]}, {rows[winners[lead - 1]][lead - 1]:.3f} °C)" for lead in lost)
    return f"{start}. It is not the best at these months ahead: {worse}; at the others it is."


def where(result: Result) -> str:
    """In which share of the cells our error is below the linear inverse model's, by lead."""
    ours, other = (result.paths[name].mean(0, dtype=float) for name in ("alternator", "linear inverse model"))
    lower = ((ours - result.truth) ** 2).mean(0) < ((other - result.truth) ** 2).mean(0)
    shares = ", ".join(f"{lead}: {100 * share:.0f} %" for lead, share in zip(result.leads, lower.mean(1), strict=True))
    return (
        f"Share of cells whose error is below the linear inverse model's, for each month ahead: {shares}. "
        "In the rest that model is as good or better."
    )


def _tables(table: pd.DataFrame) -> list[Table]:
    return [_table(table, score, name) for score, name in scores.SCORES.items()]


def _table(table: pd.DataFrame, score: str, name: str) -> Table:
    rows = scores.by_lead(table, score)
    marked = frozenset()
    if score in ("rmse", "crps"):
        order = list(rows)
        marked = frozenset((order.index(winner), i + 1) for i, winner in enumerate(scores.best(table, score)))
    leads = sorted(set(table.lead))
    header = [f"{name}, by lead", *(f"{lead} month{'s' * (lead > 1)}" for lead in leads)]
    return Table(header, [[model, *(f"{v:.3f}" for v in values)] for model, values in rows.items()], best=marked)


_INDEX = """Nino-3.4 is the mean anomaly between 5° S and 5° N, 170° W and 120° W: warm is El Niño, cold is La
Niña. The fans are joint sample paths of all cells, averaged over that box, so their width rests on how errors
of neighbouring cells hang together and not only on each cell by itself."""

_SCORES = """The error is that of the ensemble mean over all origins and cells, each cell counting the same.
CRPS judges the whole ensemble, lower is better, and is unbiased for any number of paths. The spread-skill ratio
is 1 and the share inside the 90 % interval is 0.9 for a calibrated ensemble. The best in each column is bold."""

_BASELINES = """Climatology: the training years themselves, one path each. Persistence: the last anomaly stays,
with errors drawn from the training years. Linear inverse model: 12 patterns and a matrix that takes one month
to the next, with noise of the covariance of its residuals; what lies outside its patterns is drawn from the
training years. The means of these three ensembles are set to their exact point forecasts; the alternator's mean
carries the sampling noise of its paths."""

_LIMITS = """Not known here: how the models would do on other years, other grids or with observations that
arrive late. HadISST is an analysis, smoothed in space and time, which makes the first month easier than it
would be in practice."""


def _method(result: Result) -> str:
    return f"""The first 252 months (1991 to 2011) are for training; nothing of the later ones was used to choose or set
    anything. Two alternators with affine networks, one with few and one with many patterns of sea-surface
    temperature and both with patterns of the winds, start from least squares and are trained on the CRPS of
    their own rollouts. The forecast pools their sample paths. A rolling test (192 months to train, the next 60
    to test) says how much too narrow it is, and the noise is widened by that, {result.widening:.2f} times. Training
    took {result.seconds:.0f} seconds with that test; the seed is {result.seed}. Anomalies are differences from the
    monthly means of the training years."""
