"""One self-contained HTML page from sections of prose, tables and figures: no network, all text escaped.

A page runs no script but plotly.js and the line that starts it, and those only where it has charts: its own policy
(Content-Security-Policy) names them by their checksums and forbids every connection.
"""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Self

from alternax.report.chart import STYLE as CHART_STYLE
from alternax.report.chart import Chart, Grid, checksum, scripts

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 60rem; padding: 1.5rem 1rem 3rem; background: #fff; color: #222;
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; overflow-wrap: break-word; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .4rem; }
h2 { font-size: 1.2rem; margin: 2.2rem 0 .5rem; padding-top: 1rem; border-top: 1px solid #ddd; }
p { margin: .6rem 0; max-width: 44rem; }
.lead { color: #555; }
.wide { overflow-x: auto; margin: .8rem 0; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
caption, figcaption { text-align: left; color: #555; font-size: .88rem; padding: .3rem 0; }
caption { max-width: calc(100vw - 2.5rem); }
th, td { padding: .28rem .7rem; text-align: right; white-space: nowrap; }
th { border-bottom: 1px solid #888; font-weight: 600; }
td { border-bottom: 1px solid #eee; }
th:first-child, td:first-child { text-align: left; white-space: normal; min-width: min(16rem, 40vw); }
td.best { font-weight: 700; }
.facts th, .facts td { text-align: left; white-space: normal; vertical-align: top; min-width: 0;
  border-bottom: 1px solid #eee; overflow-wrap: anywhere; }
.facts th { width: 32%; max-width: 11rem; }
figure { margin: 1rem 0; }
img { max-width: 100%; height: auto; display: block; }
"""

_CHARTED = ' class="charted"'
_NOSCRIPT = "<noscript><p>The charts need JavaScript; tables and text are complete without it.</p></noscript>\n"


@dataclass(frozen=True)
class Prose:
    """Text; a blank line starts a new paragraph."""

    text: str

    def html(self) -> str:
        """Paragraphs."""
        parts = (" ".join(part.split()) for part in self.text.split("\n\n"))
        return "\n".join(f"<p>{escape(part)}</p>" for part in parts if part)


@dataclass(frozen=True)
class Table:
    """Rows of cells, already formatted; units belong into the header.

    Args:
        header: Title of each column.
        rows: One text per column each.
        caption: What the table shows.
        best: Cells `(row, column)` to be set in bold.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    best: frozenset[tuple[int, int]] = frozenset()

    def __post_init__(self) -> None:
        for i, row in enumerate(self.rows):
            if len(row) != len(self.header):
                raise ValueError(f"a table of {len(self.header)} columns has {len(row)} cells in row {i}")

    def html(self) -> str:
        """A table that scrolls sideways by itself on a narrow screen."""
        head = "".join(f'<th scope="col">{escape(str(cell))}</th>' for cell in self.header)
        body = "\n".join(
            "<tr>" + "".join(self._cell(i, j, cell) for j, cell in enumerate(row)) + "</tr>"
            for i, row in enumerate(self.rows)
        )
        caption = f"<caption>{escape(self.caption)}</caption>" if self.caption else ""
        return (
            f'<div class="wide"><table>{caption}<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>'
        )

    def _cell(self, row: int, column: int, text: str) -> str:
        mark = ' class="best"' if (row, column) in self.best else ""
        return f"<td{mark}>{escape(str(text))}</td>"


@dataclass(frozen=True)
class Facts:
    """Names and what they are, one line each.

    Args:
        rows: Name and text.
    """

    rows: Sequence[tuple[str, str]]

    def html(self) -> str:
        """A table of two columns whose text wraps."""
        body = "\n".join(
            f'<tr><th scope="row">{escape(str(name))}</th><td>{escape(str(text))}</td></tr>' for name, text in self.rows
        )
        return f'<table class="facts"><tbody>\n{body}\n</tbody></table>'


@dataclass(frozen=True)
class Image:
    """A PNG image inside the page.

    Args:
        png: The file's bytes.
        caption: What it shows; read out to those who do not see it.
    """

    png: bytes
    caption: str

    @classmethod
    def of(cls, figure: "Figure", caption: str, *, dpi: int = 130) -> Self:
        """A matplotlib figure as an image."""
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=dpi)
        return cls(buffer.getvalue(), caption)

    def html(self) -> str:
        """The image as a data address, with its caption."""
        data, caption = base64.b64encode(self.png).decode("ascii"), escape(self.caption)
        image = f'<img alt="{caption}" src="data:image/png;base64,{data}">'
        return f"<figure>{image}<figcaption>{caption}</figcaption></figure>"


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it."""

    title: str
    blocks: Sequence[Prose | Table | Facts | Image | Chart | Grid]


def page(title: str, sections: Sequence[Section], *, lead: str = "") -> str:
    """The whole HTML document.

    Args:
        title: Title of the page.
        sections: What it consists of, in order.
        lead: A sentence or two under the title.

    Returns:
        HTML text, to be written as UTF-8.

    Example:
        >>> text = page("Results", [Section("Scores", [Table(["lead, months", "RMSE, °C"], [["1", "0.28"]])])])
        >>> text.startswith("<!DOCTYPE html>")
        True
    """
    intro = f'<p class="lead">{escape(lead)}</p>\n' if lead else ""
    body = "\n".join(
        f"<section>\n<h2>{escape(section.title)}</h2>\n" + "\n".join(b.html() for b in section.blocks) + "\n</section>"
        for section in sections
    )
    charts = any(isinstance(block, Chart | Grid) for section in sections for block in section.blocks)
    code, style = (scripts(), _STYLE + CHART_STYLE) if charts else ((), _STYLE)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_policy(code)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{style}</style>\n</head>\n<body{_CHARTED * charts}>\n"
        f"<h1>{escape(title)}</h1>\n{intro}{_NOSCRIPT * charts}{body}\n"
        + "".join(f"<script>{text}</script>\n" for text in code)
        + "</body>\n</html>\n"
    )


def _policy(code: Sequence[str]) -> str:
    """What a browser may do with the page: show it, and run exactly these scripts."""
    allowed = "".join(f" '{checksum(text)}'" for text in code)
    run = f"; script-src{allowed}" if code else ""
    return (
        f"default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'{run}; base-uri 'none'; form-action 'none'"
    )
