"""Bundle adjustment and hand tracking of GradBench: sparse Jacobians from the function alone.

``python benchmarks/sparse_gradbench.py [--small]`` prints for each problem the products that polyad takes,
and its times as ratios to those of Jacobians vectorised by hand: in NumPy from the formulas, and in JAX by
``vmap`` of the Jacobian of one residual. polyad fills a matrix of SciPy; by hand there are blocks only. Times
are the least of many, in turns.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse

import polyad as ad

# -- bundle adjustment ----------------------------------------------------------------------------


def rotated(r: Any, v: Any) -> Any:
    """Vectors turned by rotation vectors, row by row (Rodrigues' formula)."""
    angle = np.sqrt(np.sum(r * r, axis=1, keepdims=True))
    axis, cosine = r / angle, np.cos(angle)
    along = np.sum(axis * v, axis=1, keepdims=True)
    return v * cosine + np.cross(axis, v) * np.sin(angle) + axis * along * (1.0 - cosine)


def reprojection(cameras: Any, points: Any, weights: Any, observed: Any, features: Any) -> Any:
    """Reprojection errors of all observations, and of the weights ``1 - w^2``.

    A camera is a rotation vector, a center, a focal length, a principal point, and two coefficients of radial
    distortion; ``observed`` has the camera and the point of each observation.
    """
    c, x = cameras[observed[:, 0]], points[observed[:, 1]]
    inside = rotated(c[:, :3], x - c[:, 3:6])
    flat = inside[:, :2] / inside[:, 2:]
    size = np.sum(flat * flat, axis=1, keepdims=True)
    distorted = flat * (1.0 + c[:, 9:10] * size + c[:, 10:11] * size**2)
    image = distorted * c[:, 6:7] + c[:, 7:9]
    errors = weights[:, None] * (image - features)
    return np.concatenate([np.reshape(errors, (-1,)), 1.0 - weights**2])


def bundle(n: int, m: int, p: int) -> tuple[Any, ...]:
    """Cameras, points, weights, and what was observed of them."""
    random = np.random.default_rng(20261130)
    cameras = np.concatenate(
        [
            random.normal(0, 0.5, (n, 3)),
            random.normal(0, 1, (n, 3)),
            random.uniform(300, 500, (n, 1)),
            random.normal(0, 5, (n, 2)),
            random.normal(0, 0.01, (n, 2)),
        ],
        axis=1,
    )
    points = random.normal(0, 1, (m, 3)) + np.array([0.0, 0.0, 30.0])
    observed = np.stack([random.integers(0, n, p), random.integers(0, m, p)], axis=1)
    return cameras, points, random.uniform(0.5, 1.5, p), observed, random.normal(0, 50, (p, 2))


def skew(v: np.ndarray) -> np.ndarray:
    """The matrices of cross products with vectors."""
    found = np.zeros((len(v), 3, 3))
    found[:, 0, 1], found[:, 0, 2], found[:, 1, 2] = -v[:, 2], v[:, 1], -v[:, 0]
    found[:, 1, 0], found[:, 2, 0], found[:, 2, 1] = v[:, 2], -v[:, 1], v[:, 0]
    return found


def bundle_by_hand(
    cameras: np.ndarray, points: np.ndarray, weights: np.ndarray, observed: np.ndarray, features: np.ndarray
) -> np.ndarray:
    """The 2 x 15 block of each observation from the formulas [1]_, all at once.

    References
    ----------
    .. [1] G. Gallego, A. Yezzi, *A compact formula for the derivative of a 3-D rotation in exponential
       coordinates*, J. Math. Imaging Vis. 51 (2015).
    """
    c, x = cameras[observed[:, 0]], points[observed[:, 1]]
    r, v = c[:, :3], x - c[:, 3:6]
    square = np.sum(r * r, axis=1)
    angle = np.sqrt(square)
    axis = skew(r / angle[:, None])
    turn = np.eye(3) + np.sin(angle)[:, None, None] * axis
    turn = turn + (1.0 - np.cos(angle))[:, None, None] * (axis @ axis)
    inside = np.einsum("pij,pj->pi", turn, v)
    outer = r[:, :, None] * r[:, None, :] + (np.swapaxes(turn, 1, 2) - np.eye(3)) @ skew(r)
    of_rotation = -(turn @ skew(v)) @ outer / square[:, None, None]
    z = inside[:, 2:]
    flat = inside[:, :2] / z
    of_inside = np.zeros((len(c), 2, 3))
    of_inside[:, 0, 0] = of_inside[:, 1, 1] = 1.0 / z[:, 0]
    of_inside[:, :, 2] = -flat / z
    size = np.sum(flat * flat, axis=1)
    factor = 1.0 + c[:, 9] * size + c[:, 10] * size**2
    slope = 2.0 * (c[:, 9] + 2.0 * c[:, 10] * size)
    of_flat = flat[:, :, None] * flat[:, None, :] * slope[:, None, None]
    of_flat[:, 0, 0] += factor
    of_flat[:, 1, 1] += factor
    w = weights[:, None, None]
    chain = (w * c[:, 6, None, None]) * (of_flat @ of_inside)
    distorted = flat * factor[:, None]
    block = np.empty((len(c), 2, 15))
    block[:, :, :3] = chain @ of_rotation
    block[:, :, 11:14] = chain @ turn
    block[:, :, 3:6] = -block[:, :, 11:14]
    block[:, :, 6] = w[:, 0] * distorted
    block[:, :, 7:9] = w * np.eye(2)
    block[:, :, 9] = (w[:, 0] * c[:, 6:7]) * flat * size[:, None]
    block[:, :, 10] = block[:, :, 9] * size[:, None]
    block[:, :, 14] = distorted * c[:, 6:7] + c[:, 7:9] - features
    return block


def bundle_matrix(args: tuple[Any, ...]) -> tuple[Any, np.ndarray]:
    """The matrix of the blocks by hand with nothing in it, and where each number of the blocks stands."""
    cameras, points, weights, observed, _ = args
    n, m, p = len(cameras), len(points), len(weights)
    columns = np.concatenate(
        [
            11 * observed[:, :1] + np.arange(11),
            11 * n + 3 * observed[:, 1:] + np.arange(3),
            11 * n + 3 * m + np.arange(p)[:, None],
        ],
        axis=1,
    )
    columns = np.repeat(columns, 2, axis=0).reshape(-1)
    every = np.append(columns, 11 * n + 3 * m + np.arange(p))
    indptr = np.append(15 * np.arange(2 * p + 1), 30 * p + 1 + np.arange(p))
    shape = (3 * p, 11 * n + 3 * m + p)
    return scipy.sparse.csr_array((np.zeros(len(every)), every, indptr), shape=shape), columns


def bundle_by_jax(args: tuple[Any, ...]) -> Callable[[], Any]:
    """The blocks by ``vmap`` of the Jacobian of one observation, compiled."""
    import jax
    import jax.numpy as jnp

    def one(c: Any, x: Any, w: Any, feature: Any) -> Any:
        r, v = c[:3], x - c[3:6]
        angle = jnp.sqrt(r @ r)
        axis, cosine = r / angle, jnp.cos(angle)
        inside = v * cosine + jnp.cross(axis, v) * jnp.sin(angle) + axis * (axis @ v) * (1.0 - cosine)
        flat = inside[:2] / inside[2]
        size = flat @ flat
        image = flat * (1.0 + c[9] * size + c[10] * size**2) * c[6] + c[7:9]
        return w * (image - feature)

    cameras, points, weights, observed, features = map(jnp.asarray, args)

    @jax.jit
    def blocks(cameras: Any, points: Any, weights: Any, observed: Any, features: Any) -> Any:
        c, x = cameras[observed[:, 0]], points[observed[:, 1]]
        found = jax.vmap(jax.jacrev(one, (0, 1, 2)))(c, x, weights, features)
        return jnp.concatenate([found[0], found[1], found[2][:, :, None]], axis=2), -2.0 * weights

    return lambda: jax.block_until_ready(blocks(cameras, points, weights, observed, features))


# -- hand tracking ----------------------------------------------------------------------------------


def hand(theta: Any, places: Any, model: Any) -> Any:
    """Distances of measured points from the surface of a skinned hand.

    ``theta`` has the rotation and translation of the wrist, and four angles of each of five fingers;
    ``places`` has the barycentric coordinates of each point in its triangle.
    """
    bends = np.reshape(theta[6:], (5, 4))
    turn = rotated(theta[None, :3] * np.ones((3, 1)), np.eye(3)).T
    rotations, shifts = [turn], [theta[3:6]]
    for finger in range(5):
        c, s = np.cos(bends[finger]), np.sin(bends[finger])
        zero, one = 0.0 * c[0], 1.0 + 0.0 * c[0]
        frame = turn @ np.stack(
            [np.stack([c[0], -s[0], zero]), np.stack([s[0], c[0], zero]), np.stack([zero, zero, one])]
        )
        origin = theta[3:6] + turn @ model["roots"][finger]
        for k in range(1, 4):
            bend = np.stack(
                [np.stack([one, zero, zero]), np.stack([zero, c[k], -s[k]]), np.stack([zero, s[k], c[k]])]
            )
            frame = frame @ bend
            rotations.append(frame)
            shifts.append(origin)
            origin = origin + frame @ model["bones"]
    moved = np.einsum("bij,vj->bvi", np.stack(rotations), model["vertices"]) + np.stack(shifts)[:, None]
    surface = np.einsum("vb,bvi->vi", model["skin"], moved)
    a, b, c = (surface[model["corners"][:, k]] for k in range(3))
    first, second = places[:, :1], places[:, 1:]
    return np.reshape(model["measured"] - (first * a + second * b + (1.0 - first - second) * c), (-1,))


def hand_data(vertices: int, points: int) -> tuple[Any, ...]:
    """A random hand."""
    random = np.random.default_rng(20261130)
    skin = random.uniform(0, 1, (vertices, 16))
    model = {
        "roots": random.normal(0, 1, (5, 3)),
        "bones": np.array([0.0, 1.0, 0.0]),
        "vertices": random.normal(0, 1, (vertices, 3)),
        "skin": skin / skin.sum(axis=1, keepdims=True),
        "corners": random.integers(0, vertices, (points, 3)),
        "measured": random.normal(0, 1, (points, 3)),
    }
    return random.normal(0, 0.5, 26), random.uniform(0, 0.5, (points, 2)), model


def hand_by_jax(args: tuple[Any, ...]) -> Callable[[], Any]:
    """26 columns by forward mode, and the blocks of the places by their formula, compiled."""
    import jax
    import jax.numpy as jnp

    theta, places, model = args

    def f(theta: Any, places: Any, model: Any) -> Any:
        return ad.value_and_jvp(hand, theta, places, model, v=jnp.zeros(26), backend="jax")[0]

    @jax.jit
    def blocks(theta: Any, places: Any, model: Any) -> Any:
        across = jax.jacfwd(f)(theta, places, model)
        corner = [jnp.tile(jnp.eye(2)[k], (len(places), 1)) for k in range(2)]
        ends = [
            f(theta, at, {**model, "measured": 0.0 * model["measured"]}) for at in (*corner, 0.0 * places)
        ]
        return across, ends[0] - ends[2], ends[1] - ends[2]

    given = jax.tree.map(jnp.asarray, (theta, places, model))
    return lambda: jax.block_until_ready(blocks(*given))


def assembled(args: tuple[Any, ...], blocks: Any) -> Any:
    """The blocks of the hand as one matrix."""
    theta, first, second = map(np.asarray, blocks)
    rows, count = np.arange(len(first)), len(args[1])
    point = rows // 3
    whole = [
        scipy.sparse.csr_array(theta),
        scipy.sparse.coo_array((first, (rows, 2 * point)), shape=(len(rows), 2 * count))
        + scipy.sparse.coo_array((second, (rows, 2 * point + 1)), shape=(len(rows), 2 * count)),
    ]
    return scipy.sparse.hstack(whole, format="csr")


# -- measuring -----------------------------------------------------------------------------------------


def least(calls: dict[str, Callable[[], Any]], rounds: int = 15) -> dict[str, float]:
    """The least time of each, in turns."""
    best = dict.fromkeys(calls, float("inf"))
    for _ in range(rounds):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            best[name] = min(best[name], time.perf_counter() - start)
    return best


def measure(
    name: str, f: Any, args: tuple[Any, ...], active: tuple[int, ...], hands: Any, wanted: Any
) -> None:
    """One line for each backend."""
    start = time.perf_counter()
    pattern = ad.jacobian_sparsity(f, *args, argnums=active)
    found = time.perf_counter()
    coloring = ad.sparse.color(pattern)
    colored = time.perf_counter()
    print(
        f"{name}: {pattern}, found in {found - start:.3f} s, colored in {colored - found:.3f} s: {coloring}"
    )
    for backend in ("numpy:forward", "numpy:compiled", "jax"):
        known = ad.Sparse(
            backend, flat=True
        )  # finds the pattern once more, and a selection where there is one
        start = time.perf_counter()
        p = ad.prepare_jacobian(f, *args, argnums=active, backend=known)
        prepared = time.perf_counter() - start
        out = p(*args)
        error = abs(out - wanted).max() / abs(wanted).max()
        assert error < 1e-9, error
        calls = {"polyad": lambda p=p, out=out: p(*args, out=out), **hands}
        times = least(calls)
        ratios = ", ".join(f"{times['polyad'] / times[k]:.2f} of {k}" for k in hands)
        products = f"{p.ncolors} products, prepared in {prepared:.2f} s"
        print(f"  {backend:15s} {products}, {1e3 * times['polyad']:.3g} ms: {ratios}")


def main() -> None:
    """Measure both problems."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="small problems, to see that it runs")
    options = parser.parse_args()
    import jax

    jax.config.update("jax_enable_x64", True)  # the code by hand needs it
    args = bundle(*((5, 30, 90) if options.small else (49, 7776, 31843)))
    matrix, _ = bundle_matrix(args)
    matrix.data[:] = np.append(bundle_by_hand(*args).reshape(-1), -2.0 * args[2])
    compiled = bundle_by_jax(args)
    compiled()
    hands = {"NumPy by hand": lambda: bundle_by_hand(*args), "JAX by hand": compiled}
    measure("bundle adjustment", reprojection, args, (0, 1, 2), hands, matrix)
    args = hand_data(*((20, 10) if options.small else (544, 1000)))
    compiled = hand_by_jax(args)
    measure("hand tracking", hand, args, (0, 1), {"JAX by hand": compiled}, assembled(args, compiled()))


if __name__ == "__main__":
    main()
