"""The files of the main job, from a tiny made-up result."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from alternax.core.errors import InputError
from alternax.demo import figures, outputs, scores, summary
from alternax.demo.result import Result
from alternax.metrics import crps

SAMPLES, ORIGINS, LEADS = 12, 15, 3
MODELS = ("alternator", "linear inverse model", "persistence", "climatology")


@pytest.fixture(scope="module")
def result():
    rng = np.random.default_rng(0)
    lat, lon = (a.ravel() for a in np.meshgrid([-5.0, 0.0, 5.0], [180.0, 200.0, 240.0, 250.0], indexing="ij"))
    ocean = np.arange(12) != 1
    shape = (ORIGINS, LEADS, 11)
    months = np.arange("2014-02", "2016-01", dtype="datetime64[M]").astype("datetime64[ns]")
    truth = rng.normal(size=shape)
    paths = {name: (truth + rng.normal(size=(SAMPLES, *shape)) * (1 + i)).astype("f4") for i, name in enumerate(MODELS)}
    first = np.arange(ORIGINS)
    return Result(
        paths=paths,
        truth=truth,
        known_until=months[first],
        times=months[first[:, None] + 1 + np.arange(LEADS)],
        past=rng.normal(size=(30 + ORIGINS - 1, 11)),
        normal=rng.normal(25, 1, size=(12, 11)),
        latitude=lat[ocean],
        longitude=lon[ocean],
        widening=1.1,
        seconds=1.0,
        seed=7,
    )


@pytest.fixture(scope="module")
def folder(result, tmp_path_factory):
    out = tmp_path_factory.mktemp("demo") / "new" / "out"
    outputs.prepare(out)
    said = []
    outputs.write(out, result, said.append)
    (out / "said.txt").write_text("\n".join(said))
    return out


def test_skill_tables_are_long_and_hold_the_scores(result, folder):
    table = pd.read_csv(folder / "skill.csv")
    assert list(table.columns) == ["lead", "model", "rmse", "crps", "ssr", "coverage90"]
    assert table[["lead", "model"]].values.tolist() == [[lead, m] for lead in (1, 2, 3) for m in MODELS]
    row = table[(table.lead == 2) & (table.model == "persistence")].iloc[0]
    samples, truth = result.paths["persistence"][:, :, 1].astype(float), result.truth[:, 1]
    assert row.rmse == pytest.approx(np.sqrt(np.mean((samples.mean(0) - truth) ** 2)), abs=1e-4)
    pairs = np.abs(samples[:, None] - samples[None]).sum((0, 1)) / (2 * SAMPLES * (SAMPLES - 1))
    assert row.crps == pytest.approx(np.mean(np.abs(samples - truth).mean(0) - pairs), abs=1e-4)


def test_nino34_is_the_area_mean_of_the_box(result, folder):
    inside = [(-5, 200), (-5, 240), (0, 200), (0, 240), (5, 200), (5, 240)]
    chosen = [i for i, at in enumerate(zip(result.latitude, result.longitude, strict=True)) if at in inside]
    area = np.cos(np.deg2rad(result.latitude[chosen]))
    index = lambda field: (field[..., chosen] * area).sum(-1) / area.sum()  # noqa: E731
    table = pd.read_csv(folder / "nino34_skill.csv").set_index(["lead", "model"])
    expected = crps(index(result.paths["alternator"][:, :, 2].astype(float)), index(result.truth[:, 2]))
    assert table.loc[(3, "alternator"), "crps"] == pytest.approx(expected, abs=1e-4)


def test_forecast_file_holds_the_samples_with_coordinates_and_units(result, folder):
    with xr.open_dataset(folder / "forecast.nc", engine="h5netcdf") as stored:
        samples = stored.sst_anomaly
        assert samples.dims == ("sample", "origin", "lead", "lat", "lon") and samples.dtype == np.float32
        assert samples.units == "degC" and stored.lat.units == "degrees_north" and stored.lon.units == "degrees_east"
        for cell, (lat, lon) in enumerate(zip(result.latitude, result.longitude, strict=True)):
            found = samples.sel(lat=lat, lon=lon)
            np.testing.assert_allclose(found, result.paths["alternator"][..., cell], atol=2**-11 + 1e-6)
        assert samples.sel(lat=-5, lon=200).isnull().all()  # land
        np.testing.assert_array_equal(stored.origin, result.known_until)
        np.testing.assert_array_equal(stored.valid_time, result.times)
        np.testing.assert_allclose(stored.observed.sel(lat=0, lon=250), result.truth[..., 6], rtol=1e-6)
        assert stored.climatology.dims == ("month", "lat", "lon")
    with xr.open_dataset(folder / "forecast.nc") as opened:
        assert opened.attrs["seed"] == 7


def test_images_and_report_are_written(folder):
    images = sorted(path.stem for path in folder.glob("*.png"))
    assert {"nino34_fans", "skill", "skill_maps", "correlation_maps"} <= set(images)
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in folder.glob("*.png"))
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert text.count("data:image/png") == len(images)
    assert "RMSE of the mean, °C" in text and "1 month<" in text


def test_printed_table_marks_the_best_model(result, folder):
    said = (folder / "said.txt").read_text()
    assert "All 11 ocean cells: RMSE of the mean, °C" in said and "Nino-3.4 index: CRPS, °C" in said
    lines = [line for line in said.splitlines() if line.startswith("alternator")]
    assert lines[0].count("*") == LEADS
    assert "report.html" in said.splitlines()[-1]


def test_fans_show_what_was_known_and_what_happened(result):
    figure = figures.nino34_fans(result)
    assert [a.get_title(loc="left") for a in figure.axes] == ["known until May 2014"]
    lines = {line.get_label(): line for line in figure.axes[0].get_lines()}
    origin = 3
    known = (result.past @ result.nino34)[30 + origin - 12 : 30 + origin]
    np.testing.assert_allclose(lines["past"].get_data(), [np.arange(-11, 1), known])
    np.testing.assert_allclose(lines["observed"].get_ydata(), result.truth[origin] @ result.nino34)


def test_verdict_says_where_the_alternator_is_not_best(result):
    table = scores.of_cells(result)
    assert "the lowest at every lead" in summary.verdict(table, "here")
    table.loc[(table.lead == 2) & (table.model == "persistence"), "rmse"] = 0.001
    assert "It is not the best at these months ahead: 2 (persistence, 0.001 °C)" in summary.verdict(table, "here")


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write to the folder '.*file/out' .*name a folder that can"):
        outputs.prepare(tmp_path / "file" / "out")
    with pytest.raises(InputError, match="cannot write to the folder '.*file'"):
        outputs.prepare(tmp_path / "file")


def test_preparing_leaves_the_folder_as_it_was(tmp_path):
    (tmp_path / "mine").write_text("kept")
    outputs.prepare(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
