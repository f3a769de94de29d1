"""The spectrum distance of lines and noise whose spectra are known, and of paths that have none."""

import numpy as np
import pytest

from alternax.core.errors import InputError
from alternax.metrics import spectrum_distance

ROWS = 2000
NOISE = np.random.default_rng(0).normal(size=(ROWS, 2))


def wave(cycles, shift=0.0):
    return np.sin(2 * np.pi * cycles * np.arange(ROWS)[:, None] / ROWS + shift)


@pytest.mark.parametrize("window", ["boxcar", "hann"])
def test_phase_and_scale_do_not_count_and_frequency_does(window):
    assert spectrum_distance(7 * wave(50, 1.3) - 4, wave(50), window=window) == pytest.approx(0.0, abs=1e-6)
    assert spectrum_distance(wave(600), wave(50), window=window) == pytest.approx(1.0, abs=1e-6)


def test_lines_a_few_bins_apart_are_two_gaussians_of_the_width_asked_for():
    """Their overlap is exp(-d^2 / (8 s^2)) for lines d bins apart."""
    for smoothing, apart in ((10.0, 15), (20.0, 30)):
        exact = np.sqrt(1 - np.exp(-(apart**2) / (8 * smoothing**2)))
        found = spectrum_distance(wave(400 + apart), wave(400), smoothing=smoothing)
        assert found == pytest.approx(exact, abs=2e-3)


def test_two_samples_of_white_noise_are_at_the_known_floor():
    """sqrt(1 / (8 sqrt(pi) s)); the mean over many columns is that of the root, a few per cent below."""
    rng = np.random.default_rng(1)
    found = spectrum_distance(*rng.normal(size=(2, ROWS, 60)), smoothing=10.0)
    assert found == pytest.approx(np.sqrt(1 / (8 * np.sqrt(np.pi) * 10.0)), rel=0.03)
    averaged = spectrum_distance(*rng.normal(size=(2, 16, ROWS, 20)), smoothing=10.0)
    assert averaged == pytest.approx(found / 4, rel=0.06)


def test_columns_count_alike():
    both = np.concatenate([wave(50), wave(600)], 1)
    assert spectrum_distance(both, np.concatenate([wave(50), wave(50)], 1)) == pytest.approx(0.5, abs=1e-6)


def test_the_window_keeps_a_strong_line_out_of_weak_frequencies():
    """Half a cycle too many: without a window the jump from end to start fills the spectrum."""
    faint, loud = (wave(300.5) + 1e-3 * wave(900, shift) for shift in (0.0, 1.0))
    far = wave(300.5) + 1e-3 * wave(700)
    tapered = spectrum_distance(far, faint, window="hann", smoothing=2.0)
    assert tapered > 5e-4
    assert spectrum_distance(loud, faint, window="hann", smoothing=2.0) < 0.1 * tapered


@pytest.mark.parametrize("lost", [np.nan, np.inf, 0.1])
def test_a_path_without_a_spectrum_keeps_its_share(lost):
    """Of two paths one is gone: the overlap is the root of one half."""
    alive = np.stack([wave(50), wave(50, 1.0)])
    dead = np.stack([wave(50), np.full((ROWS, 1), lost)])
    assert spectrum_distance(dead, alive) == pytest.approx(np.sqrt(1 - np.sqrt(0.5)), abs=1e-6)
    assert spectrum_distance(dead[1:], alive) == 1.0


@pytest.mark.parametrize(
    ("generated", "truth", "settings", "message"),
    [
        (NOISE[:-1], NOISE, {}, "as many rows in both, found 1999 and 2000"),
        (NOISE, NOISE[:, :1], {}, "generated has 2 columns, the truth 1"),
        (NOISE, np.stack([NOISE, 0 * NOISE]), {}, "column 0 of the truth does not vary in a path"),
        (NOISE, NOISE, {"window": "square"}, "window must be one of boxcar, hann; found 'square'"),
        (NOISE, NOISE, {"smoothing": 1000.0}, r"below the 1000 frequencies of 2000 rows; found 1000\.0"),
        (NOISE, NOISE, {"smoothing": -1.0}, r"at least 0 .* found -1\.0"),
    ],
)
def test_refuses_what_it_cannot_compare(generated, truth, settings, message):
    with pytest.raises(InputError, match=message):
        spectrum_distance(generated, truth, **settings)
