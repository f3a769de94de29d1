import base64
import hashlib
import re

from report.written import charts

from alternax.report import Chart, Grid, Key, Prose, Section, page

BAD = '</script><script>alert(1)</script> & "q"'


def chart(name="line"):
    return Chart([{"x": [1, 2], "y": [0.5, None], "name": name}], f"caption {name}", f"title {name}")


def test_figure_is_what_was_given_in_the_common_look():
    (figure,) = charts(chart().html()).values()
    assert figure["data"] == [{"x": [1, 2], "y": [0.5, None], "name": "line"}]
    assert figure["layout"]["height"] == 260 and figure["layout"]["xaxis"]["automargin"]


def test_nothing_in_a_chart_can_leave_its_place():
    text = Grid([chart(BAD)], [Key(BAD, "#000")]).html()
    assert BAD not in text and text.count("<script") == text.count("</script") == 1
    (figure,) = charts(text).values()
    assert figure["data"][0]["name"] == BAD


def test_policy_names_exactly_the_scripts_of_the_page_and_allows_no_connection():
    text = page("t", [Section("s", [chart()])])
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'" and "connect-src" not in rules
    assert rules["script-src"].split() == [f"'sha256-{digest}'" for digest in digests]
    assert len(scripts) == 2 and "plotly.js" in scripts[0][:100]


def test_page_carries_plotly_once_and_only_if_it_has_charts():
    many = page("t", [Section("s", [Grid([chart("a"), chart("b")]), chart("c")])])
    assert many.count("* plotly.js v") == 1 and len(charts(many)) == 3
    without = page("t", [Section("s", [Prose("x")])])
    assert "plotly" not in without and "script-src" not in without and len(without) < 5000
