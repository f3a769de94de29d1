"""One switch for double precision, and models that keep their own precision whatever it says."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from trained import SETTINGS, untrained, walk

import alternax as ax
from alternax.core.precision import check_precision, computing_in, current_precision, precision_of

DATA = ax.Sequences.from_numpy(walk(30))
LENGTHS = {"horizon": 2, "samples": 2}


def model() -> ax.Autoregressive:
    return ax.Autoregressive(2, body="affine", head="affine", law="constant", width=3, key=jax.random.key(0))


def kinds(tree) -> set[str]:
    return {str(leaf.dtype) for leaf in jax.tree.leaves(tree) if eqx.is_inexact_array(leaf)}


@pytest.fixture(scope="module")
def double() -> ax.Fitted:
    """Two steps in double precision, in a process that is set to single."""
    with ax.set_precision("float64"):
        return ax.fit(model(), DATA, **SETTINGS | {"steps": 2, "every": 2})


def test_the_switch_stays_or_ends_with_its_block():
    assert current_precision() == "float32"
    with ax.set_precision("float64"):
        assert current_precision() == "float64" and kinds(model()) == {"float64"}
        ax.set_precision("float32")
        assert kinds(model()) == {"float32"}
        ax.set_precision("float64")
    assert current_precision() == "float32" and kinds(model()) == {"float32"}


@pytest.mark.parametrize("name", ["double", "float16", ""])
def test_another_name_is_refused(name):
    with pytest.raises(ax.InputError, match=r"precision must be one of float32, float64; found"):
        ax.set_precision(name)
    assert current_precision() == "float32"


def test_any_double_weight_makes_a_model_double():
    with computing_in("float64"):
        mixed = {"a": jnp.zeros(1, jnp.float32), "b": jnp.zeros(1, jnp.complex128), "c": jnp.zeros(1, int)}
    assert precision_of(mixed) == "float64"
    assert precision_of({"a": mixed["a"], "c": mixed["c"]}) == "float32"
    assert precision_of(mixed["c"]) == precision_of(None) == "float32"


def test_training_in_another_precision_than_the_models_is_refused():
    single = model()
    check_precision(single)
    with (
        ax.set_precision("float64"),
        pytest.raises(ax.InputError, match=r"made in float32, and float64 is set: build it after alternax\.set_prec"),
    ):
        check_precision(single)


def test_training_in_double_precision_is_double_throughout(double):
    assert kinds(double.model) == {"float64"}
    loss = double.record.train_loss[0]
    assert loss != float(np.float32(loss))


def test_a_double_model_loses_no_digit_where_single_is_set(double):
    flat = untrained(double.model, DATA)
    with ax.set_precision("float64"):
        inside = flat.forecast(**LENGTHS).samples
    outside = flat.forecast(**LENGTHS).samples
    np.testing.assert_array_equal(inside, outside)
    assert (outside != outside.astype(np.float32)).any()
    assert current_precision() == "float32"


def test_a_single_model_gives_the_same_bits_where_double_is_set():
    fitted = untrained(model(), DATA)
    alone = fitted.forecast(**LENGTHS).samples
    with ax.set_precision("float64"):
        np.testing.assert_array_equal(fitted.forecast(**LENGTHS).samples, alone)


def test_a_double_run_is_loaded_whole_or_not_at_all(double, tmp_path):
    double.save(tmp_path / "run")
    with pytest.raises(ax.ModelFileError, match=r'saved as float64.*call alternax\.set_precision\("float64"\)'):
        ax.load(tmp_path / "run")
    with ax.set_precision("float64"):
        again = ax.load(tmp_path / "run")
    for before, after in zip(jax.tree.leaves(double.model), jax.tree.leaves(again.model), strict=True):
        np.testing.assert_array_equal(before, after)
    np.testing.assert_array_equal(again.forecast(**LENGTHS).samples, double.forecast(**LENGTHS).samples)
