"""The page is valid, self-contained, escaped and repeatable."""

import base64
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from alternax.core.errors import InputError
from alternax.plots import calibration
from alternax.report import Picture, Section, Table, page, write_page

VOID = {"meta", "img", "br"}


class Balanced(HTMLParser):
    """Checks that every element is closed in order; keeps the text of cells and the sources of images."""

    def __init__(self, text):
        super().__init__()
        self.open, self.cells, self.sources = [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)
        if tag in ("td", "th"):
            self.cells.append("")
        self.sources += [value for name, value in attrs if name in ("src", "href")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "td" in self.open or "th" in self.open:
            self.cells[-1] += data


def sections():
    table = Table(
        {
            "model": ["ours <b>", "theirs"],
            "RMSE": [0.27412, np.float64(0.3)],
            "n": [115, np.int64(7)],
            "SSR": [np.nan, None],
        },
        units={"RMSE": "°C"},
        caption="By & by",
        best={"RMSE": "low"},
    )
    picture = Picture(calibration([0.5], {"a": np.array([0.4])}), caption='A "figure"')
    return [Section("Skill", ["First.\n\nSecond <script>.", table]), Section("Figure", [picture]), Section("End", [])]


def test_page_is_balanced_escaped_and_loads_nothing():
    text = page("T < U", sections(), lead="Lead", footer="seed 0")
    parsed = Balanced(text)
    assert parsed.cells == ["model", "RMSE°C", "n", "SSR", "ours <b>", "0.274", "115", "–", "theirs", "0.300", "7", "–"]
    assert (
        "<script" not in text and "T &lt; U" in text and "By &amp; by" in text and 'alt="A &quot;figure&quot;"' in text
    )
    assert "<strong>0.274</strong>" in text and "<p>Second &lt;script&gt;.</p>" in text
    assert all(source.startswith(("data:image/png;base64,", "#")) for source in parsed.sources)
    assert not re.search(r"https?://|@import|url\(", text)
    png = next(s for s in parsed.sources if s.startswith("data:"))
    assert base64.b64decode(png.split(",")[1]).startswith(b"\x89PNG")


def test_numbers_of_a_column_have_the_same_decimals_unless_their_sizes_differ_too_much():
    table = Table({"near": [0.98, 1.012, -0.5], "far": [0.00123, 45.6, 0.0], "whole": [1234.5, 10.0, np.inf]})
    cells = Balanced(page("T", [Section("S", [table])])).cells[3:]
    assert cells[0::3] == ["0.98", "1.01", "-0.50"]
    assert cells[1::3] == ["0.00123", "45.6", "0"]
    assert cells[2::3] == ["1234", "10", "inf"]


def test_same_content_gives_the_same_bytes(tmp_path):
    first = write_page(tmp_path / "a.html", "T", sections())
    assert first.read_bytes() == write_page(str(tmp_path / "b.html"), "T", sections()).read_bytes()


def test_columns_of_unequal_length_are_refused():
    with pytest.raises(InputError, match=r"one length, found {'a': 1, 'b': 2}"):
        page("T", [Section("S", [Table({"a": [1], "b": [1, 2]})])])


def test_page_in_a_folder_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot write the report to .*No such file or directory"):
        write_page(tmp_path / "missing" / "a.html", "T", [])
