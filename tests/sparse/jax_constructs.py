"""Functions of six numbers written in JAX, one for each thing that such code can do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from constructs import BAND, DENSE, PLACES, SPD
from jax import lax
from jax import numpy as jnp
from jax.experimental import sparse

with jax.enable_x64(True):
    COORDINATES, ROWS = sparse.BCOO.fromdense(BAND, nse=14), sparse.BCSR.fromdense(BAND)
KERNEL = np.array([[[1.0, 0.0, -2.0]]])


@jax.custom_jvp
def straight(x: Any) -> Any:
    return jnp.round(x)


straight.defjvps(lambda t, y, x: t)


@jax.custom_vjp
def reverse_only(x: Any) -> Any:
    return jnp.floor(x)


reverse_only.defvjp(lambda x: (jnp.floor(x), None), lambda _, g: (2.0 * g[::-1],))


def of_entries(x: Any) -> Any:
    """A sparse matrix whose entries are computed, times a vector."""
    data = COORDINATES.data * x[COORDINATES.indices[:, 0] % 6]
    return sparse.BCOO((data, COORDINATES.indices), shape=(6, 6)) @ x


def grouped(x: Any) -> Any:
    """A convolution whose gradient has reshapes that turn their axes first."""
    kernel = x[:4].reshape(2, 1, 2)
    return lax.conv_general_dilated(x.reshape(1, 2, 3), kernel, (2,), [(1, 0)], feature_group_count=2).ravel()


def scanned(x: Any) -> Any:
    return lax.scan(lambda c, a: (c * a, c + a), 1.0, x)[1]


def stepped(x: Any) -> Any:
    return lax.fori_loop(0, 2, lambda k, y: y + 0.1 * jnp.roll(y, 1), x)


def filled(x: Any) -> Any:
    return lax.fori_loop(1, 6, lambda k, y: y.at[k].set(y[k] * y[k - 1]), x)


def long_scan(x: Any) -> Any:
    def step(c: Any, _: Any) -> Any:
        return jnp.stack([c[0], c[1] + c[0], -c[2]]), c[2]

    return lax.scan(step, x[:3], None, length=20_000)[0]


def long_map(x: Any) -> Any:
    rows = jnp.broadcast_to(x, (5000, 6)).reshape(3, 10_000)
    return lax.scan(lambda c, a: (c, a**2), 0.0, rows.T)[1].reshape(5000, 6)[0]


def while_grown(x: Any) -> Any:
    def step(s: Any) -> Any:
        return s[0] * 1.1, s[1] + s[0] ** 2 + 1

    return lax.while_loop(lambda s: jnp.sum(s[1]) < 40, step, (x[:2], x[2:4]))[1]


def while_scanned(x: Any) -> Any:
    def step(s: Any) -> Any:
        return s[0] + 1, lax.scan(lambda c, a: (c + a, c), 0.0, s[1])[1]

    return lax.while_loop(lambda s: s[0] < jnp.abs(x[0]) * 3, step, (0.0, x))[1]


def sorted_rows(x: Any) -> Any:
    rows = x.reshape(2, 3)
    return jnp.take_along_axis(rows, jnp.argsort(rows, axis=1), axis=1)


def while_counted(x: Any) -> Any:
    return lax.while_loop(lambda s: s[0] < 3, lambda s: (s[0] + 1, s[1] * jnp.roll(s[1], 1)), (0, x))[1]


def remembered(x: Any) -> Any:
    return jax.checkpoint(lambda x: jnp.sin(x) * x[::-1])(x)


def convolved(x: Any) -> Any:
    return lax.conv_general_dilated(x.reshape(1, 1, 6), KERNEL, (1,), [(1, 1)])


def convolved_2d(x: Any) -> Any:
    k = DENSE[:2, :4].reshape(2, 2, 2, 1)
    return lax.conv_general_dilated(
        x.reshape(1, 3, 1, 2), k, (1, 1), "SAME", dimension_numbers=("NHWC", "OIHW", "NHWC")
    )


def pooled(x: Any) -> Any:
    return lax.reduce_window(x, 0.0, lax.add, (3,), (2,), "VALID")


EXACT: dict[str, Callable[[Any], Any]] = {
    "square": lambda x: x**2,
    "sign": lambda x: jnp.sign(x) + x[::-1],
    "constant": lambda x: jnp.ones(4),
    "straight": lambda x: 2 * straight(x) + x[::-1],
    "reverse only": lambda x: reverse_only(x)[:3],
    "stop_gradient": lambda x: x * lax.stop_gradient(x[::-1]),
    "sum of an axis": lambda x: x.reshape(2, 3).sum(0),
    "mean kept": lambda x: x.reshape(2, 3) - x.reshape(2, 3).mean(1, keepdims=True),
    "prod": lambda x: jnp.prod(x[1:4]),
    "cumsum": jnp.cumsum,
    "cumprod": jnp.cumprod,
    "cumsum from the end": lambda x: lax.cumsum(x, reverse=True),
    "roll": lambda x: jnp.roll(x, 2) * x,
    "slice": lambda x: x[1:5:2] * x[0],
    "index": lambda x: x[PLACES] ** 2,
    "index arithmetic": lambda x: x[(jnp.arange(6) * 2) % 6] ** 2,
    "index divided": lambda x: x[jnp.arange(12) // 4],
    "two indices": lambda x: x.reshape(3, 2)[jnp.array([0, 2]), jnp.array([1, 0])],
    "index of an axis": lambda x: x.reshape(2, 3)[:, jnp.array([2, 0])],
    "mask": lambda x: x[np.array([1, 0, 1, 1, 0, 0], bool)],
    "take": lambda x: jnp.take(x.reshape(3, 2), jnp.array([1, 1]), axis=1),
    "beyond the end": lambda x: x.at[jnp.array([1, 9])].get(mode="fill", fill_value=0.0) ** 2,
    "argsort of a constant": lambda x: x[jnp.argsort(jnp.array([3, 1, 2]))],
    "segment_sum": lambda x: jax.ops.segment_sum(x**2, jnp.arange(6) // 2, 3),
    "where of a constant": lambda x: jnp.where(jnp.arange(6) > 2, x, 2 * x[::-1]),
    "where": lambda x: jnp.where(x > 0, x, x[::-1]),
    "clip": lambda x: jnp.clip(x, -0.5, 0.5),
    "maximum": lambda x: jnp.maximum(x, x[::-1]),
    "sort of rows": lambda x: jnp.sort(x.reshape(2, 3), axis=1),
    "argsort of rows": sorted_rows,
    "cond": lambda x: lax.cond(x[0] > 0, lambda x: x, lambda x: x[::-1], x),
    "switch": lambda x: lax.switch(1, [lambda x: x, lambda x: x[::-1]], x),
    "scan": scanned,
    "fori_loop": stepped,
    "fori_loop over an index": filled,
    "long scan": long_scan,
    "long map": long_map,
    "while_loop": while_grown,
    "while_loop counted": while_counted,
    "associative_scan": lambda x: lax.associative_scan(jnp.multiply, x),
    "vmap": lambda x: jax.vmap(jnp.dot)(x.reshape(2, 3), x.reshape(2, 3)),
    "map": lambda x: lax.map(lambda a: a**2, x),
    "checkpoint": remembered,
    "jit": lambda x: jax.jit(lambda x: x * x[::-1])(x),
    "at set": lambda x: jnp.zeros(6).at[jnp.array([1, 4])].set(x[:2] ** 2),
    "at add": lambda x: x.at[jnp.array([1, 1, 4])].add(x[:3] ** 2),
    "at multiply": lambda x: x.at[2].multiply(x[0]),
    "slice set": lambda x: x.at[1:3].set(x[4:] * 2),
    "dynamic_slice": lambda x: lax.dynamic_slice(x, (2,), (3,)) ** 2,
    "dynamic_update_slice": lambda x: lax.dynamic_update_slice(x, x[:2] ** 2, (3,)),
    "band": lambda x: BAND @ x,
    "dense": lambda x: DENSE @ x,
    "outer": lambda x: jnp.outer(x[:3], x[3:]),
    "matmul": lambda x: x.reshape(2, 3) @ x.reshape(3, 2),
    "einsum": lambda x: jnp.einsum("ij,ij->j", x.reshape(2, 3), x.reshape(2, 3)),
    "kron": lambda x: jnp.kron(x[:2], x[2:4]),
    "convolve": lambda x: jnp.convolve(x, jnp.array([1.0, 2.0])),
    "conv": convolved,
    "conv of channels": convolved_2d,
    "reduce_window": pooled,
    "solve": lambda x: jnp.linalg.solve(SPD, x),
    "solve of columns": lambda x: jax.vmap(lambda b: jnp.linalg.solve(SPD[:3, :3], b))(x.reshape(2, 3)),
    "solve of a matrix": lambda x: jnp.linalg.solve(jnp.eye(2) * 3 + x[:4].reshape(2, 2), x[4:]),
    "solve_triangular": lambda x: jax.scipy.linalg.solve_triangular(np.tril(SPD), x, lower=True),
    "solve_triangular of the transpose": lambda x: jax.scipy.linalg.solve_triangular(
        np.tril(SPD), x, lower=True, trans=1
    ),
    "cho_solve": lambda x: jax.scipy.linalg.cho_solve((np.linalg.cholesky(SPD), True), x),
    "tridiagonal_solve": lambda x: lax.linalg.tridiagonal_solve(
        jnp.ones(6), 4 * jnp.ones(6), jnp.ones(6), x[:, None]
    ),
    "cg": lambda x: jax.scipy.sparse.linalg.cg(lambda v: SPD @ v, x)[0],
    "inv": lambda x: jnp.linalg.inv(x[:4].reshape(2, 2) + 3 * jnp.eye(2)),
    "det": lambda x: jnp.linalg.det(x[:4].reshape(2, 2)),
    "eigvalsh": lambda x: jnp.linalg.eigvalsh(SPD + jnp.diag(x)),
    "norm": lambda x: jnp.linalg.norm(x[:4]),
    "expm": lambda x: jax.scipy.linalg.expm(x[:4].reshape(2, 2)),
    "fft": lambda x: jnp.abs(jnp.fft.fft(x)),
    "rfft of rows": lambda x: jnp.abs(jnp.fft.rfft(x.reshape(2, 3), axis=1)),
    "complex": lambda x: jnp.abs(x[:3] + 1j * x[3:]) ** 2,
    "concatenate": lambda x: jnp.concatenate([x[3:], jnp.ones(2), x[:2] ** 2]),
    "stack": lambda x: jnp.stack([x[:3], x[3:]], 1),
    "pad": lambda x: jnp.pad(x, 2, mode="reflect"),
    "pad inside": lambda x: lax.pad(x, 0.0, [(1, -1, 1)]),
    "tile": lambda x: jnp.tile(x[:2], 3),
    "repeat": lambda x: jnp.repeat(x[:3], 2),
    "split": lambda x: jnp.split(x, 3)[1] * x[:2],
    "tril": lambda x: jnp.tril(x[:4].reshape(2, 2)),
    "diag": lambda x: jnp.diag(x[:2]),
    "softmax of rows": lambda x: jax.nn.softmax(x.reshape(2, 3), axis=1),
    "logsumexp": lambda x: jax.scipy.special.logsumexp(x[:4]),
    "gammaln": lambda x: jax.scipy.special.gammaln(jnp.abs(x) + 1) * x[0],
    "igamma": lambda x: jax.scipy.special.gammainc(2.0, jnp.abs(x)),
    "arctan2": lambda x: jnp.arctan2(x[:3], x[3:]),
    "power": lambda x: jnp.abs(x[:3]) ** x[3:],
    "interp": lambda x: jnp.interp(x, jnp.linspace(-3, 3, 5), jnp.arange(5.0) ** 2),
    "cross": lambda x: jnp.cross(x[:3], x[3:]),
    "relu": jax.nn.relu,
    "device_put": lambda x: jax.device_put(x) * x[0],
    "barrier": lambda x: lax.optimization_barrier(x) ** 2,
    "numbers": lambda x: x[0] * x[3] + 2,
    "jvp inside": lambda x: jax.jvp(lambda y: y**3, (x,), (jnp.ones(6),))[1],
    "grad inside": lambda x: jax.grad(lambda y: jnp.sum(y[1:] * y[:-1] ** 2))(x),
    "linearize inside": lambda x: jax.linearize(jnp.sin, x)[1](jnp.ones(6)),
    "polyval": lambda x: jnp.polyval(x[:3], x[3:]),
    "gather of stacks": lambda x: jax.vmap(lambda a, i: a[i])(x.reshape(2, 3), jnp.array([[0, 2], [1, 1]])),
    "sparse matrix": lambda x: COORDINATES @ x**2,
    "by a sparse matrix": lambda x: jnp.outer(x[:2], x) @ COORDINATES,
    "compressed rows": lambda x: ROWS @ jnp.outer(x, x[:2]),
    "entries of a sparse matrix": of_entries,
}
CONSERVATIVE: dict[str, Callable[[Any], Any]] = {
    "conv of groups": grouped,
    "max": jnp.max,
    "sort": jnp.sort,
    "argsort": lambda x: x[jnp.argsort(x)],
    "median": jnp.median,
    "top_k": lambda x: lax.top_k(x, 2)[0],
    "cummax": lambda x: lax.cummax(x),
    "cumlogsumexp": lambda x: lax.cumlogsumexp(x),
    "max_pool": lambda x: lax.reduce_window(x, -jnp.inf, lax.max, (2,), (2,), "VALID"),
    "cholesky": lambda x: jnp.linalg.cholesky(SPD + jnp.diag(x)),
    "qr": lambda x: jnp.linalg.qr(SPD + jnp.diag(x))[1],
    "svd": lambda x: jnp.linalg.svd(x.reshape(2, 3), compute_uv=False),
    "eigh": lambda x: jnp.abs(jnp.linalg.eigh(SPD + jnp.diag(x))[1]),
    "slogdet": lambda x: jnp.linalg.slogdet(x[:4].reshape(2, 2) + 3 * jnp.eye(2))[1],
    "data index": lambda x: x[jnp.argmax(x)] * x,
    "scatter where data says": lambda x: jnp.zeros(6).at[jnp.argsort(x)].add(x**2),
    "slice where data says": lambda x: lax.dynamic_slice(x.reshape(3, 2), (jnp.argmax(x) % 2, 0), (2, 2)),
    "update where data says": lambda x: lax.dynamic_update_slice(x, x[:2] ** 2, (jnp.argmax(x) % 4,)),
    "times zero": lambda x: x * jnp.arange(6.0),
    "lstsq": lambda x: jnp.linalg.lstsq(DENSE[:, :3], x)[0],
    "while of scans": while_scanned,
}
