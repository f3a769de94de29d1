"""One HTML page that needs nothing else: text, tables and figures, styles and images inside."""

import base64
import io
import math
import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alternax.core.errors import InputError
from alternax.report.sheet import SHEET

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        columns: By header: one value a row. NaN and None are shown as a dash.
        units: By header: the unit, shown under it.
        caption: What the table says, below it.
        best: By header: `low` or `high`; the best numbers of the column are set in bold.
        digits: Significant digits of the largest float of a column.
    """

    columns: Mapping[str, Sequence[Any]]
    units: Mapping[str, str] | None = None
    caption: str = ""
    best: Mapping[str, str] | None = None
    digits: int = 3


@dataclass(frozen=True)
class Picture:
    """A matplotlib figure, drawn into the page as PNG.

    Attributes:
        figure: The figure.
        caption: What it shows, below it; also its text for readers who do not see it.
    """

    figure: "Figure"
    caption: str = ""


@dataclass(frozen=True)
class Section:
    """A heading with what stands under it.

    Attributes:
        title: Heading.
        parts: Paragraphs (plain text), tables and pictures, in order.
    """

    title: str
    parts: Sequence[str | Table | Picture]


def page(title: str, sections: Sequence[Section], *, lead: str = "", footer: str = "") -> str:
    """The page as HTML text; it opens without a network and the same content gives the same bytes.

    Args:
        title: Title of the page.
        sections: What it holds.
        lead: A paragraph under the title.
        footer: Small print, such as versions and seeds.

    Example:
        >>> html = page("Forecast", [Section("Skill", ["Lower is better.", Table({"lead": [1], "RMSE": [0.3]})])])
    """
    links = (
        "".join(f'<a href="#s{i}">{escape(s.title)}</a>' for i, s in enumerate(sections)) if len(sections) > 2 else ""
    )
    body = "\n".join(_section(i, section) for i, section in enumerate(sections))
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{SHEET}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>{escape(title)}</h1>\n{_element('p', lead, 'lead')}{_element('nav', links, raw=True)}{body}\n"
        f"{_element('footer', footer)}</main>\n</body>\n</html>\n"
    )


def write_page(path: str | Path, title: str, sections: Sequence[Section], *, lead: str = "", footer: str = "") -> Path:
    """Write the page to a file and return its path; arguments as for `page`.

    Raises:
        InputError: If the file cannot be written.
    """
    path = Path(path)
    text = page(title, sections, lead=lead, footer=footer)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"cannot write the report to {path}: {error.strerror}; choose a file in a folder that exists"
        ) from error
    return path


def _section(number: int, section: Section) -> str:
    parts = "\n".join(_part(part) for part in section.parts)
    return f'<section id="s{number}">\n<h2>{escape(section.title)}</h2>\n{parts}\n</section>'


def _part(part: str | Table | Picture) -> str:
    if isinstance(part, Table):
        return _table(part)
    if isinstance(part, Picture):
        return _picture(part)
    return "\n".join(f"<p>{escape(paragraph.strip())}</p>" for paragraph in part.split("\n\n"))


def _table(table: Table) -> str:
    units = table.units or {}
    heads = "".join(f"<th>{escape(name)}{_unit(units.get(name, ''))}</th>" for name in table.columns)
    columns = [_cells(name, values, table) for name, values in table.columns.items()]
    if len({len(column) for column in columns}) > 1:
        lengths = {name: len(values) for name, values in table.columns.items()}
        raise InputError(f"the columns of a table must have one length, found {lengths}")
    rows = "\n".join(f"<tr>{''.join(cells)}</tr>" for cells in zip(*columns, strict=True))
    caption = _element("figcaption", table.caption)
    body = f"<table>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}\n</tbody></table>"
    return f'<figure>\n<div class="scroll">{body}</div>\n{caption}</figure>'


def _unit(unit: str) -> str:
    return f'<span class="unit">{escape(unit)}</span>' if unit else ""


def _cells(name: str, values: Sequence[Any], table: Table) -> list[str]:
    known = [v for v in values if _is_number(v) and v == v]
    choose = {"low": min, "high": max}.get((table.best or {}).get(name, ""))
    best = choose(known) if choose and known else None
    style = _number_format(known, table.digits)
    return [_cell(value, best, style) for value in values]


def _number_format(known: Sequence[Any], digits: int) -> str:
    """One number of decimals for the whole column, unless its numbers are of too different sizes."""
    sizes = [abs(float(v)) for v in known if v != 0 and math.isfinite(v)] or [1.0]
    if max(sizes) > 1000 * min(sizes) or max(sizes) >= 1e6:
        return f".{digits}g"
    return f".{max(0, digits - 1 - math.floor(math.log10(max(sizes))))}f"


def _cell(value: Any, best: float | None, style: str) -> str:
    if value is None or value != value:
        return '<td class="number">&ndash;</td>'
    if not _is_number(value):
        return f"<td>{escape(str(value))}</td>"
    text = str(value) if isinstance(value, numbers.Integral) else format(float(value), style)
    shown = f"<strong>{text}</strong>" if best is not None and value == best else text
    return f'<td class="number">{shown}</td>'


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def _picture(picture: Picture) -> str:
    data = io.BytesIO()
    picture.figure.savefig(data, format="png", dpi=150, metadata={"Software": None})
    source = base64.b64encode(data.getvalue()).decode("ascii")
    image = f'<img src="data:image/png;base64,{source}" alt="{escape(picture.caption, quote=True)}">'
    return f"<figure>\n{image}\n{_element('figcaption', picture.caption)}</figure>"


def _element(tag: str, content: str, kind: str = "", *, raw: bool = False) -> str:
    """The element on a line of its own, or nothing if it would be empty."""
    attribute = f' class="{kind}"' if kind else ""
    return f"<{tag}{attribute}>{content if raw else escape(content)}</{tag}>\n" if content else ""
