"""Batches of directions over several devices of JAX, which are simulated in a process of their own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import polyad as ad
from polyad.errors import ArgumentError

CODE = """
import re
import jax, numpy as np, polyad as ad

def chain(x):
    return np.concatenate([x[:-1] * x[1:] ** 2 + np.sin(x[:-1]), x[-1:] ** 3])

def energy(x):
    return np.sum(x[:-1] * x[1:] ** 2) + np.sum(np.sin(x))

def array(found):
    return found if isinstance(found, np.ndarray) else found.toarray()

assert len(jax.devices()) == 8
x = np.linspace(0.5, 1.5, 21)
two = jax.sharding.Mesh(np.array(jax.devices()).reshape(4, 2), ("a", "b"))
named = jax.sharding.NamedSharding(two, jax.sharding.PartitionSpec("a"))
for sharding in (jax.devices(), named):  # 3 products (2 for the chain) on 8 devices, and on 4
    inner = ad.JAX(sharding=sharding)
    hash(inner)
    for backend in (ad.Sparse(inner), ad.Sparse(inner.replace(mode="reverse")), inner):
        p = ad.prepare_jacobian(chain, x, backend=backend)
        assert np.allclose(array(p(x + 0.1)), ad.jacobian(chain, x + 0.1))
    p = ad.prepare_hessian(energy, x, backend=ad.Sparse(inner))
    out = p(x)
    assert np.allclose(array(p(x + 0.1, out=out)), ad.hessian(energy, x + 0.1))
# each device has its part of the directions: 16 rows of a Jacobian are two on each of 8
def rows(x):
    return np.stack([np.sum(np.sin(x * k) * x[::-1]) for k in range(1, 17)])
spread = ad.JAX("reverse", sharding=jax.devices())
x = np.ones(11, dtype=np.float32)
program = jax.jit(lambda x: ad.jacobian(rows, x, backend=spread)).lower(x).compile().as_text()
assert "num_partitions=8" in program and re.search(r"f32\\[2,11\\]", program), program[:2000]
assert not re.search(r"f32\\[16,11\\][^ ]* (multiply|add|cosine)", program)
print("done")
"""


def test_directions_are_spread_over_the_devices() -> None:
    pytest.importorskip("jax")
    flags = {"XLA_FLAGS": "--xla_force_host_platform_device_count=8", "JAX_PLATFORMS": "cpu"}
    ran = subprocess.run(
        [sys.executable, "-c", CODE], env=os.environ | flags, capture_output=True, text=True, check=False
    )
    assert ran.stdout == "done\n", ran.stderr


@pytest.mark.parametrize("wrong", [4, [], ["cpu"], "cpu"])
def test_what_is_no_sharding_is_refused(wrong: object) -> None:
    with pytest.raises(ArgumentError, match=r"jax\.devices\(\)"):
        ad.JAX(sharding=wrong)
