"""What stands in one line of each benchmark's table: ours beside the plain baseline and a peer of another library."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_tables import Table, line, number, second, tables

HEAD = ["benchmark", "case", "what", "ours", "plain", "plain / ours", "peer", "peer / ours"]


@dataclass(frozen=True)
class Result:
    """One case; ratios are above 1 where ours is better.

    Args:
        case: What was asked.
        what: The quantity; lower is better unless `higher`.
        ours: Our number.
        plain: That of the plain baseline, None where there is none.
        peer: That of another library.
        higher: True where more is better, such as an accuracy.
    """

    case: str
    what: str
    ours: float
    plain: float | None = None
    peer: float | None = None
    higher: bool = False

    def cells(self, benchmark: str) -> list[str]:
        """The row of the summary."""
        shown = [self.number(self.ours)]
        for other in (self.plain, self.peer):
            shown += ["-", "-"] if other is None else [self.number(other), f"{self.ratio(other):.2f}"]
        return [benchmark, self.case, self.what, *shown]

    def ratio(self, other: float) -> float:
        """How many times ours is better."""
        return self.ours / other if self.higher else other / self.ours

    @staticmethod
    def number(value: float) -> str:
        """Three digits."""
        return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def summary(results: Iterable[tuple[str, Result]]) -> list[str]:
    """The lines of one Markdown table."""
    return [line(HEAD), line(["---"] * len(HEAD)), *(line(result.cells(name)) for name, result in results)]


def read(name: str, path: Path) -> list[Result]:
    """The results in a benchmark's table.

    Raises:
        ValueError: If the table is not of the form that its script writes.
    """
    try:
        return list(READERS[name](tables(path)))
    except (KeyError, IndexError, StopIteration, ValueError, RuntimeError) as error:
        raise ValueError(f"{path} is not the table that {name}.py writes ({type(error).__name__}: {error})") from error


def _starting(table: Table, column: str, start: str) -> dict[str, str] | None:
    return next((row for row in table if row[column].startswith(start)), None)


def _of(row: dict[str, str] | None, column: str) -> float | None:
    return None if row is None or row[column] == "-" else number(row[column])


def _by_training(table: Table, column: str) -> tuple[Table, Table]:
    """Rows without and with seconds of training in this column: plain baselines, and models."""
    return [row for row in table if row[column] == "-"], [row for row in table if row[column] != "-"]


def _linear_scan(found: list[Table]) -> Iterator[Result]:
    for row in found[0]:
        case = f"{row['dtype']}, width {row['width']}, {row['length']} rows"
        yield Result(case, "forward and backward, ms", second(row["sequential"]), second(row["plain"]))


def _fft_conv(found: list[Table]) -> Iterator[Result]:
    for row in found[0]:
        ours, plain = (second(row[form].split(",")[0]) for form in ("auto", "plain"))
        yield Result(f"{row['length']} rows, kernel {row['kernel']}", "forward and backward, ms", ours, plain)


def _selective_scan(found: list[Table]) -> Iterator[Result]:
    column = "forward and backward, ms"
    ours = number(_starting(found[0], "form", "alternax, sequential")[column])
    plain = min(number(row[column]) for row in found[0] if row["form"].startswith("plain"))
    yield Result("default size", column, ours, plain, _of(_starting(found[0], "form", "mambapy"), column))


def _ssd(found: list[Table]) -> Iterator[Result]:
    column = "forward and backward, ms"
    for state in dict.fromkeys(row["state"] for row in found[0]):
        own = [row for row in found[0] if row["state"] == state]
        pairs = {"ssd, chunk by default": "chunked scan", "Mamba2 layer": "Mamba-2 layer"}
        for ours, peer in (*pairs.items(), ("Mamba2 layer in a stack", "Mamba-2 layer")):
            peer = f"peer: {peer}"
            value, other = number(_starting(own, "what", ours)[column]), _of(_starting(own, "what", peer), column)
            yield Result(f"{ours}, state {state}", column, value, peer=other)


def _segments(found: list[Table]) -> Iterator[Result]:
    for row in found[0]:
        for column in (name for name in row if name.endswith(": segments, ms (MB)")):
            if row[column] != "-":
                ours, whole = (float(row[name].split()[0]) for name in (column, column.replace("segments", "whole")))
                yield Result(f"{row['layer']}, {column.split(':')[0]}", "forward and backward, ms", ours, whole)


def _s4d(found: list[Table]) -> Iterator[Result]:
    column = "forward and backward, ms"
    ours = number(_starting(found[0], "form", "chunked")[column])
    yield Result("chunked", column, ours, peer=_of(_starting(found[0], "form", "PyTorch"), column))


def _recurrent(found: list[Table]) -> Iterator[Result]:
    for row in found[0]:
        if row["pass"] == "both":
            case, ours, plain = f"{row['layer']}, {row['batch x length x width']}", number(row["ours"]), row["plain"]
            yield Result(case, "forward and backward, ms", ours, number(plain), _of(row, "torch"))


def _against_torch(found: list[Table]) -> Iterator[Result]:
    for row in found[0]:
        peer = _of(row, "PyTorch loop, ms") if "PyTorch loop, ms" in row else None
        yield Result(row["width x hidden layers"], "training step, ms", number(row["ours, ms"]), peer=peer)


def _etth1(found: list[Table]) -> Iterator[Result]:
    plain, trained = _by_training(found[0], "training, s: first, median")
    for row in trained:
        for what in ("MSE", "CRPS"):
            best = min(number(other[what]) for other in plain)
            yield Result(f"24 h ahead, {row['model']}; best plain forecast", what, number(row[what]), best)


def _lorenz(found: list[Table]) -> Iterator[Result]:
    what = "held-out MSE"
    ridge = number(_starting(found[0], "model", "ridge")[what])
    for row in found[0]:
        if row["model"].startswith("alternator"):
            yield Result(row["model"].removeprefix("alternator, "), what, number(row[what]), ridge)


def _noisy_window(found: list[Table]) -> Iterator[Result]:
    ridge, *alternators = found[0]
    for row in alternators:
        for where, column in (("in the bursts", "RMSE in the bursts"), ("outside", "outside")):
            yield Result(f"{row['alpha']}, {where}", "RMSE", number(row[column]), number(ridge[column]))


def _wmaze(found: list[Table]) -> Iterator[Result]:
    what = "median error, px"
    ridge = number(_starting(found[0], "model", "ridge")[what])
    for name in ("alternator", "LRU alone"):
        yield Result(f"{name}, ridge", what, number(_starting(found[0], "model", name)[what]), ridge)


def _japanese_vowels(found: list[Table]) -> Iterator[Result]:
    what = "test accuracy, median"
    plain, trained = _by_training(found[0], "training, processor s")
    best = max(number(row[what]) for row in plain)
    for row in trained:
        yield Result(f"{row['body']}, best plain classifier", what, number(row[what]), best, higher=True)


def _fields(found: list[Table]) -> Iterator[Result]:
    networks = [row for row in found[0] if row["model"].startswith("convolutions")]
    for column, what in (("RMSE, 1 month", "RMSE, 1 month"), ("6 months", "RMSE, 6 months")):
        others = [number(row[column]) for row in found[0] if row not in networks]
        if not others:
            return
        best = min(others)
        for row in networks:
            yield Result(f"{row['model']}, best of the others", what, number(row[column]), best)


READERS: dict[str, Callable[[list[Table]], Iterator[Result]]] = {
    "linear_scan": _linear_scan,
    "fft_conv": _fft_conv,
    "selective_scan": _selective_scan,
    "ssd": _ssd,
    "segments": _segments,
    "s4d": _s4d,
    "recurrent": _recurrent,
    "against_torch": _against_torch,
    "etth1": _etth1,
    "fields": _fields,
    "lorenz": _lorenz,
    "noisy_window": _noisy_window,
    "wmaze": _wmaze,
    "japanese_vowels": _japanese_vowels,
}
"""The benchmarks whose tables compare; the others are run for what they show by themselves."""
