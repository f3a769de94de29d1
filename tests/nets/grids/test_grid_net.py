"""Networks on grids: stepped as they are called, moved as the field is moved, blind to land, no way past the latent."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from untyped import untyped

from alternax import Alternator, Grid, GridNet, InputError, Operator, files
from alternax.core.sequence import Sequence
from alternax.nets import RowLayout, silence
from alternax.nets.blind import blind_to
from alternax.nets.families import ColumnLaws, Normal, Poisson
from alternax.nets.noise import Noise

KEY = jax.random.key(0)
LATENT = 5
SEA = np.array([[1, 1, 0, 1, 0, 0], [1, 0, 0, 1, 1, 0], [0, 1, 1, 1, 1, 0]], bool)
LAND_GRID, ROUND_GRID = Grid.of_mask(SEA), Grid.of_mask(np.ones((3, 8)), periodic=True)
FIELD = ROUND_GRID.coarse(1, channels=2)
call = eqx.filter_jit(lambda net, x: net(x)[0])


def layout(grid, controls=1):
    columns = np.arange(grid.obs_dim)
    return RowLayout(grid.obs_dim, controls, columns, np.concatenate([columns, columns]))


def rows(count, width, seed=0):
    return jnp.asarray(np.random.default_rng(seed).normal(size=(count, width)), jnp.float32)


@pytest.fixture(scope="module")
def vector():
    """FTN and OTN of a latent vector, on a grid with land."""
    net = GridNet(LAND_GRID, width=3, levels=1)
    return net.reader(layout(LAND_GRID), LATENT, key=KEY), net.predictor(layout(LAND_GRID), LATENT, key=KEY)


@pytest.fixture(scope="module")
def field():
    """U-Nets of a latent field, around the globe without land; the OTN reads the last field too."""
    net = GridNet(ROUND_GRID, width=3, levels=2, latent=FIELD, skip=True)
    size = FIELD.obs_dim
    return net.reader(layout(ROUND_GRID), size, key=KEY), net.predictor(layout(ROUND_GRID), size, key=KEY)


def moved(grid, numbers, by):
    """Numbers of the grid moved along the longitudes."""
    return grid.columns(jnp.roll(grid.field(numbers), by, -1))


def changes(net):
    """How the output moves with each number of the input: `(in_dim, out_dim)`."""
    x = rows(net.in_dim + 1, net.in_dim)
    varied = call(net, x[:1] + jnp.eye(net.in_dim + 1, net.in_dim))
    return np.asarray(varied[:-1] - varied[-1])


either = pytest.mark.parametrize("which", ["vector", pytest.param("field", marks=pytest.mark.slow)])


@either
def test_step_equals_call(which, request):
    for net in request.getfixturevalue(which):
        x = rows(net.in_dim + 1, net.in_dim)
        y = call(net, x)
        assert y.shape == (net.in_dim + 1, net.out_dim)
        one = eqx.filter_jit(net.step)(x[1], net.init_state())
        np.testing.assert_allclose(one[0], y[1], rtol=1e-4, atol=1e-5)
        assert one[1] == net.init_state() == ()


@either
def test_every_number_of_the_latent_is_written_and_read(which, request):
    """So is every column, every mark of what is missing, every age, and the control."""
    reader, predictor = request.getfixturevalue(which)
    written, read = changes(reader), changes(predictor)
    assert (np.abs(written).max(0) > 1e-6).all() and (np.abs(written).max(1) > 1e-6).all()
    assert (np.abs(read).max(0) > 1e-6).all() and (np.abs(read).max(1) > 1e-6).all()
    assert written.shape[1] == predictor.state_dim


@pytest.mark.slow
def test_a_field_moved_along_a_round_grid_moves_latent_field_and_prediction(field):
    reader, predictor = field
    x = rows(reader.in_dim + 1, reader.in_dim)
    turned = _turned(x, [(ROUND_GRID, 4), (ROUND_GRID, 4)])
    np.testing.assert_allclose(call(reader, turned), moved(FIELD, call(reader, x), 2), rtol=1e-4, atol=1e-5)
    assert not np.allclose(call(reader, turned), call(reader, x), atol=1e-3)
    x = rows(predictor.in_dim + 1, predictor.in_dim)
    turned, want = _turned(x, [(FIELD, 2), (ROUND_GRID, 4), (ROUND_GRID, 4)]), call(predictor, x)
    np.testing.assert_allclose(call(predictor, turned), moved(predictor.asked, want, 4), rtol=1e-4, atol=1e-5)


def _turned(x, parts):
    """The input with its fields moved; the control behind them stays."""
    pieces, start = [], 0
    for grid, by in parts:
        pieces.append(moved(grid, x[:, start : start + grid.obs_dim], by))
        start += grid.obs_dim
    return jnp.concatenate([*pieces, x[:, start:]], -1)


def test_silent_numbers_have_no_effect_but_can_be_trained(vector):
    reader, _ = vector
    quiet = changes(silence(reader, 10, 20))
    assert not quiet[10:20].any() and np.abs(quiet[:10]).max() > 1e-3
    # The factors enter the output as the numbers do: where these have an effect, those have a gradient.
    assert (np.abs(changes(reader)[10:20]).max(1) > 1e-6).all()


def test_columns_that_never_varied_get_the_factor_zero(vector):
    reader, _ = vector
    noise = ColumnLaws([Poisson()] * 2 + [Normal()] * 8)
    for law in (noise, Noise("learned", 10, 0.3, 1, None, KEY)):
        gate = blind_to(np.arange(10) == 4, reader.first, law, None)
        assert np.flatnonzero(gate.weight[0] == 0).tolist() == [4]


def mean_by_last(model):
    """Means of the next row, the latent being the same, after one last row and after others with one change each."""
    last = rows(1, model.obs_dim)[0]
    state = eqx.tree_at(lambda s: (s.z, s.past.last), model.init(key=KEY), (rows(1, LATENT)[0], last))

    def loc(change):
        seen = eqx.tree_at(lambda s: s.past.last, state, last + change)
        return model.predict(seen, control=jnp.zeros(0))["loc"]

    return np.asarray(jax.jit(jax.vmap(loc))(jnp.eye(model.obs_dim + 1, model.obs_dim)))


def model_of(skip, **settings):
    net = GridNet(LAND_GRID, width=2, levels=1, skip=skip)
    sizes = {"latent_dim": LATENT, "noise": "learned", "residual": None}
    return Alternator(LAND_GRID.obs_dim, ftn=net, otn=net, **(sizes | settings), key=KEY)


@pytest.mark.parametrize("skip", [False, True])
def test_the_last_field_passes_the_latent_by_only_where_asked_for(skip):
    found = mean_by_last(model_of(skip))
    moved_by = np.abs(found[:-1] - found[-1]).max(1)
    assert (moved_by > 1e-6).all() if skip else not moved_by.any()


@pytest.mark.slow
def test_saved_and_loaded_with_families_it_is_the_same(tmp_path):
    model = model_of(skip=True, noise=[Poisson()] + [Normal()] * (LAND_GRID.obs_dim - 1))
    run = eqx.filter_jit(lambda model, x: model.unroll(Sequence.build(x), key=KEY)[1])
    x = jnp.abs(rows(4, model.obs_dim)).round().at[1, 3].set(jnp.nan)
    weights = run(model, x)
    assert np.isfinite(weights).all()
    files.save(model, {}, tmp_path / "model")
    np.testing.assert_array_equal(run(files.load(tmp_path / "model")[0], x), weights)


def test_saved_and_loaded_they_are_the_same(vector, tmp_path):
    files.save(vector, {}, tmp_path / "nets")
    for net, loaded in zip(vector, files.load(tmp_path / "nets")[0], strict=True):
        x = rows(net.in_dim + 1, net.in_dim)
        np.testing.assert_array_equal(call(loaded, x), call(net, x))


def build(grid=LAND_GRID, obs_dim=10, latent_dim=LATENT, operator=None, **settings):
    net = GridNet(grid, **({"width": 2, "levels": 1} | settings))
    return lambda: Alternator(obs_dim, latent_dim=latent_dim, ftn=net, otn="mlp", operator=operator, key=KEY)


@pytest.mark.parametrize(
    ("refused", "message"),
    [
        (lambda: GridNet(LAND_GRID, width=0), "GridNet: width must be at least 1, found 0"),
        (lambda: GridNet(LAND_GRID, levels=4), "levels must be from 0 to 3, where a grid of 3 x 6 .* found 4"),
        (
            lambda: GridNet(LAND_GRID, levels=1, latent=LAND_GRID.coarse(2)),
            r"expected latent=grid.coarse\(halvings, channels\) with at most levels = 1 .* shape \(1, 1, 2\)",
        ),
        (build(obs_dim=9), "the grid has 10 valid cells, the model obs_dim = 9: .*Grid.of"),
        (
            build(latent=LAND_GRID.coarse(1, 2)),
            r"the latent field has 12 valid cells, the model 5 latent dimensions: .*latent.obs_dim",
        ),
        (
            build(operator=Operator(np.eye(2, 10))),
            "reads the cells, an operator shows coordinates .* leave out operator=",
        ),
    ],
)
def test_refuses_by_name(refused, message):
    with untyped(), pytest.raises(InputError, match=message):
        refused()
