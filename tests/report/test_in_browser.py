"""The page as a person meets it: opened in a real Chromium, on a wide and on a narrow screen, with no network."""

import time

import pytest
from report.browser import CHROMIUM, DRIVER, browser
from report.written import NAMES, OPTIONS, charts, fitted, table

import alternax as ax

pytestmark = pytest.mark.skipif(
    CHROMIUM is None or DRIVER is None,
    reason="needs the Debian packages chromium and chromium-driver (.ci/run installs them where it may)",
)

COUNTS = """
const plots = [...document.querySelectorAll(".plot")];
const root = document.documentElement;
return {
  plots: plots.length,
  drawn: plots.filter(plot => plot.querySelector(".main-svg")).length,
  flat: plots.filter(plot => plot.querySelector(".main-svg").getBoundingClientRect().height < 100).length,
  lines: document.querySelectorAll(".plot .trace, .plot .hm").length,
  overflow: root.scrollWidth - root.clientWidth,
  width: window.innerWidth,
  resources: performance.getEntriesByType("resource").map(entry => entry.name),
  ticks: [...document.querySelectorAll(".ytick text")].map(tick => tick.textContent),
};
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return ax.report(fitted(), table(), tmp_path_factory.mktemp("browser") / "report.html", **OPTIONS)


@pytest.fixture(scope="module")
def window():
    with browser() as opened:
        yield opened


@pytest.mark.parametrize("width", [1400, 400])
def test_everything_is_drawn_without_an_error_a_request_or_sideways_scrolling(page, window, width):
    window.requests(), window.log("browser")
    window.open(page, width=width)
    found = window.run(COUNTS)
    assert found["width"] == width
    assert found["plots"] == found["drawn"] == len(charts(page)) == 28 and found["flat"] == 0
    assert found["lines"] > 100
    assert found["overflow"] <= 0
    assert window.log("browser") == []
    assert found["resources"] == [] and window.requests() == [page.as_uri()]
    assert any(name.startswith("north · <scri") for name in found["ticks"]), NAMES
    assert len(window.screenshot(0, 900)) > 20_000


def test_a_request_would_have_been_seen_and_is_forbidden_by_the_page(page, window):
    """What the test above relies on: a page that wants more than itself is told so, on the console."""
    window.open(page, width=1400)
    window.run("fetch('http://localhost:9/x').catch(() => 0);")
    window.run("const more = document.createElement('script'); more.textContent = 'window.ran = 1'; "
               "document.body.append(more);")  # fmt: skip
    said, until = "", time.monotonic() + 10
    while not ("localhost:9" in said and "inline script" in said) and time.monotonic() < until:
        said += "".join(entry["message"] for entry in window.log("browser"))
    assert "Connecting to 'http://localhost:9/x' violates the following Content Security Policy" in said.replace(
        "\\", ""
    )
    assert "inline script" in said and window.run("return window.ran === undefined;")
