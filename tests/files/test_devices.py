"""Where arrays lived is no part of a file: saved from another device or spread over two, it is the same file."""

import os
import subprocess
import sys

import equinox as eqx
import jax
import numpy as np

from alternax.files import load, save

# The machine that made a run had two devices; this one has one, as a laptop beside the GPUs that trained it.
SCRIPT = """
import sys, jax, numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from alternax.core.fixed import Fixed
from alternax.files import save

first, second = jax.devices()
values = np.arange(24, dtype=np.float32).reshape(4, 6)
mesh = Mesh(np.array([first, second]), ("part",))
rows, whole = NamedSharding(mesh, PartitionSpec("part")), NamedSharding(mesh, PartitionSpec())
tree = [Fixed(jax.device_put(values, place)) for place in (second, rows, whole)]
assert tree[0].value.devices() == {second} and len(tree[1].value.addressable_shards) == 2
save(tree, {}, sys.argv[1])
"""


def test_run_saved_on_other_devices_is_the_same_file_and_opens_on_the_only_one_here(tmp_path):
    flags = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2", "JAX_PLATFORMS": "cpu"}
    subprocess.run([sys.executable, "-c", SCRIPT, tmp_path / "far"], check=True, env=os.environ | flags, timeout=120)
    assert jax.device_count() == 1
    tree, _ = load(tmp_path / "far")
    for part in tree:
        np.testing.assert_array_equal(part.value, np.arange(24, dtype=np.float32).reshape(4, 6))
        assert part.value.devices() == {jax.devices()[0]}
    save(tree, {}, tmp_path / "here")
    for name in ("config.json", "model.safetensors"):
        assert (tmp_path / "far" / name).read_bytes() == (tmp_path / "here" / name).read_bytes()
    assert eqx.tree_equal(load(tmp_path / "here")[0], tree)
