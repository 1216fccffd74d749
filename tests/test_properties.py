"""What must hold for every function, shape and tree: structure, adjoints, symmetry, batches."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import polyad as ad
from backends import AVAILABLE, EXACT, eager
from polyad.arrays.trees import flatten

NAMES = [name for name in ("autograd", "torch") if name in EXACT] or list(EXACT)
backends = st.sampled_from(NAMES)
seeds = st.integers(0, 2**32 - 1)
shapes = st.lists(st.integers(0, 4), max_size=3).map(tuple)
full_shapes = st.lists(st.integers(1, 3), min_size=1, max_size=3).map(tuple)


class Pair(NamedTuple):
    first: object
    second: object


@dataclasses.dataclass
class Box:
    value: object
    label: str = "box"


def containers(children):
    return st.one_of(
        st.lists(children, max_size=3),
        st.lists(children, max_size=3).map(tuple),
        st.dictionaries(st.sampled_from(["a", "b", "c"]), children, max_size=3),
        st.builds(Pair, children, children),
        st.builds(Box, children, st.sampled_from(["box", "crate"])),
    )


leaf = st.one_of(
    st.floats(-5, 5).map(float),
    shapes.map(lambda shape: np.arange(1.0, 1 + np.prod(shape, dtype=int)).reshape(shape)),
    st.floats(-5, 5, width=32).map(np.float32),
)
trees = st.recursive(st.one_of(leaf, st.none()), containers, max_leaves=6)


def same(a, b):
    if isinstance(a, np.ndarray):
        return a is b
    if isinstance(a, Box):
        return type(b) is Box and a.label == b.label and same(a.value, b.value)
    if isinstance(a, dict):
        return type(b) is dict and sorted(a) == sorted(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


@settings(max_examples=200)
@given(trees)
def test_trees_come_back_as_they_were(tree):
    leaves, structure = flatten(tree)
    assert len(leaves) == structure.count == len(structure.paths("x"))
    assert same(structure.unflatten(leaves), tree)
    again, equal = flatten(structure.unflatten(leaves))
    assert equal == structure
    assert hash(equal) == hash(structure)
    assert all(a is b for a, b in zip(leaves, again, strict=True))


@settings(max_examples=100)
@given(trees)
def test_paths_lead_to_leaves(tree):
    leaves, structure = flatten(tree)
    for path, leaf in zip(structure.paths("tree"), leaves, strict=True):
        assert eval(path, {"tree": tree}) is leaf


@settings(max_examples=100)
@given(trees, trees)
def test_different_trees_have_different_structures(a, b):
    (xs, first), (ys, second) = flatten(a), flatten(b)
    if first == second:
        assert len(xs) == len(ys)
        assert same_shape_of_tree(a, first.unflatten([0] * len(xs))) == same_shape_of_tree(
            b, second.unflatten([0] * len(ys))
        )


def same_shape_of_tree(_, zeros):
    return repr(zeros)


# -- functions: random ones of every shape -----------------------------------------------------------


def random_map(rng, shape_in, shape_out):
    """A smooth function between arrays of these shapes that couples all entries, and its Jacobian."""
    n, m = int(np.prod(shape_in)), int(np.prod(shape_out))
    A, B = rng.standard_normal((m, n)) / max(n, 1), rng.standard_normal((m, n)) / max(n, 1)

    def f(x):
        xp = ad.namespace(x)
        flat = xp.reshape(x, (n,))
        return xp.reshape(xp.sin(xp.asarray(A) @ flat) + (xp.asarray(B) @ flat) ** 2, shape_out)

    def jacobian(x):
        flat = x.reshape(n)
        rows = np.cos(A @ flat)[:, None] * A + 2 * (B @ flat)[:, None] * B
        return rows.reshape(*shape_out, *shape_in)

    return f, jacobian


def random_scalar(rng, shape):
    f, _ = random_map(rng, shape, (3,))

    def g(x):
        xp = ad.namespace(x)
        return xp.sum(f(x) ** 2) + xp.sum(x**3)

    return g


@settings(max_examples=40)
@given(backends, full_shapes, full_shapes, seeds)
def test_jacobian_of_any_shapes(name, shape_in, shape_out, seed):
    rng = np.random.default_rng(seed)
    f, reference = random_map(rng, shape_in, shape_out)
    x = rng.standard_normal(shape_in)
    np.testing.assert_allclose(ad.jacobian(f, x, backend=eager(name)), reference(x), atol=1e-12)


@settings(max_examples=40)
@given(backends, full_shapes, full_shapes, seeds)
def test_the_adjoint_identity(name, shape_in, shape_out, seed):
    rng = np.random.default_rng(seed)
    f, _ = random_map(rng, shape_in, shape_out)
    x, v, w = rng.standard_normal(shape_in), rng.standard_normal(shape_in), rng.standard_normal(shape_out)
    backend = eager(name)
    left = np.vdot(w, ad.jvp(f, x, v=v, backend=backend))
    np.testing.assert_allclose(np.vdot(ad.vjp(f, x, w=w, backend=backend), v), left, atol=1e-11)


@settings(max_examples=25)
@given(backends, full_shapes, seeds)
def test_the_adjoint_identity_of_complex_functions(name, shape, seed):
    rng = np.random.default_rng(seed)

    def noise():
        return rng.standard_normal(shape) + 1j * rng.standard_normal(shape)

    def f(z):
        xp = ad.namespace(z)
        return z * xp.conj(z) * (1 + 2j) + xp.exp(z) * xp.real(z)

    z, v, w = noise(), noise(), noise()
    backend = eager(name)
    left = np.vdot(w, ad.jvp(f, z, v=v, backend=backend)).real
    right = np.vdot(ad.vjp(f, z, w=w, backend=backend), v).real
    np.testing.assert_allclose(left, right, rtol=1e-11)


@settings(max_examples=25)
@given(backends, full_shapes, seeds)
def test_hessians_are_symmetric_and_the_jacobian_of_the_gradient(name, shape, seed):
    rng = np.random.default_rng(seed)
    f, backend = random_scalar(rng, shape), eager(name)
    x, v = rng.standard_normal(shape), rng.standard_normal(shape)
    n = x.size
    H = ad.hessian(f, x, backend=backend).reshape(n, n)
    scale = np.max(np.abs(H))
    np.testing.assert_allclose(H, H.T, atol=1e-12 * scale)
    np.testing.assert_allclose(ad.hvp(f, x, v=v, backend=backend).ravel(), H @ v.ravel(), atol=1e-11 * scale)
    step = 1e-5
    plus, minus = (ad.gradient(f, x + s * step * v, backend=backend) for s in (1, -1))
    np.testing.assert_allclose(((plus - minus) / (2 * step)).ravel(), H @ v.ravel(), atol=1e-6 * (1 + scale))


@settings(max_examples=25)
@given(backends, full_shapes, full_shapes, st.integers(0, 5), seeds)
def test_a_batch_is_a_loop(name, shape_in, shape_out, count, seed):
    rng = np.random.default_rng(seed)
    f, _ = random_map(rng, shape_in, shape_out)
    g, backend = random_scalar(rng, shape_in), eager(name)
    x = rng.standard_normal(shape_in)
    V, W = rng.standard_normal((count, *shape_in)), rng.standard_normal((count, *shape_out))
    for operator, function, seed_name, batch, like in (
        (ad.jvp, f, "v", V, shape_out),
        (ad.vjp, f, "w", W, shape_in),
        (ad.hvp, g, "v", V, shape_in),
    ):
        got = operator(function, x, **{seed_name: batch}, batched=True, backend=backend)
        assert got.shape == (count, *like)
        for row, one in zip(got, batch, strict=True):
            np.testing.assert_allclose(
                row, operator(function, x, **{seed_name: one}, backend=backend), atol=1e-11
            )


@settings(max_examples=25)
@given(backends, st.permutations([0, 1, 2]), st.integers(1, 3), st.booleans(), seeds)
def test_argnums_select_and_order(name, order, count, negative, seed):
    rng = np.random.default_rng(seed)
    args = [rng.standard_normal(3) for _ in range(3)]
    argnums = tuple(k - 3 if negative else k for k in order[:count])

    def f(a, b, c):
        return ad.namespace(a, b, c).sum(a * b**2 * c**3)

    a, b, c = args
    every = (b**2 * c**3, 2 * a * b * c**3, 3 * a * b**2 * c**2)
    got = ad.gradient(f, *args, argnums=argnums, backend=eager(name))
    assert isinstance(got, tuple)
    for k, part in zip(order[:count], got, strict=True):
        np.testing.assert_allclose(part, every[k], atol=1e-12)


CHUNKED = [name for name in EXACT if hasattr(eager(name), "chunk_size")]


@pytest.mark.parametrize("name", CHUNKED)
@pytest.mark.parametrize("mode", [None, "forward", "reverse"])
@pytest.mark.parametrize("chunk", [1, 3, 100])
def test_chunks_change_nothing(name, mode, chunk):
    rng = np.random.default_rng(chunk)
    f, reference = random_map(rng, (5,), (4,))
    g = random_scalar(rng, (5,))
    x = rng.standard_normal(5)
    backend = eager(name, mode).replace(chunk_size=chunk)
    np.testing.assert_allclose(ad.jacobian(f, x, backend=backend), reference(x), atol=1e-12)
    whole = ad.hessian(g, x, backend=eager(name))
    np.testing.assert_allclose(ad.hessian(g, x, backend=backend), whole, atol=1e-11)


@settings(max_examples=12)
@given(st.sampled_from(AVAILABLE), full_shapes, full_shapes, seeds)
def test_linearize_is_the_jacobian(name, shape_in, shape_out, seed):
    rng = np.random.default_rng(seed)
    f, reference = random_map(rng, shape_in, shape_out)
    x, v, w = rng.standard_normal(shape_in), rng.standard_normal(shape_in), rng.standard_normal(shape_out)
    y, J = ad.linearize(f, x, backend=eager(name))
    slope = reference(x).reshape(np.prod(shape_out), x.size)
    tolerance = 1e-6 if name == "finite" else 1e-12
    np.testing.assert_allclose(y, f(x), atol=1e-12)
    np.testing.assert_allclose(J.jvp(v).ravel(), slope @ v.ravel(), atol=tolerance)
    np.testing.assert_allclose(J.vjp(w).ravel(), w.ravel() @ slope, atol=tolerance)
    V, W = np.stack([v, 2 * v, -v]), np.stack([w, 3 * w])
    np.testing.assert_allclose(
        J.jvp(V, batched=True).reshape(3, -1), V.reshape(3, -1) @ slope.T, atol=3 * tolerance
    )
    np.testing.assert_allclose(
        J.vjp(W, batched=True).reshape(2, -1), W.reshape(2, -1) @ slope, atol=3 * tolerance
    )
    assert not np.may_share_memory(y, x)
