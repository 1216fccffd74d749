"""Loops and choices as one operation: ``ad.scan`` and its siblings, under every backend."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

import polyad as ad

BACKENDS = [
    ad.NumPy(),
    ad.NumPy(mode="forward"),
    ad.NumPy(compile=True),
    ad.JAX(),
    ad.JAX(mode="forward"),
    ad.JAX(jit=False),
    ad.Torch(),
    ad.Autograd(),
    ad.CasADi(),
    ad.SymPy(),
    ad.FiniteDifferences(),
]
every = pytest.mark.parametrize("backend", BACKENDS, ids=repr)
A, N = 0.9, 6
XS = np.array([0.3, -1.2, 0.7, 2.0, -0.4, 1.1])
OTHER = np.array([-0.6, 0.2, 1.7, -1.0, 0.9, 0.8])


def near(found: Any, expected: Any, backend: Any) -> None:
    tolerance = 2e-5 if isinstance(backend, ad.FiniteDifferences) else 1e-10
    assert np.shape(found) == np.shape(expected)
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


def powers(a: float) -> np.ndarray:
    """The Jacobian of ``c_k = a c_{k-1} + x_k`` in x."""
    k, j = np.indices((N, N))
    return np.where(k >= j, a ** np.maximum(k - j, 0), 0.0)


def recursion(x: Any, a: Any, *, reverse: bool = False) -> Any:
    """``c_k = a c_{k-1} + x_k`` for all k, from 0, the carry a tree."""

    def step(carry: Any, item: Any) -> Any:
        c = a * carry["c"][0] + item
        return {"c": (c, carry["c"][1] + np.sin(c))}, (c, c**2)

    final, (cs, _) = ad.scan(step, {"c": (0.0, 0.0)}, x, reverse=reverse)
    return cs if reverse else np.concatenate([cs[:-1], np.stack([final["c"][0]])])


@every
def test_the_jacobian_of_a_linear_recursion(backend: Any) -> None:
    near(ad.jacobian(recursion, XS, A, backend=backend), powers(A), backend)


@every
def test_the_gradient_by_what_a_step_takes_from_around_it(backend: Any) -> None:
    # the last c is sum a^(n-1-k) x_k
    k = np.arange(N - 1)
    expected = np.sum((N - 1 - k) * A ** (N - 2 - k) * XS[:-1])
    found = ad.gradient(lambda a: recursion(XS, a)[-1], A, backend=backend)
    near(found, expected, backend)


def test_a_loop_from_the_end() -> None:
    for backend in (ad.NumPy(), ad.JAX(), ad.Torch()):
        found = ad.jacobian(lambda x: recursion(x, A, reverse=True), XS, backend=backend)
        near(found, powers(A).T, backend)


def growth(x: Any) -> Any:
    """``(sum x)^(n+1)``, in a loop that counts."""
    total = np.sum(x)
    return ad.fori_loop(0, N, lambda i, y: y * total, total)


@every
def test_second_order_and_products(backend: Any) -> None:
    x = np.array([0.2, 0.5, 0.4])
    total, v = x.sum(), np.array([1.0, -2.0, 0.5])
    first, second = (N + 1) * total**N, (N + 1) * N * total ** (N - 1)
    near(ad.gradient(growth, x, backend=backend), np.full(3, first), backend)
    near(ad.jvp(growth, x, v=v, backend=backend), first * v.sum(), backend)
    if not isinstance(backend, ad.FiniteDifferences):
        near(ad.hvp(growth, x, v=v, backend=backend), np.full(3, second * v.sum()), backend)
        near(ad.hessian(growth, x, backend=backend), np.full((3, 3), second), backend)


@every
def test_a_prepared_call_elsewhere(backend: Any) -> None:
    prepared = ad.prepare_gradient(lambda x: np.sum(recursion(x, A) ** 2), OTHER, backend=backend)
    m = powers(A)
    near(prepared(XS), 2 * m.T @ m @ XS, backend)
    near(prepared(OTHER), 2 * m.T @ m @ OTHER, backend)


@pytest.mark.parametrize("backend", [ad.NumPy(), ad.JAX(), ad.Torch(), ad.CasADi()], ids=repr)
def test_batches_of_directions(backend: Any) -> None:
    v = np.stack([OTHER, 2 * XS])
    near(ad.jvp(recursion, XS, A, v=v, batched=True, backend=backend), v @ powers(A).T, backend)
    near(ad.vjp(recursion, XS, A, w=v, batched=True, backend=backend), v @ powers(A), backend)


def test_nested_loops_and_a_derivative_within_a_step() -> None:
    def inner(y: Any, a: Any) -> Any:
        return ad.fori_loop(0, 3, lambda i, z: z * y, a)  # a y^3

    def f(x: Any) -> Any:
        def step(c: Any, a: Any) -> Any:
            return c + ad.derivative(inner, x, a), None  # 3 a x^2

        return ad.scan(step, 0.0, XS)[0]

    for backend in (ad.NumPy(), ad.NumPy(mode="forward"), ad.JAX(), ad.CasADi()):
        near(ad.derivative(f, 0.7, backend=backend), 6 * XS.sum() * 0.7, backend)


def test_the_engine_within_the_trace_of_jax() -> None:
    m = powers(A)
    for inner in (ad.NumPy(), ad.NumPy(mode="forward")):

        def outer(x: Any, inner: Any = inner) -> Any:
            return np.sum(ad.gradient(lambda x: np.sum(recursion(x, A) ** 2), x, backend=inner) * OTHER)

        near(ad.gradient(outer, XS, backend="jax"), 2 * m.T @ m @ OTHER, inner)


def test_outside_of_a_differentiation_it_is_a_loop() -> None:
    final, ys = ad.scan(lambda c, x: (c + x["a"], (c, x["b"])), 0, {"a": np.arange(4), "b": np.eye(4)})
    assert final == 6
    np.testing.assert_array_equal(ys[0], [0, 0, 1, 3])
    np.testing.assert_array_equal(ys[1], np.eye(4))
    final, ys = ad.scan(lambda c, _: (2 * c, c), 1.0, length=3)
    assert final == 8.0
    np.testing.assert_array_equal(ys, [1.0, 2.0, 4.0])


def test_nothing_that_a_step_writes_to_is_the_callers() -> None:
    start, xs = np.zeros(2), np.ones((3, 2))

    def step(c: Any, x: Any) -> Any:
        c += x
        x *= 2
        return c, c

    for backend in (None, "numpy", "jax"):
        if backend is None:
            final, ys = ad.scan(step, start, xs)
            np.testing.assert_array_equal(ys, np.cumsum(xs, axis=0))
            np.testing.assert_array_equal(final, [3.0, 3.0])
        else:
            found = ad.jacobian(lambda xs: ad.scan(step, start, xs)[1], xs, backend=backend)
            expected = np.einsum("kj,ab->kajb", np.tril(np.ones((3, 3))), np.eye(2))
            np.testing.assert_array_equal(found, expected)
    assert not start.any() and (xs == 1).all()


def test_no_steps() -> None:
    for backend in (ad.NumPy(), ad.JAX()):
        value, g = ad.value_and_gradient(
            lambda x: ad.scan(lambda c, y: (c * y, c), x, np.zeros(0))[0] ** 2, 3.0, backend=backend
        )
        assert (value, g) == (9.0, 6.0)
    _, ys = ad.scan(lambda c, y: (c, (y, c)), 1.0, np.zeros((0, 2)))
    assert [a.shape for a in ys] == [(0, 2), (0,)]


def test_a_whole_number_becomes_the_float_that_it_meets() -> None:
    for backend in (ad.NumPy(), ad.JAX(), ad.Torch(), ad.CasADi()):
        # of a whole number 1 // 2 would be 0, and 2**-1 an error
        found = ad.gradient(lambda x: ad.scan(lambda c, x: (c + x, c), 0, x)[0], XS, backend=backend)
        near(found, np.ones(N), backend)


# -- while_loop ---------------------------------------------------------------------------------------


def newton(a: Any, max_steps: int | None = None) -> Any:
    """The square root."""

    def close(state: Any) -> Any:
        return np.abs(state[0] - state[1]) > 1e-13

    def step(state: Any) -> Any:
        return 0.5 * (state[0] + a / state[0]), state[0]

    return ad.while_loop(close, step, (a + 1.0, 0.0), max_steps=max_steps)[0]


@pytest.mark.parametrize(
    "backend",
    [
        ad.NumPy(),
        ad.NumPy(mode="forward"),
        ad.JAX(),
        ad.JAX(jit=False),
        ad.Torch(),
        ad.Autograd(),
        ad.CasADi(),
        ad.FiniteDifferences(),
    ],
    ids=repr,
)
def test_a_loop_that_ends_on_a_condition(backend: Any) -> None:
    a = 3.0
    near(ad.derivative(newton, a, ad.Static(50), backend=backend), 0.5 * a**-0.5, backend)
    prepared = ad.prepare_derivative(newton, 300.0, ad.Static(50), backend=backend)
    near(prepared(a, ad.Static(50)), 0.5 * a**-0.5, backend)  # takes another number of steps
    if not isinstance(backend, ad.FiniteDifferences):
        near(ad.second_derivative(newton, a, ad.Static(50), backend=backend), -0.25 * a**-1.5, backend)


def test_forward_mode_of_jax_needs_no_limit_and_reverse_mode_says_that_it_does() -> None:
    near(ad.derivative(newton, 3.0, ad.Static(None), backend="jax:forward"), 0.5 * 3**-0.5, None)
    with pytest.raises(ad.errors.FunctionNotSupportedError, match="max_steps"):
        ad.prepare_gradient(newton, 3.0, ad.Static(None), backend="jax:reverse")


@pytest.mark.parametrize("max_steps", [None, 200])
def test_a_derivative_by_the_engine_goes_through_a_loop_of_jax(max_steps: int | None) -> None:
    """Descent until a gradient is small, in a function whose derivative is taken, to second order."""

    def bottom(a: Any) -> Any:  # of a y^2 / 2 - y: 1 / a
        def slope(y: Any) -> Any:
            return ad.derivative(lambda y: 0.5 * a * y**2 - y, y, backend="numpy:forward")

        def step(state: Any) -> Any:
            y = state[0] - 0.3 * state[1]
            return y, slope(y)

        start = (0.0, slope(0.0))
        return ad.while_loop(lambda s: np.abs(s[1]) > 1e-12, step, start, max_steps=max_steps)[0]

    def curvature(a: Any) -> Any:  # two levels of the engine's go through the loop
        return ad.second_derivative(bottom, a, backend="numpy:forward")

    prepared = ad.prepare_derivative(curvature, 1.2, backend="jax:forward")
    np.testing.assert_allclose(prepared(1.5), -6 / 1.5**4, rtol=1e-7)
    if max_steps:
        with pytest.raises(ad.errors.OperationNotSupportedError, match="numpy:forward"):
            ad.prepare_derivative(
                lambda a: ad.derivative(bottom, a, backend="numpy:reverse"), 1.2, backend="jax"
            )


def halved(x: Any, max_steps: int) -> Any:
    """As often as it takes to come to 1 or below."""
    return ad.while_loop(lambda y: y > 1, lambda y: y / 2, x, max_steps=max_steps)


def test_a_loop_that_does_not_end_in_time_has_no_result() -> None:
    with pytest.raises(ad.errors.DomainError, match="max_steps=2"):
        ad.derivative(newton, 3.0, ad.Static(2))
    for backend in ("jax", "jax:reverse", "casadi"):
        halves = ad.prepare_gradient(halved, 3.0, ad.Static(2), backend=backend)
        assert halves(3.0, ad.Static(2)) == 0.25
        assert np.isnan(halves(7.0, ad.Static(2)))
    # as many as it needs are enough
    for backend in ("numpy", "jax"):
        halves = ad.prepare_gradient(halved, 7.0, ad.Static(3), backend=backend)
        assert halves(7.0, ad.Static(3)) == 0.125
        assert halves(1.5, ad.Static(3)) == 0.5


def test_a_condition_on_known_numbers_is_a_loop_of_known_length() -> None:
    def f(x: Any) -> Any:
        return ad.while_loop(lambda s: s[0] < 4, lambda s: (s[0] + 1, s[1] * x), (0, 1.0))[1]

    for backend in BACKENDS:
        near(ad.derivative(f, 2.0, backend=backend), 32.0, backend)


# -- cond and switch ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "backend",
    [
        ad.NumPy(),
        ad.NumPy(mode="forward"),
        ad.JAX(),
        ad.JAX(jit=False),
        ad.Torch(),
        ad.Autograd(),
        ad.CasADi(),
    ],
    ids=repr,
)
def test_one_of_two_functions(backend: Any) -> None:
    scale = np.array([1.0, 2.0])

    def f(x: Any) -> Any:
        total = np.sum(x)
        root = ad.cond(total > 0, lambda y: (np.sqrt(y), 0), lambda y: (y * x[0], 1), total)
        return root[0] * np.sum(scale)

    up, down = np.array([1.5, 2.5]), np.array([-3.0, 1.0])
    prepared = ad.prepare_gradient(f, up, backend=backend)
    near(prepared(up), np.full(2, 0.75), backend)
    near(prepared(down), 3 * np.array([-2.0 - 3.0, -3.0]), backend)  # no NaN of the root of -2
    near(ad.hessian(f, down, backend=backend), 3 * np.array([[2.0, 1.0], [1.0, 0.0]]), backend)


@pytest.mark.parametrize("backend", [ad.NumPy(), ad.JAX(), ad.Torch()], ids=repr)
def test_one_of_several_functions(backend: Any) -> None:
    branches = [lambda y: y**2, lambda y: np.exp(y), lambda y: 5 * y]

    def f(x: Any, k: Any) -> Any:
        return ad.switch(k, branches, x)

    prepared = ad.prepare_derivative(f, 0.5, 0, backend=backend)
    for k, expected in ((0, 2.0), (1, np.e), (2, 5.0), (7, 5.0), (-3, 2.0)):
        near(prepared(1.0, k), expected, backend)


# -- what is refused ----------------------------------------------------------------------------------

REFUSED = [
    (lambda x: ad.scan(lambda c, y: ((c, c), None), x, XS), r"carry changes its structure"),
    (lambda x: ad.scan(lambda c, y: ([*c, y], None), [x], XS), r"carry changes its structure"),
    (lambda x: ad.scan(lambda c, y: ((c[0], c[1] + c[0] * XS), None), (x, 0.0), XS), r"carry\[1\] .*shape"),
    (lambda x: ad.scan(lambda c, y: (c * x, None), np.ones(2, np.float32), XS), r"carry changes its dtype"),
    (lambda x: ad.scan(lambda c, y: c * x, x, XS), r"returned a .*\(carry, None\)"),
    (lambda x: ad.scan(lambda c, y: ((c[0] * x, c[1]), None), (x, "s"), XS), r"carry\[1\] is a str"),
    (lambda x: ad.while_loop(lambda c: c + XS > 0, lambda c: c - 1, x), r"np.any"),
    (lambda x: ad.while_loop(lambda c: True, lambda c: c * np.ones(2), x), r"carry changes its shape"),
]


@pytest.mark.parametrize("backend", [ad.NumPy(), ad.JAX(), ad.Torch()], ids=repr)
@pytest.mark.parametrize(("f", "message"), REFUSED)
def test_what_does_not_stay_the_same_is_refused_by_name(f: Any, message: str, backend: Any) -> None:
    with pytest.raises(ad.errors.OperationNotSupportedError, match=message):
        ad.gradient(f, 2.0, backend=backend)


def test_a_number_of_steps_that_is_not_known() -> None:
    def step(c: Any, x: Any) -> Any:
        return c, x

    for kwargs, message in (
        ({}, "length=100"),
        ({"xs": {"a": np.zeros(3), "b": np.zeros(4)}}, r"xs\['a'\] has 3 .*xs\['b'\] has 4"),
        ({"xs": np.zeros(3), "length": 4}, "length is 4"),
        ({"xs": 1.0}, "no axes"),
        ({"length": -1}, "length is -1"),
        ({"xs": np.zeros(3), "checkpoint": 0}, "checkpoint"),
    ):
        with pytest.raises(ad.errors.ArgumentError, match=message):
            ad.scan(step, 0.0, **kwargs)


def test_a_long_loop_of_casadi_is_a_tower_of_functions() -> None:
    xs, a = np.linspace(-1.0, 1.0, 2347), 0.8
    w = np.cos(np.arange(2347.0))

    def f(x: Any, a: Any) -> Any:
        weights = np.stack([a, 0.9 * np.exp(np.mean(x) - x[0] - 1.0)])  # computed once, not in every step

        def step(c: Any, item: Any) -> Any:
            c = weights * c + item
            return c, np.prod(c)

        final, ys = ad.scan(step, np.zeros(2), x, reverse=True)
        return np.sum(ys * w) + np.sum(final)

    for backend in (ad.CasADi(symbols="MX"), ad.CasADi(symbols="SX"), ad.CasADi()):
        near(ad.gradient(f, xs, a, backend=backend), ad.gradient(f, xs, a), backend)


def test_a_body_that_counts_in_python_is_unrolled_by_casadi() -> None:
    def f(x: Any) -> Any:
        return ad.fori_loop(0, N, lambda i, c: c + x[i] * x[-i], 0.0)

    expected = XS[-np.arange(N)] * 2
    near(ad.gradient(f, XS, backend="casadi"), expected, None)
    near(ad.gradient(f, XS, backend="jax"), expected, None)


def test_branches_that_disagree() -> None:
    def f(x: Any) -> Any:
        return ad.cond(x > 0, lambda: (x, x), lambda: x)

    with pytest.raises(ad.errors.OperationNotSupportedError, match="same structure"):
        ad.prepare_gradient(lambda x: f(x)[0], 2.0, backend="jax")


# -- memory -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("checkpoint", [True, 1, 4, N])
@every
def test_a_loop_that_keeps_little(checkpoint: Any, backend: Any) -> None:
    def f(x: Any) -> Any:
        def step(c: Any, y: Any) -> Any:
            c = np.sin(c) * x[0] + y
            return c, c

        final, ys = ad.scan(step, 0.5, x, checkpoint=checkpoint)
        return final + np.sum(ys**2)

    def unrolled(x: Any) -> Any:
        c, total = 0.5, 0.0
        for y in x:
            c = np.sin(c) * x[0] + y
            total = total + c**2
        return c + total

    near(ad.gradient(f, XS, backend=backend), ad.gradient(unrolled, XS, backend="numpy:forward"), backend)


REVERSE = [ad.NumPy(), ad.Torch(), ad.Autograd()]  # which run loops in Python


def forgetful(step: Any, checkpoint: Any, reverse: bool = False) -> Any:
    """A loop of ``N`` steps over a carry of two leaves, which takes ``x`` from around it."""

    def f(x: Any) -> Any:
        w = np.cos(x)
        carry, ys = ad.scan(step(w), (x, 0.0), XS, reverse=reverse, checkpoint=checkpoint)
        return np.sum(carry[0]) + carry[1] ** 2 + np.sum(ys * np.arange(1.0, N + 1))

    return f


def mixing(w: Any) -> Any:
    def step(carry: Any, y: Any) -> Any:
        a, total = carry
        a = np.sin(a * w) + y
        return (a, total + a[0] * a[1]), a[0] ** 2

    return step


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("backend", [*REVERSE, ad.NumPy(mode="forward")], ids=repr)
def test_steps_that_are_computed_again_are_right_to_second_order(backend: Any, reverse: bool) -> None:
    x = np.array([0.4, 0.7, -0.2])
    kept, again = forgetful(mixing, False, reverse), forgetful(mixing, 3, reverse)
    near(ad.gradient(again, x, backend=backend), ad.gradient(kept, x, backend="numpy:forward"), backend)
    near(ad.hessian(again, x, backend=backend), ad.hessian(kept, x), backend)
    prepared = ad.prepare_hvp(again, x + 0.1, v=x, backend=backend)
    near(prepared(x, v=x), ad.hvp(kept, x, v=x), backend)


@pytest.mark.parametrize("backend", REVERSE, ids=repr)
def test_how_often_steps_are_run(backend: Any) -> None:
    """The first once, each of the others once more on the way back; all once without ``checkpoint=``."""
    runs = []

    def counted(w: Any) -> Any:
        step = mixing(w)

        def f(carry: Any, y: Any) -> Any:
            runs.append(1)
            return step(carry, y)

        return f

    prepared = [
        ad.prepare_gradient(forgetful(counted, checkpoint), np.ones(3), backend=backend)
        for checkpoint in (False, True)
    ]
    counts = []
    for gradient in prepared:
        runs.clear()
        gradient(np.full(3, 0.3))
        counts.append(len(runs))
    assert counts == [N, 2 * N - 1]


def test_memory_grows_with_the_root_of_the_number_of_steps() -> None:
    x = np.linspace(0.1, 0.9, 5000)

    def f(checkpoint: Any) -> Any:
        def step(c: Any, y: Any) -> Any:
            return np.sin(c) * np.exp(-c * c) + y * c, None

        return lambda x: np.sum(ad.scan(step, x, np.linspace(0, 1, 100), checkpoint=checkpoint)[0])

    peaks = []
    for checkpoint in (False, True):
        tracemalloc.start()
        ad.gradient(f(checkpoint), x, backend="numpy")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] / 4


HELD: dict[str, Any] = {}


@pytest.mark.parametrize("backend", REVERSE, ids=repr)
def test_what_is_not_found_around_a_step_is_not_lost(backend: Any) -> None:
    """An active value in a global: everything is kept, and the derivative is whole."""

    def f(x: Any, checkpoint: Any = 3) -> Any:
        HELD["w"] = x * 2

        def step(c: Any, y: Any) -> Any:
            return np.sin(c * HELD["w"] + y), None

        return np.sum(ad.scan(step, x, XS, checkpoint=checkpoint)[0])

    x = np.array([0.3, 0.4])
    try:
        near(
            ad.gradient(f, x, backend=backend),
            ad.gradient(lambda x: f(x, False), x, backend="numpy:forward"),
            backend,
        )
    finally:
        HELD.clear()


@pytest.mark.parametrize("backend", REVERSE, ids=repr)
def test_steps_that_give_something_else_when_they_are_run_again_are_refused(backend: Any) -> None:
    rng = np.random.default_rng(0)

    def f(x: Any) -> Any:
        return np.sum(ad.scan(lambda c, y: (np.sin(c) + rng.normal() * y, None), x, XS, checkpoint=3)[0])

    with pytest.raises(ad.errors.PolyadError, match="gave other numbers when they were computed again"):
        ad.gradient(f, np.array([0.3, 0.4]), backend=backend, follow=False)


def test_jax_computes_again_what_is_quick_to_compute() -> None:
    """Of arithmetic entry by entry the carry is kept only; of products of matrices everything."""
    jax = pytest.importorskip("jax")
    weights = np.array([[0.3, -0.2], [0.5, 0.1]])

    def quick(x: Any) -> Any:
        def step(c: Any, y: Any) -> Any:
            for _ in range(9):
                c = c + 0.1 * np.sin(c) * x[:2] * y
            return c, None

        return np.sum(ad.scan(step, np.ones(2), x)[0])

    def slow(x: Any) -> Any:
        def step(c: Any, y: Any) -> Any:
            for _ in range(9):
                c = np.tanh(weights @ c) * x[:2] * y
            return c, None

        return np.sum(ad.scan(step, np.ones(2), x)[0])

    for f, again in ((quick, True), (slow, False)):
        near(ad.gradient(f, XS, backend="jax"), ad.gradient(f, XS, backend="numpy:forward"), None)
        v = np.cos(XS)
        near(ad.hvp(f, XS, v=v, backend="jax"), ad.hvp(f, XS, v=v), None)

        def gradient(x: Any, f: Any = f) -> Any:
            return ad.gradient(f, x, backend=ad.JAX(jit=False))

        equations = jax.make_jaxpr(gradient)(XS).jaxpr.eqns
        forward = next(e for e in equations if e.primitive.name == "scan")
        assert (len(forward.outvars) <= 3) == again  # the carry, and what is kept for the reverse sweep


def test_as_functions_of_jax() -> None:
    """On JAX's own arrays, in code that is written for these."""
    import jax.numpy as jnp

    def f(x: Any) -> Any:
        c, ys = ad.scan(lambda c, y: (jnp.sin(c) + y, c), jnp.zeros(()), x)
        return jnp.sum(ys) + ad.while_loop(lambda c: c > 1e3, lambda c: c / 2, c, max_steps=3)

    def g(x: Any) -> Any:
        c, total = 0.0, 0.0
        for y in x:
            c, total = np.sin(c) + y, total + c
        return total + c

    near(ad.gradient(f, XS, backend="jax"), ad.gradient(g, XS), None)


# -- bodies of many kinds, against a Python loop ------------------------------------------------------


def python_loop(
    step: Any, c: Any, xs: Any = None, length: int = 0, reverse: bool = False, checkpoint: Any = False
) -> Any:
    several = isinstance(xs, tuple)
    n = length if xs is None else len(xs[0] if several else xs)
    ys: list[Any] = [None] * n
    for k in range(n - 1, -1, -1) if reverse else range(n):
        c, ys[k] = step(c, None if xs is None else tuple(a[k] for a in xs) if several else xs[k])
    return c, None if ys[0] is None else np.stack(ys)


_RNG = np.random.default_rng(0)
ROWS, START, MATRIX = _RNG.normal(size=(7, 3)), _RNG.normal(size=3), 0.5 * _RNG.normal(size=(3, 3))


def layers(scan: Any, x: Any) -> Any:
    c, ys = scan(lambda c, u: (np.tanh(MATRIX @ c + u * x), np.sum(c * x)), np.zeros(3), ROWS)
    return np.sum(c**2) + np.sum(ys * np.arange(7.0))


def backwards(scan: Any, x: Any) -> Any:
    c, ys = scan(lambda c, u: (np.sin(c * u[0]) + u[1], c), x[0], (x * 2, x**2), reverse=True)
    return c * np.sum(ys**2)


def counted(scan: Any, x: Any) -> Any:
    c, ys = scan(lambda c, k: (c + x[k % 3] * x[(k + 1) % 3] ** 2 * (k + 1), c), 0.0, np.arange(5))
    return c**2 + np.sum(ys)


def nested(scan: Any, x: Any) -> Any:
    def outer(c: Any, u: Any) -> Any:
        d, _ = scan(lambda d, v: (d * x[1] + v * c, None), u, np.array([1.0, 2.0]))
        return np.cos(d), d

    c, ys = scan(outer, x[0], x)
    return c + np.sum(ys**2)


def chosen(scan: Any, x: Any) -> Any:
    c, ys = scan(lambda c, u: (np.where(c > u, c * u, c - u), np.max(c)), x, ROWS)
    return np.sum(c**2) + np.sum(ys)


def written(scan: Any, x: Any) -> Any:
    def step(c: Any, u: Any) -> Any:
        d = c.copy()
        d[0] = d[1] * u
        d[1:] += x[:2] * d[0]
        return d, d[::-1]

    c, ys = scan(step, x, np.array([0.3, 0.6, 0.2]))
    return np.sum(c * x) + np.sum(ys[1] ** 2)


def solved(scan: Any, x: Any) -> Any:
    def step(c: Any, u: Any) -> Any:
        a, n = c
        return (np.linalg.solve(np.eye(3) * (3 + n) + 0.1 * np.outer(a, x), u + a), n + 1.0), n

    c, ys = scan(step, (x, 0.0), ROWS)
    return np.sum(c[0] ** 2) + np.sum(ys)


def matrices(scan: Any, x: Any) -> Any:
    c, ys = scan(lambda c, u: (c @ np.cos(c * x) + np.outer(u, x), c[0]), 0.1 * np.eye(3), 0.2 * ROWS)
    return np.sum(c * MATRIX) + np.sum(ys**2)


BODIES = [layers, backwards, counted, nested, chosen, written, solved, matrices]


@pytest.mark.parametrize(
    "backend",
    [ad.NumPy(compile=True), ad.NumPy(mode="forward", compile=True), ad.CasADi(symbols="MX"), ad.NumPy()],
    ids=repr,
)
@pytest.mark.parametrize("f", BODIES)
def test_bodies_of_many_kinds(f: Any, backend: Any) -> None:
    def looped(x: Any) -> Any:
        return f(ad.scan, x)

    first = ad.gradient(lambda x: f(python_loop, x), START)
    second = ad.hessian(lambda x: f(python_loop, x), START)
    elsewhere, v = START * 1.3 + 0.1, np.stack([np.array([1.0, -2.0, 0.5]), START])
    near(ad.prepare_gradient(looped, elsewhere, backend=backend)(START), first, backend)
    near(ad.prepare_jvp(looped, elsewhere, v=v[0], backend=backend)(START, v=v[0]), first @ v[0], backend)
    near(ad.prepare_hessian(looped, elsewhere, backend=backend)(START), second, backend)
    products = ad.prepare_hvp(looped, elsewhere, v=v, batched=True, backend=backend)
    near(products(START, v=v), v @ second, backend)


@pytest.mark.parametrize("f", [nested, written])
def test_bodies_under_jax(f: Any) -> None:
    second = ad.hessian(lambda x: f(python_loop, x), START)
    near(ad.hessian(lambda x: f(ad.scan, x), START, backend="jax"), second, None)


def test_a_loop_is_one_operation_of_a_compiled_program() -> None:
    def f(x: Any) -> Any:
        return ad.scan(lambda c, y: (np.sin(c) * y, None), 1.0, x)[0]

    short, long = (ad.prepare_gradient(f, np.ones(n), backend=ad.NumPy(compile=True)) for n in (5, 500))
    assert repr(short).replace("[5]", "[500]") == repr(long)


def test_a_pole_within_a_compiled_loop() -> None:
    def f(x: Any) -> Any:
        return ad.scan(lambda c, y: (c + 1 / y + np.log(y), None), 0.0, x)[0]

    prepared = ad.prepare_gradient(f, np.ones(5), backend=ad.NumPy(compile=True))
    x = np.array([1.0, 0.0, 2.0, -1.0, 1.0])
    with np.errstate(all="ignore"):
        found, expected = prepared(x), ad.gradient(f, x)
    np.testing.assert_array_equal(np.isfinite(found), np.isfinite(expected))
    np.testing.assert_allclose(found[[0, 2, 4]], expected[[0, 2, 4]])


# -- associative_scan ---------------------------------------------------------------------------------


def chained(a: Any, b: Any) -> Any:
    """Of ``c -> a c + x``, one after the other."""
    return a[0] * b[0], b[0] * a[1] + b[1]


@every
def test_partial_results_in_few_steps(backend: Any) -> None:
    def f(x: Any, a: Any) -> Any:
        return ad.associative_scan(chained, (a * np.ones(N), x))[1]

    near(ad.jacobian(f, XS, A, backend=backend), powers(A), backend)
    prepared = ad.prepare_gradient(lambda a: np.sum(f(XS, a)), 0.3, backend=backend)
    near(prepared(A), ad.gradient(lambda a: np.sum(recursion(XS, a)), A), backend)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 5, 8, 13])
def test_partial_results_of_products_that_do_not_commute(n: int) -> None:
    matrices = np.random.default_rng(n).normal(size=(n, 2, 2))
    expected = matrices.copy()
    for k in range(1, n):
        expected[k] = expected[k - 1] @ matrices[k]
    near(ad.associative_scan(np.matmul, matrices), expected, None)
    expected = matrices.copy()
    for k in range(n - 2, -1, -1):
        expected[k] = expected[k + 1] @ matrices[k]
    near(ad.associative_scan(np.matmul, matrices, reverse=True), expected, None)


def test_partial_results_of_arrays_of_jax_and_what_is_refused() -> None:
    import jax.numpy as jnp

    found = ad.associative_scan(jnp.add, jnp.arange(5.0), reverse=True)
    near(np.asarray(found), np.array([10.0, 10.0, 9.0, 7.0, 4.0]), None)
    with pytest.raises(ad.errors.ArgumentError, match=r"elems\[1\] \(3,\)"):
        ad.associative_scan(chained, (np.ones(4), np.ones(3)))
    with pytest.raises(ad.errors.OperationNotSupportedError, match="changes its shape in fn"):
        ad.associative_scan(lambda a, b: np.sum(a + b, axis=0, keepdims=True), np.ones(5))
