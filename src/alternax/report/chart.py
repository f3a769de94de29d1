"""Interactive charts inside the page: plotly figures as JSON, drawn by one copy of plotly.js that the page carries."""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from html import escape
from typing import Any

from alternax.plots.style import COLOURS, GRID, INK

STYLE = """
body.charted { max-width: 84rem; }
figure.chart { margin: .8rem 0; min-width: 0; }
figure.chart h3 { font-size: .95rem; font-weight: 600; margin: 0 0 .2rem; }
.plot { width: 100%; }
.charts { display: grid; gap: .6rem 1.4rem;
  grid-template-columns: repeat(auto-fill, minmax(min(var(--least), 100%), 1fr)); }
.key { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; list-style: none; margin: .6rem 0; padding: 0;
  font-size: .88rem; }
.key span { display: inline-block; width: 1.6rem; margin-right: .45rem; vertical-align: middle; }
"""

_START = """
for (const chart of document.querySelectorAll("figure.chart")) {
  const figure = JSON.parse(chart.querySelector("script").textContent);
  // Where fingers scroll the page they must not zoom the chart.
  if (matchMedia("(hover: none)").matches) figure.layout.dragmode = false;
  const options = {responsive: true, displayModeBar: false};
  Plotly.newPlot(chart.querySelector(".plot"), figure.data, figure.layout, options);
}
"""

_LINE = "#8a8a8a"
_AXIS = {
    "gridcolor": GRID,
    "linecolor": _LINE,
    "showline": True,
    "ticks": "outside",
    "tickcolor": _LINE,
    "zeroline": False,
    "automargin": True,
}
_LAYOUT = {
    "font": {"family": "system-ui, -apple-system, Segoe UI, Roboto, sans-serif", "size": 12, "color": INK},
    "margin": {"l": 50, "r": 12, "t": 10, "b": 40},
    "paper_bgcolor": "#fff",
    "plot_bgcolor": "#fff",
    "colorway": list(COLOURS),
    "showlegend": False,
    "hovermode": "x unified",
}


@dataclass(frozen=True)
class Chart:
    """A plotly figure with a title above and a caption below.

    Args:
        traces: Traces in plotly's own words.
        caption: What it shows, with units.
        title: Heading of the chart.
        layout: Beside the look that all charts share; the axes `xaxis` and `yaxis` are completed with it.
        height: Pixels.
    """

    traces: Sequence[Mapping[str, Any]]
    caption: str
    title: str = ""
    layout: Mapping[str, Any] = field(default_factory=dict)
    height: int = 260

    def figure(self) -> dict[str, Any]:
        """The whole figure as plotly takes it."""
        axes = {name: _AXIS | dict(self.layout.get(name, {})) for name in ("xaxis", "yaxis")}
        return {"data": list(self.traces), "layout": _LAYOUT | dict(self.layout) | axes | {"height": self.height}}

    def html(self) -> str:
        """The figure's JSON beside the place where it is drawn."""
        # Nothing in it can end the script element: every "<" is written as its escape.
        data = json.dumps(self.figure(), allow_nan=False, ensure_ascii=False, separators=(",", ":"))
        title = f"<h3>{escape(self.title)}</h3>" if self.title else ""
        caption = f"<figcaption>{escape(self.caption)}</figcaption>" if self.caption else ""
        name = escape(": ".join(part for part in (self.title, self.caption) if part))
        return (
            f'<figure class="chart">{title}<div class="plot" role="img" aria-label="{name}" '
            f'style="height:{self.height}px"></div><script type="application/json">'
            f"{data.replace('<', chr(92) + 'u003c')}</script>{caption}</figure>"
        )


@dataclass(frozen=True)
class Key:
    """One entry of a legend.

    Args:
        label: What the mark stands for.
        colour: A colour of CSS.
        mark: "line", "dashed" or "band".
    """

    label: str
    colour: str
    mark: str = "line"

    def html(self) -> str:
        """A list item with a sample of the mark."""
        how = {"line": "border-top:3px solid", "dashed": "border-top:2px dashed", "band": "height:.9rem;background:"}
        return f'<li><span style="{how[self.mark]} {self.colour}"></span>{escape(self.label)}</li>'


@dataclass(frozen=True)
class Grid:
    """Charts side by side as the width allows, with one legend for all of them.

    Args:
        charts: In order.
        key: Entries of the legend.
        least: Width of a chart below which fewer stand side by side, in rem.
    """

    charts: Sequence[Chart]
    key: Sequence[Key] = ()
    least: int = 20

    def html(self) -> str:
        """The legend, then the charts."""
        key = f'<ul class="key">{"".join(entry.html() for entry in self.key)}</ul>' if self.key else ""
        return (
            key
            + f'<div class="charts" style="--least:{self.least}rem">\n'
            + "\n".join(chart.html() for chart in self.charts)
            + "\n</div>"
        )


def band(x: Sequence[Any], low: Sequence[Any], high: Sequence[Any], colour: str) -> list[dict[str, Any]]:
    """Two invisible lines with the space between them filled.

    Args:
        x: Places on the horizontal axis.
        low: Lower edge there, as `values.numbers` writes it.
        high: Upper edge.
        colour: A colour of CSS.
    """
    edge = {"x": x, "mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
    return [{**edge, "y": low}, {**edge, "y": high, "fill": "tonexty", "fillcolor": colour}]


def dashed_at(x: Any, colour: str) -> dict[str, Any]:
    """A dashed line from the bottom to the top of a chart, one of the `shapes` of its layout.

    Args:
        x: Place on the horizontal axis.
        colour: A colour of CSS.
    """
    line = {"color": colour, "dash": "dash", "width": 1}
    return {"type": "line", "x0": x, "x1": x, "yref": "paper", "y0": 0, "y1": 1, "line": line}


@cache
def scripts() -> tuple[str, ...]:
    """plotly.js, and what starts it."""
    from plotly.offline import get_plotlyjs

    # A browser reads every line end as a line feed; the checksum must be that of what it reads.
    return get_plotlyjs().replace("\r\n", "\n").replace("\r", "\n"), _START


@cache
def checksum(script: str) -> str:
    """A script as the policy of a page names it."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
