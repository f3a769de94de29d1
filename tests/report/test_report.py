"""The whole page: what its charts and tables say against the tasks themselves, what it refuses, how it is written."""

import html
import importlib
import re
from dataclasses import replace

import numpy as np
import pytest
from report.test_page import read
from report.written import LOSSES, NAMES, OPTIONS, TRAINED, charts, fitted, table
from trained import small, untrained, walk
from typer.testing import CliRunner

import alternax as ax
from alternax import metrics
from alternax.cli.main import app
from alternax.report.plan import Plan
from alternax.report.values import cut

ORIGINS = [60, 63, 66, 69, 72, 75]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    assert ax.report(fitted(), table(), path, **OPTIONS) == path
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def tested():
    return fitted().backtest(table(), horizon=4, stride=3, start=60, samples=16)


def drawn(page, start):
    (figure,) = [figure for label, figure in charts(page).items() if html.unescape(label).startswith(start)]
    return figure


def named(figure, name):
    (trace,) = [trace for trace in figure["data"] if trace.get("name") == name]
    return trace


def test_page_has_all_its_sections_and_charts_that_plotly_knows(page):
    go = importlib.import_module("plotly.graph_objects")
    titles = "In short, Data, Model and training, Forecasts, Skill by lead, Calibration, Latent trajectories"
    assert re.findall(r"<h2>(.*?)</h2>", page) == [*titles.split(", "), "How this page was made"]
    assert len(charts(page)) == 1 + 4 + 1 + 12 + 4 + 2 + 3 + 1
    for label, figure in charts(page).items():
        assert go.Figure(figure).data, label


def test_skill_curves_are_the_scores_of_the_backtest_on_standardised_columns(page, tested):
    assert tested.origins.tolist() == ORIGINS
    values = np.where(table().observed, table().x, np.nan)
    scale = np.nanstd(values[:, :TRAINED], axis=(0, 1))
    expected = replace(tested, samples=tested.samples / scale, truth=tested.truth / scale).table
    titles = {"rmse": "RMSE", "crps": "CRPS", "ssr": "Spread-skill ratio", "coverage90": "90 % coverage"}
    for score, title in titles.items():
        trace = named(drawn(page, title), "Alternator")
        np.testing.assert_allclose(trace["y"], expected[score], rtol=1e-6, err_msg=title)
        assert trace["x"] == [1, 2, 3, 4]
        others = {other["name"] for other in drawn(page, title)["data"]}
        assert others == {"Alternator", "climatology", "persistence", "linear autoregression"}


def test_persistence_on_the_page_is_the_last_value_known(page):
    x = np.where(table().observed, table().x, np.nan)
    last = np.stack([x[:, o - 1] for o in ORIGINS], axis=1)
    last[0, ORIGINS.index(66)] = x[0, 65]  # row 66 itself is missing, not the one before
    scale = np.nanstd(x[:, :TRAINED], axis=(0, 1))
    shown = named(drawn(page, "RMSE"), "persistence")["y"]
    for lead in range(4):
        truth = np.stack([x[:, o + lead] for o in ORIGINS], axis=1)
        np.testing.assert_allclose(shown[lead], metrics.rmse(last / scale, truth / scale), rtol=1e-6)


def test_table_of_columns_is_the_backtest_in_the_units_of_the_data(page, tested):
    text = read(page).text
    for i, name in enumerate(NAMES):
        row = page[page.rindex(f"<td>{html.escape(name)}</td>") :].split("</tr>")[0]
        cells = re.findall(r"<td>(.*?)</td>", row)
        expected = [tested.column_table[score][lead, i] for score in ("rmse", "crps") for lead in (0, -1)]
        np.testing.assert_allclose([float(cell) for cell in cells[1:5]], expected, rtol=1e-3)
        assert name in text


def test_fans_are_quantiles_of_the_sample_paths_beside_the_truth(page, tested):
    label = f"south · {NAMES[1]}, known until 2024-03-15"  # row 74 is the last known of the last origin
    figure = drawn(page, label)
    paths, truth = tested.samples[:, 1, -1, :, 1], tested.truth[1, -1, :, 1]
    np.testing.assert_allclose(named(figure, "median")["y"][1:], np.median(paths, axis=0), rtol=1e-6)
    ends = np.array(named(figure, "median")["customdata"])[1:]
    np.testing.assert_allclose(ends.T, np.quantile(paths, [0.05, 0.95], axis=0), rtol=1e-6)
    np.testing.assert_allclose(named(figure, "what happened")["y"], truth, rtol=1e-6)
    assert named(figure, "what happened")["x"][0] == "2024-03-16"
    assert named(figure, "known before")["x"][-1] == "2024-03-15"


def test_missing_truths_leave_gaps(page):
    figure = drawn(page, f"north · {NAMES[0]}, known until 2024-03-06")
    (gap,) = [i for i, value in enumerate(named(figure, "what happened")["y"]) if value is None]
    assert named(figure, "what happened")["x"][gap] == "2024-03-07"


def test_gap_map_is_the_share_observed(page):
    cells = np.array(drawn(page, "Where values are missing")["data"][0]["z"], float)
    np.testing.assert_array_equal(cells, 100.0 * table().observed.transpose(0, 2, 1).reshape(4, -1))


def test_training_curves_are_those_of_the_record(page):
    figure = drawn(page, "Training curves")
    assert named(figure, "training")["y"] == list(LOSSES.train_loss)
    assert named(figure, "validation")["y"] == list(LOSSES.valid_loss)
    assert figure["layout"]["shapes"][0]["x0"] == 30
    text = read(page).text
    assert "early stop after 40 steps" in text and "those of step 30, the lowest validation loss (2.000)" in text
    assert LOSSES.note in text


def test_latent_lines_are_the_means_of_the_filter(page):
    means = np.asarray(fitted().filter(table()).mean)
    for d in range(3):
        lines = [trace["y"] for trace in drawn(page, f"z{d}")["data"] if "name" in trace]
        np.testing.assert_allclose(lines, means[..., d], rtol=1e-5, atol=1e-6)
    widest = re.findall(r"<h3>z(\d)</h3>", page)
    assert [int(d) for d in widest] == np.argsort(-means.reshape(-1, 3).var(0)).tolist()


def test_plane_keeps_the_distances_of_the_two_widest_directions(page):
    means = np.asarray(fitted().filter(table()).mean).reshape(-1, 3)
    shown = drawn(page, "The plane in which they move most")["data"]
    points = np.concatenate([np.array([trace["x"], trace["y"]]).T for trace in shown])
    values = np.linalg.eigvalsh(np.cov(means.T, bias=True))
    np.testing.assert_allclose(points.var(0), values[::-1][:2], rtol=1e-4)
    np.testing.assert_allclose(np.cov(points.T)[0, 1], 0, atol=1e-4 * values[-1])


def test_names_are_shown_as_they_are_and_run_nothing(page):
    scripts = re.findall(r"<script[^>]*>", page)
    assert set(scripts) == {"<script>", '<script type="application/json">'} and scripts.count("<script>") == 2
    shown = page.split("<script>")[0]
    assert NAMES[0] not in shown and html.escape(NAMES[0]) in shown
    assert LOSSES.note not in shown and html.escape(LOSSES.note) in shown
    # plotly reads tags of its own: there the name is escaped once more.
    ticks = drawn(page, "Where values are missing")["layout"]["yaxis"]["ticktext"]
    assert ticks[0] == html.escape(cut(f"north · {NAMES[0]}"))


def test_page_loads_nothing_and_is_of_bounded_size(page):
    assert len(page.encode()) < 10e6
    for tag, attributes in read(page).tags:
        assert not {"src", "href", "srcset", "action", "data"} & attributes.keys(), tag
        assert tag not in {"link", "iframe", "object", "embed", "base", "img"}
    ours = "".join(re.split(r"<script>.*?</script>", page, flags=re.DOTALL))
    assert "http" not in ours.replace("http-equiv", "") and "url(" not in ours and "@import" not in ours


def test_same_seed_gives_the_same_page_and_another_does_not(page, tmp_path):
    again = ax.report(fitted(), table(), tmp_path / "a.html", **OPTIONS).read_text(encoding="utf-8")
    assert again == page
    other = ax.report(fitted(), table(), tmp_path / "b.html", seed=1, title="Mine & <ours>", **OPTIONS)
    text = other.read_text(encoding="utf-8")
    assert named(drawn(text, "CRPS"), "Alternator")["y"] != named(drawn(page, "CRPS"), "Alternator")["y"]
    assert "<title>Mine &amp; &lt;ours&gt;</title>" in text


def test_command_writes_the_same_report_of_a_saved_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fitted().save("run")
    table().to_frame().to_csv("data.csv", index=False)
    options = [f"--{name}={value}" for name, value in OPTIONS.items()]
    result = CliRunner().invoke(app, ["report", "run", "data.csv", *options])
    assert result.exit_code == 0, result.output
    assert "report written to report.html: open it in a browser" in result.stdout
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    ours, theirs = (named(drawn(one, "CRPS"), "Alternator")["y"] for one in (page, text))
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)


def test_page_says_what_was_tested(page):
    text = read(page).text
    assert "Tested from 6 origins in each of 2 series, on rows after the end of training." in text
    assert "6 in each series, 3 rows apart" in text and "origins are 3 rows apart" in text


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"truth": np.nan}, "Nothing was observed in the rows forecast, so there is nothing to score."),
        ({"samples": np.inf}, "Some sample paths are not finite: the model diverges, and there are no scores."),
    ],
)
def test_what_cannot_be_scored_is_drawn_and_the_page_says_why(tmp_path, monkeypatch, tested, changes, message):
    broken = replace(tested, **{name: getattr(tested, name) * value for name, value in changes.items()})
    monkeypatch.setattr(Plan, "backtest", lambda *a, **k: broken)
    with np.errstate(invalid="ignore"):
        text = ax.report(fitted(), table(), tmp_path / "r.html", **OPTIONS).read_text(encoding="utf-8")
    assert message in text
    assert "Forecasts" in text and "Calibration" not in re.findall(r"<h2>(.*?)</h2>", text)


def test_other_columns_are_refused(tmp_path):
    data = ax.Sequences.from_numpy(walk(80), names=["a", "b"], times=table().times[0])
    with pytest.raises(ax.InputError, match="which the model was fitted on, is missing: the data have 'a', 'b'"):
        ax.report(fitted(), data, tmp_path / "r.html")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"horizon": 0}, "report: horizon must be an integer of at least 1; found 0"),
        ({"samples": 1}, "report: samples must be an integer of at least 2; found 1"),
        ({"origins": 2.5}, "report: origins must be an integer of at least 1; found 2.5"),
        ({"horizon": 80}, "a forecast of 80 rows needs 1 rows before them, 81 in all; the longest series has 80"),
    ],
)
def test_options_out_of_range_are_refused_before_the_work(tmp_path, options, message):
    with pytest.raises(ax.InputError, match=message):
        ax.report(fitted(), table(), tmp_path / "r.html", **options)
    assert not list(tmp_path.iterdir())


def test_things_of_another_kind_are_refused(tmp_path):
    with pytest.raises(TypeError, match="report: expected data to be an alternax Sequences, found ndarray"):
        ax.report(fitted(), walk(80), tmp_path / "r.html")
    with pytest.raises(TypeError, match="report: expected fitted to be an alternax Fitted, found Alternator"):
        ax.report(fitted().model, table(), tmp_path / "r.html")
    with pytest.raises(TypeError, match="report: expected title to be text, found int"):
        ax.report(fitted(), table(), tmp_path / "r.html", title=3)
    empty = table().split(TRAINED)[1]
    none = replace(empty, valid=empty.valid & np.array([[True], [False]]))
    with pytest.raises(ax.InputError, match="report: series 'south' of the data have no rows: leave them out"):
        ax.report(fitted(), none, tmp_path / "r.html")


def test_paths_that_cannot_be_written_are_refused_before_the_work(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    for path, message in (
        (tmp_path, "is a folder: give the name of the HTML file to write"),
        (tmp_path / "none" / "r.html", "none of the report does not exist: make it, or name another"),
        (file / "r.html", "file of the report does not exist"),
        (tmp_path / ("x" * 300), "cannot write to .*: File name too long. Choose another path"),
    ):
        with pytest.raises(ax.InputError, match=message):
            ax.report(untrained(small(), table()), "no data", path)


def test_failing_write_leaves_the_old_page_and_nothing_else(page, tmp_path, monkeypatch):
    from alternax.report.report import _write

    path = tmp_path / "r.html"
    path.write_text("old")
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(ax.InputError, match="cannot write .*r.html: No space left on device. Choose another path"):
        _write(path, page)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_report_stays_a_function_after_its_room_is_imported():
    importlib.import_module("alternax.report.report")
    assert callable(ax.report) and ax.report is importlib.import_module("alternax.report").report
