"""Batches of directions: spread over devices, or one after the other within a program of one batch.

* Over devices each computes the products of its part. The seeds are constrained to a sharding of their first
  axis inside of the program, and XLA's partitioner does the rest. A batch that is no multiple of the count of
  parts is filled up with zeros.
* Many batches that are written out make a program that is compiled for minutes, and whose memory XLA need not
  bound. ``jax.lax.map`` has the batch once, and directions are made of their numbers, not of a unit matrix.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

from polyad.errors import ArgumentError
from polyad.systems.contract import Call, Kernel, Leaves, Problem, strategy
from polyad.systems.derive import operators
from polyad.systems.derive.basis import chunk_of, size

if TYPE_CHECKING:
    from polyad.systems.jax.backend import JAX

__all__ = ["checked", "each", "hessian", "jacobian"]

# batches up to which they are written out
FEW = 4


def checked(sharding: Any) -> Any:
    """What says over which devices, devices as a tuple; anything else is refused."""
    if sharding is None or hasattr(sharding, "spec"):
        return sharding
    if _are_devices(sharding):
        return tuple(sharding)
    raise ArgumentError(
        f"sharding is {sharding!r}: pass devices, jax.devices() for all of them, or a "
        "jax.sharding.NamedSharding of the first axis, along which the directions of a batch lie"
    )


def _are_devices(sharding: Any) -> bool:
    listed = isinstance(sharding, list | tuple) and len(sharding) > 0
    return listed and all(hasattr(device, "device_kind") for device in sharding)


@functools.lru_cache(maxsize=16)
def _over(devices: tuple[Any, ...]) -> Any:
    import jax
    import numpy as np

    mesh = jax.sharding.Mesh(np.array(devices), ("directions",))
    return jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("directions"))


def _automatic(sharding: Any) -> Any:
    """The sharding on a mesh whose axes the partitioner may use, whatever kind those of the caller's are."""
    import jax

    mesh = jax.sharding.Mesh(sharding.mesh.devices, sharding.mesh.axis_names)
    return jax.sharding.NamedSharding(mesh, sharding.spec)


def _parted(sharding: Any, seeds: Leaves) -> Leaves:
    """The seeds in their parts, with zeros at the end where they are fewer than a multiple of these."""
    import jax

    named = _automatic(sharding) if hasattr(sharding, "spec") else _over(sharding)
    axes = named.spec[0] if len(named.spec) else None
    names = (axes,) if isinstance(axes, str) else axes or ()
    parts = math.prod(named.mesh.shape[name] for name in names)
    found = []
    for leaf in seeds:
        missing = -leaf.shape[0] % parts
        if missing:
            leaf = jax.numpy.concatenate([leaf, jax.numpy.zeros((missing, *leaf.shape[1:]), leaf.dtype)])
        found.append(jax.lax.with_sharding_constraint(leaf, named))
    return tuple(found)


def each(product: Call, seeds: Leaves, sharding: Any) -> Leaves:
    """A linear map of each of the seeds."""
    import jax

    if sharding is None:
        return tuple(jax.vmap(product)(seeds))
    count = seeds[0].shape[0]
    return tuple(leaf[:count] for leaf in jax.vmap(product)(_parted(sharding, seeds)))


def jacobian(backend: JAX, problem: Problem, *, columns: bool) -> Kernel | None:
    """The Jacobian by columns or by rows; None where batches are few, or entries complex."""
    import jax
    import jax.numpy as jnp

    ins, outs = problem.inputs, problem.outputs
    seeded = ins if columns else outs
    total = size(seeded)
    chunk = chunk_of(backend, total, size(ins) + size(outs))
    count = -(-total // chunk)
    if count <= FEW or backend.sharding is not None or any(spec.is_complex for spec in (*ins, *outs)):
        return None
    words = f"{total} {'pushforwards' if columns else 'pullbacks'} in {count} batches"

    @strategy(f"{words}, by {'columns' if columns else 'rows'}")
    def kernel(x: Leaves, c: Leaves) -> Any:
        f = lambda x: problem.f(x, c)  # noqa: E731
        if columns:
            y, product, aux = jax.linearize(f, x, has_aux=True)
        else:
            y, pull, aux = jax.vjp(f, x, has_aux=True)
            product = lambda w: pull(w)[0]  # noqa: E731
        like = x if columns else y

        def batch(start: Any) -> Any:
            numbers, seeds, at = start + jnp.arange(chunk), [], 0
            for spec, leaf in zip(seeded, like, strict=True):
                units = numbers[:, None] == at + jnp.arange(spec.size)[None, :]
                seeds.append(units.astype(jnp.result_type(leaf)).reshape((chunk, *spec.shape)))
                at += spec.size
            return tuple(jax.vmap(product)(tuple(seeds)))

        parts = jax.lax.map(batch, chunk * jnp.arange(count))
        whole = [part.reshape((count * chunk, *part.shape[2:])) for part in parts]
        ends = [0]
        for spec in seeded:
            ends.append(ends[-1] + spec.size)

        def block(k: int, j: int) -> Any:
            """Of the seeded leaf k and the given leaf j."""
            part = [whole[j][ends[k] : ends[k + 1]]]
            if columns:
                return operators.block_of_columns(jnp, outs[j], ins[k], part)
            return operators.block_of_rows(jnp, outs[k], ins[j], part, turned=False)

        blocks = tuple(
            block(i, j) if columns else block(j, i) for j in range(len(outs)) for i in range(len(ins))
        )
        return blocks, y, aux

    return kernel


def hessian(backend: JAX, problem: Problem) -> Kernel | None:
    """The Hessian, as the Jacobian of the gradient; None where batches are few."""
    by_columns = jacobian(backend, operators.gradient_problem(backend, problem), columns=backend.forward)
    if by_columns is None:
        return None
    under = "reverse" if backend.reverse else "forward"

    @strategy(f"{'forward' if backend.forward else 'reverse'} over {under}, {by_columns.words}")
    def kernel(x: Leaves, c: Leaves) -> Any:
        blocks, g, aux = by_columns(x, c)
        return blocks, aux[:1], aux[1:], g

    return kernel
