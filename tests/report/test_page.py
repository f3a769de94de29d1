import base64
import re
from html.parser import HTMLParser

import pytest
from matplotlib.figure import Figure

from alternax.report import Image, Prose, Section, Table, page

VOID = {"meta", "img"}


class Checker(HTMLParser):
    """Collects tags and text, and fails on tags that are not closed in order."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.text = [], [], ""

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def read(text):
    checker = Checker()
    checker.feed(text)
    assert checker.open == []
    return checker


def figure():
    drawn = Figure(figsize=(1, 1))
    drawn.subplots().plot([0, 1])
    return drawn


def whole():
    table = Table(["model", "RMSE, °C"], [["ours", "0.28"], ["theirs", "0.32"]], caption="by model", best={(0, 1)})
    sections = [
        Section("Scores", [Prose("One.\n\nTwo\nlines."), table]),
        Section("Maps", [Image.of(figure(), "a map")]),
    ]
    return page("Title", sections, lead="In short.")


def test_page_is_well_formed_and_holds_everything_in_order():
    found = read(whole())
    parts = [
        "Title",
        "In short.",
        "Scores",
        "One.",
        "Two lines.",
        "by model",
        "RMSE, °C",
        "ours",
        "0.28",
        "Maps",
        "a map",
    ]
    places = [found.text.rindex(part) for part in parts]
    assert places == sorted(places)
    assert [tag for tag, _ in found.tags].count("p") == 3
    assert ("td", {"class": "best"}) in found.tags


def test_page_needs_no_network_and_runs_no_script():
    text = whole()
    assert not re.search(r"https?:|//[a-z]|<script|<link|@import|url\(", re.sub(r"base64,[^\"]*", "", text))
    (source,) = [attrs["src"] for tag, attrs in read(text).tags if tag == "img"]
    assert base64.b64decode(source.removeprefix("data:image/png;base64,")).startswith(b"\x89PNG")


def test_page_is_made_for_phones_and_says_its_encoding():
    tags = read(whole()).tags
    assert ("meta", {"charset": "utf-8"}) in tags
    assert ("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}) in tags
    assert ("div", {"class": "wide"}) in tags


def test_everything_is_escaped():
    bad = "<b>\"x\" & 'y'</b>"
    blocks = [Prose(bad), Table([bad], [[bad]], caption=bad), Image(b"png", bad)]
    text = page(bad, [Section(bad, blocks)], lead=bad)
    assert "<b>" not in text
    assert read(text).text.count(bad) == 9
    assert dict(read(text).tags)["img"]["alt"] == bad


def test_same_input_gives_the_same_page():
    assert whole() == whole()


def test_table_refuses_a_row_of_another_length():
    with pytest.raises(ValueError, match="table of 2 columns has 1 cells in row 1"):
        Table(["a", "b"], [["1", "2"], ["3"]])
