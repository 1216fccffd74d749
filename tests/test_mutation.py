"""Nothing of the caller's is changed, shared or leaked; what is constant is constant."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import math
import pickle

import numpy as np
import pytest

import polyad as ad
from backends import AVAILABLE, EXACT, eager
from polyad import errors
from polyad.systems.registry import load

X = np.array([0.7, -1.3, 1.9])
C = np.array([0.5, 1.5, -0.25])
V = np.array([1.0, -0.5, 2.0])
W = np.array([0.25, 1.0, -1.5])


def every(names=AVAILABLE):
    """All systems, each in all its modes."""
    for name in names:
        yield pytest.param(eager(name), id=name)
        if name == "numpy":
            yield pytest.param(ad.NumPy(compile=True), id="compiled")
        for mode in sorted(load(name).supports) if len(load(name).supports) > 1 else ():
            yield pytest.param(eager(name, mode), id=f"{name}:{mode}")


EVERY = list(every())
EXACTLY = list(every(EXACT))


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=3e-5, atol=3e-6)


# -- arguments, constants, captured arrays, results ---------------------------------------------------

CAPTURED = np.array([3.0, 4.0, 5.0])


def vector(x, c):
    """Writes to both of its arguments."""
    c += 1.0
    x[1] = x[0] * x[1]
    return c * x**2, {"seen": CAPTURED, "again": [CAPTURED[:2]]}


def scalar(x, c):
    y, aux = vector(x, c)
    return np.sum(y), aux


def of_number(t, c):
    return vector(t * X, c)


A, B_, D = C + 1
VALUE = (C + 1) * np.array([X[0], X[0] * X[1], X[2]]) ** 2
JACOBIAN = np.array(
    [
        [2 * A * X[0], 0, 0],
        [2 * B_ * X[0] * X[1] ** 2, 2 * B_ * X[0] ** 2 * X[1], 0],
        [0, 0, 2 * D * X[2]],
    ]
)
MIXED = 4 * B_ * X[0] * X[1]
HESSIAN = np.array([[2 * A + 2 * B_ * X[1] ** 2, MIXED, 0], [MIXED, 2 * B_ * X[0] ** 2, 0], [0, 0, 2 * D]])
POWERS = np.array([2, 4, 2])  # of the number in each entry of its function, which is VALUE at 1
SECOND = np.array(
    [
        A * V[0] ** 2,
        B_ * ((V[0] * X[1]) ** 2 + (X[0] * V[1]) ** 2 + 4 * X[0] * X[1] * V[0] * V[1]),
        D * V[2] ** 2,
    ]
)

# operator -> (function, point, keyword of a direction, what value_and gives besides the value)
OPERATORS = {
    "derivative": (of_number, 1.0, {}, [POWERS * VALUE]),
    "gradient": (scalar, X, {}, [JACOBIAN.sum(axis=0)]),
    "jacobian": (vector, X, {}, [JACOBIAN]),
    "jvp": (vector, X, {"v": V}, [JACOBIAN @ V]),
    "vjp": (vector, X, {"w": W}, [W @ JACOBIAN]),
    "second_derivative": (of_number, 1.0, {}, [POWERS * VALUE, POWERS * (POWERS - 1) * VALUE]),
    "hvp": (scalar, X, {"v": V}, [JACOBIAN.sum(axis=0), HESSIAN @ V]),
    "hessian": (scalar, X, {}, [JACOBIAN.sum(axis=0), HESSIAN]),
}
NAMES = {
    "second_derivative": "value_derivative_and_second_derivative",
    "hvp": "gradient_and_hvp",
    "hessian": "value_gradient_and_hessian",
}


def arrays(tree):
    """The arrays of a nest of containers."""
    if isinstance(tree, np.ndarray):
        yield tree
    elif isinstance(tree, dict):
        yield from arrays(list(tree.values()))
    elif isinstance(tree, tuple | list):
        for item in tree:
            yield from arrays(item)


def check_apart(result, *others):
    """No two arrays of a result share memory, nor does one with the caller's; all may be written to."""
    found = list(arrays(result))
    for k, a in enumerate(found):
        for b in (*found[:k], *others, CAPTURED):
            assert not np.shares_memory(a, b)
    for a in found:
        a[...] = np.nan


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("backend", EVERY)
def test_every_operator_leaves_alone_what_is_the_callers(backend, operator):
    f, point, seed, (*_, expected) = OPERATORS[operator]
    x, c, before = np.array(point), C.copy(), CAPTURED.copy()
    x = x if x.shape else float(x)
    seed = {k: a.copy() for k, a in seed.items()}
    held = [a for a in (x, c, *seed.values()) if isinstance(a, np.ndarray)]
    options = {"backend": backend, "has_aux": True}
    prepared = getattr(ad, f"prepare_{operator}")(f, x, c, **options)
    both = getattr(ad, NAMES.get(operator, f"value_and_{operator}"))
    calls = [
        lambda: getattr(ad, operator)(f, x, c, **seed, **options),
        lambda: prepared(x, c, **seed),
        lambda: prepared(x, c, **seed),
    ]
    for call in calls:
        result, aux = call()
        close(result, expected)
        close(aux["seen"], before)
        check_apart((result, aux), *held)
    for call in (lambda: both(f, x, c, **seed, **options), lambda: prepared.value_and(x, c, **seed)):
        *lower, result = call()
        close(result, expected)
        check_apart((lower, result), *held)
    out = np.empty(np.shape(expected))
    filled, aux = prepared(x, c, **seed, out=out)
    assert filled is out
    close(out, expected)
    check_apart((out, aux), *held)
    for a, kept in zip((x, c, *seed.values()), (point, C, *OPERATORS[operator][2].values()), strict=True):
        np.testing.assert_array_equal(a, kept)
    np.testing.assert_array_equal(CAPTURED, before)


@pytest.mark.parametrize("backend", EVERY)
def test_taylor_and_linearize_leave_alone_what_is_the_callers(backend):
    x, c, v, w = X.copy(), C.copy(), V.copy(), W.copy()
    order = 1 if backend.name == "finite" else 2
    expected = [VALUE, JACOBIAN @ V, SECOND][: order + 1]
    found, aux = ad.taylor(vector, x, c, v=v, order=order, backend=backend, has_aux=True)
    close(found, expected)
    check_apart((found, aux), x, c, v)
    (y, aux), J = ad.linearize(vector, x, c, backend=backend, has_aux=True)
    products = (y, aux, J.value[0], J.jvp(v), J.vjp(w), J.jvp(v[None], batched=True), J.value[0])
    for k, a in {0: VALUE, 2: VALUE, 3: JACOBIAN @ V, 4: W @ JACOBIAN, 5: (JACOBIAN @ V)[None]}.items():
        close(products[k], a)
    check_apart(products, x, c, v, w)
    close(J.value[0], VALUE)
    for a, kept in ((x, X), (c, C), (v, V), (w, W)):
        np.testing.assert_array_equal(a, kept)


@pytest.mark.parametrize("backend", EVERY)
def test_constants_start_afresh_however_they_are_written_to(backend):
    def f(x, c, n, tree):
        c[0] = x[0] * x[1]  # a value that is differentiated
        np.multiply(c, 2, out=c)
        n[0] += 1
        tree["a"].fill(3.0)
        tree["a"] = tree["a"] * c
        return np.sum(x[n] * tree["a"])

    c, n, tree = C.copy(), np.array([0, 1]), {"a": np.ones(2)}
    c = c[:2]
    # 6 (x0 x1 x1 + c1 x1)
    expected = [6 * X[1] ** 2, 12 * X[0] * X[1] + 6 * C[1], 0]
    prepared = ad.prepare_gradient(f, X, c, n, tree, backend=backend)
    for _ in range(2):
        close(ad.gradient(f, X, c, n, tree, backend=backend), expected)
        close(prepared(X, c, n, tree), expected)
    np.testing.assert_array_equal(c, C[:2])
    np.testing.assert_array_equal(n, [0, 1])
    np.testing.assert_array_equal(tree["a"], 1.0)


@pytest.mark.parametrize("name", [n for n in ("numpy", "torch", "autograd", "finite") if n in AVAILABLE])
def test_writing_to_a_constant_may_begin_later(name):
    begun = []

    def f(x, c):
        if begun:
            c *= 2
        return np.sum(x * c)

    c = C.copy()
    prepared = ad.prepare_gradient(f, X, c, backend=name)
    close(prepared(X, c), C)
    begun.append(True)
    for _ in range(2):
        close(prepared(X, c), 2 * C)
    np.testing.assert_array_equal(c, C)


def test_a_read_only_array_of_the_functions_own_is_its_own_matter():
    mine = np.ones(3)
    mine.flags.writeable = False

    def f(x, c):
        mine[0] = 2.0
        return np.sum(x * c)

    with pytest.raises(ValueError, match="read-only"):
        ad.gradient(f, X, C)


@pytest.mark.skipif("torch" not in AVAILABLE, reason="torch is not installed")
def test_constants_of_torch():
    import torch

    begun = [True]

    def f(x, c):
        if begun:
            c.add_(1.0)
        return (x * c).sum()

    x, c = torch.tensor(X), torch.tensor(C)
    close(ad.gradient(f, x, c), C + 1)
    close(ad.gradient(f, X, C.copy(), backend="torch"), C + 1)
    prepared = ad.prepare_gradient(f, x, c)
    for _ in range(2):
        close(prepared(x, c), C + 1)
    close(c, C)
    begun.clear()
    prepared = ad.prepare_gradient(f, x, c)
    begun.append(True)
    close(prepared(x, c), C + 1)  # its code shows that it may write: it has had copies from the start
    close(c, C)
    begun.clear()
    hidden = ad.prepare_gradient(lambda x, c: (x * getattr(c, "add_" if begun else "add")(1.0)).sum(), x, c)
    begun.append(True)
    with pytest.raises(errors.FunctionNotSupportedError, match="clone"):
        hidden(x, c)


@pytest.mark.parametrize("backend", EVERY)
def test_two_results_are_two_arrays(backend):
    # the cotangents of a and of b are the same numbers
    g = ad.gradient(lambda a, b: np.sum((a + b) ** 2), X, C, argnums=(0, 1), backend=backend)
    close(g, [2 * (X + C)] * 2)
    check_apart(g, X, C)


# -- out ------------------------------------------------------------------------------------------------


def squares(x):
    return np.sum(x**2)


def entry_over_entry(n):
    return np.lib.stride_tricks.as_strided(np.zeros(n + 1), (n,), (4,))


STORE = np.zeros(8)


@pytest.mark.parametrize("backend", [p for p in EVERY if ":" not in p.id])
def test_out_that_would_lose_a_result(backend):
    o, buffer = np.full(3, 7.0), np.full(8, 7.0)

    def product(a, b):
        return np.sum(a * b)

    two = ad.prepare_gradient(product, X, C, argnums=(0, 1), backend=backend)
    one = ad.prepare_gradient(squares, X, backend=backend)
    x = buffer[:3]
    x[:] = X
    cases = [
        (two, (X, C), (o, o), "two arrays of out"),
        (two, (X, C), (buffer[3:6], buffer[5:8]), "two arrays of out"),
        (one, (X,), np.lib.stride_tricks.as_strided(o, (3,), (0,)), "fewer places"),
        (one, (X,), entry_over_entry(3), "fewer places"),
        (one, (X,), np.full(3, 7.0, np.float32), "float32"),
        (one, (X,), np.full(3, 7.0, ">f4"), "does not fit"),
        (one, (x,), buffer[1:4], "argument"),
        (one, (x,), x[::-1], "argument"),
    ]
    for prepared, args, out, words in cases:
        before = [np.array(a) for a in (*args, *(out if isinstance(out, tuple) else (out,)))]
        for call in (prepared, prepared.value_and):
            with pytest.raises(errors.OutMismatchError, match=words):
                call(*args, out=out)
        now = [*args, *(out if isinstance(out, tuple) else (out,))]
        for a, b in zip(now, before, strict=True):
            np.testing.assert_array_equal(a, b)
    # interleaved entries are not shared, and wider numbers hold the result
    pairs = np.zeros((3, 2))
    two(X, C, out=(pairs[:, 0], pairs[:, 1]))
    close(pairs, np.column_stack([C, X]))
    close(one(X, out=np.zeros(3, complex)), 2 * X)
    close(one(X, out=np.zeros(6)[::-2]), 2 * X)


@pytest.mark.skipif("torch" not in AVAILABLE, reason="torch is not installed")
def test_out_of_torch_that_would_lose_a_result():
    import torch

    x = torch.tensor(X)
    one = ad.prepare_gradient(lambda x: (x**2).sum(), x)
    store = torch.zeros(6, dtype=torch.float64)
    for out, words in (
        (torch.zeros(1, dtype=torch.float64).expand(3), "fewer places"),
        (torch.zeros(3, dtype=torch.float32), "float32"),
    ):
        with pytest.raises(errors.OutMismatchError, match=words):
            one(x, out=out)
    store[:3] = x
    with pytest.raises(errors.OutMismatchError, match="argument"):
        one(store[:3], out=store[1:4])
    close(one(store[:3], out=store[3:]), 2 * X)
    close(store[:3], X)


# -- stop_gradient of trees ---------------------------------------------------------------------------------


@dataclasses.dataclass
class Pair:
    a: object
    name: str = "pair"


Named = collections.namedtuple("Named", "u v")

TREES = {
    "array": (lambda x: x, lambda t: t),
    "list": (lambda x: [x, 1.0], lambda t: t[0]),
    "dict": (lambda x: {"a": x, "n": "text"}, lambda t: t["a"]),
    "dataclass": (Pair, lambda t: t.a),
    "namedtuple": (lambda x: Named(1, x), lambda t: t.v),
    "nested": (lambda x: [{"a": (x, None)}], lambda t: t[0]["a"][0]),
    "entries": (lambda x: [x[0], x[1], x[2]], np.stack),
    "objects": (lambda x: np.array([x[0], x[1], x[2]]), lambda t: t),
}


@pytest.mark.parametrize("backend", [p for p in EVERY if not p.id.startswith("casadi")])
def test_stop_gradient_of_trees(backend):
    for name, (make, take) in TREES.items():
        g = ad.gradient(lambda x, m=make, t=take: np.sum(t(ad.stop_gradient(m(x))) * x), X, backend=backend)
        np.testing.assert_allclose(g, X, rtol=1e-8, err_msg=name)


def test_stop_gradient_to_second_order_and_in_a_series():
    def f(x):
        return np.sum(ad.stop_gradient((x, x))[1] * x**2)

    np.testing.assert_allclose(ad.hessian(f, X), np.diag(2 * X))
    np.testing.assert_allclose(
        ad.taylor(lambda t: ad.stop_gradient([t])[0] * t, 3.0, v=1.0, order=2), [9, 3, 0]
    )


def test_what_is_stopped_is_in_memory_of_its_own():
    x = X.copy()
    kept = ad.stop_gradient([x])[0]
    assert not np.shares_memory(kept, x)

    def f(x):
        ad.stop_gradient(x)[:] = 9.0
        return np.sum(x**2)

    np.testing.assert_allclose(ad.gradient(f, x), 2 * X)
    np.testing.assert_array_equal(x, X)


def test_stop_gradient_refuses_what_it_cannot_see_into():
    class Model:
        pass

    with pytest.raises(errors.InputTypeError, match="Model"):
        ad.stop_gradient({"m": Model()})


def test_stop_gradient_under_differences_counts_by_order():
    def f(x):
        return np.sum(ad.stop_gradient(x) if x[0] == X[0] else ad.stop_gradient([x])[0])

    with pytest.raises(errors.OperationNotSupportedError, match="beside the point"):
        ad.gradient(f, X, backend="finite")


# -- a linearization keeps its point ----------------------------------------------------------------------


@pytest.mark.parametrize("after", [False, True], ids=["before a product", "after one"])
@pytest.mark.parametrize("backend", EVERY)
def test_a_linearization_keeps_its_point(backend, after):
    x, c, captured, calls = X.copy(), C.copy(), CAPTURED.copy(), []
    matrix = np.arange(9.0).reshape(3, 3) / 10

    def f(x, c):
        calls.append(1)
        return np.sin(x) * c * captured + matrix @ (x * x)

    y, J = ad.linearize(f, x, c, backend=backend)
    value = np.sin(X) * C * CAPTURED + matrix @ X**2
    jacobian = np.diag(np.cos(X) * C * CAPTURED) + 2 * matrix * X
    if after:
        J.jvp(V), J.vjp(W)
    count = len(calls)
    for a in (x, c, captured, matrix):
        a += 10.0
    close(J.jvp(V), jacobian @ V)
    close(J.vjp(W), W @ jacobian)
    close(J.jvp(np.eye(3), batched=True), jacobian.T)
    close(J.vjp(np.eye(3), batched=True), jacobian)
    close(y, value)
    close(J.value, value)
    assert len(calls) == count


@pytest.mark.skipif("jax" not in AVAILABLE, reason="jax is not installed")
def test_a_linearization_of_compiled_jax_keeps_its_point():
    import jax

    captured = CAPTURED.copy()

    @jax.jit
    def inner(x):
        return jax.numpy.sin(x) * captured * x

    _, J = ad.linearize(lambda x: inner(x) * captured, X, backend="jax")
    captured += 10
    close(J.jvp(V), (np.sin(X) + X * np.cos(X)) * CAPTURED**2 * V)


# -- arrays of objects --------------------------------------------------------------------------------------


class Method:
    def of(self, x):
        return np.stack([x[0] ** 2, x[1] * x[2]])

    def __call__(self, x):
        return np.array([[x[0] ** 2, 0.0], [x[1] * x[2], x[0]]])


METHOD = Method()
ROWS = np.array([[2 * X[0], 0, 0], [0, X[2], X[1]]])
OF_OBJECTS = {
    "method": (METHOD.of, ROWS),
    "hidden method": (lambda x: METHOD.of(x), ROWS),
    "callable": (METHOD, np.array([[ROWS[0], [0, 0, 0]], [ROWS[1], [1, 0, 0]]])),
    "untouched": (lambda x: np.array([x[0], 0]), np.array([[1, 0, 0], [0, 0, 0]])),
    "number": (lambda x: np.array(x[0]), np.array([1, 0, 0])),
    "calculated with": (
        lambda x: np.array([x[0], x[1]]) @ np.array([[1.0, 2], [3, 4]]),
        [[1, 3, 0], [2, 4, 0]],
    ),
}


@pytest.mark.parametrize("backend", EVERY)
def test_an_array_of_objects_is_no_constant(backend):
    for f, jacobian in OF_OBJECTS.values():
        w = np.ones(np.shape(jacobian)[:-1])
        close(ad.jacobian(f, X, backend=backend), jacobian)
        close(ad.jvp(f, X, v=V, backend=backend), np.asarray(jacobian) @ V)
        close(ad.vjp(f, X, w=w, backend=backend), np.sum(jacobian, axis=tuple(range(w.ndim))))
        close(ad.prepare_jacobian(f, X + 1, backend=backend)(X), jacobian)
    rows = ad.jacobian(lambda c: np.array([c[0], 0]), [1.0, 1.0], backend=backend)
    close(rows, [[1, 0], [0, 0]])
    close(ad.prepare_derivative(lambda t: np.array([t, 0.0]), 2.0, backend=backend)(3.0), [1, 0])


# -- values kept beyond their differentiation -------------------------------------------------------------

# kept at the first call -> what a call makes of it with its argument, and the gradient where it is constant
KEPT = {
    "array": (np.exp, lambda k, x: np.sum(k * x**2), 2 * np.exp(X) * X),
    "argument": (lambda x: x, lambda k, x: np.sum(k * x**2), 2 * X**2),
    "number": (lambda x: x[0] * x[1], lambda k, x: np.sum(k * x**2), 2 * X[0] * X[1] * X),
    "view": (
        lambda x: x[:2],
        lambda k, x: np.sum(k * x[1:] ** 2),
        np.array([0, 2 * X[0] * X[1], 2 * X[1] * X[2]]),
    ),
    "returned": (lambda x: np.sum(np.exp(x)), lambda k, x: k, np.zeros(3)),
    "list": (
        lambda x: [x[0], x[1]],
        lambda k, x: k[0] * x[0] ** 2 + k[1] * x[2],
        np.array([2 * X[0] ** 2, 0, X[1]]),
    ),
}


def keeper(how, kept):
    keep, use, _ = KEPT[how]

    def f(x):
        if "y" not in kept:
            kept["y"] = keep(x)
        return use(kept["y"], x)

    return f


def constant_or_refused(call, expected):
    """Whether what was kept is a constant; if not, the error says what it is."""
    try:
        found = call()
    except errors.FunctionNotSupportedError as error:
        assert "stop_gradient" in str(error) or "earlier one" in str(error)
        return False
    if hasattr(found, "detach"):  # a tensor that was kept from torch, whose graphs do not end, is followed
        found = found.detach().numpy()
    assert isinstance(found, np.ndarray | np.generic)
    close(found, expected)
    return True


@pytest.mark.filterwarnings("ignore:Explicitly requested dtype")  # of JAX, before it finds its tracer dead
@pytest.mark.parametrize("how", KEPT)
@pytest.mark.parametrize("backend", EVERY)
def test_a_kept_value_is_a_constant(backend, how):
    kept, expected = {}, KEPT[how][2]
    f = keeper(how, kept)
    with contextlib.suppress(errors.FunctionNotSupportedError):
        ad.gradient(f, X, backend=backend)
    known = [
        constant_or_refused(lambda: ad.gradient(f, X, backend=backend), expected),
        constant_or_refused(lambda: ad.prepare_gradient(f, X, backend=backend)(X), expected),
        constant_or_refused(lambda: ad.jvp(f, X, v=V, backend=backend), expected @ V),
    ]
    assert all(known) or backend.name in ("jax", "casadi", "sympy")  # which keep no numbers
    # and under the engine, whatever kept it
    constant_or_refused(lambda: ad.gradient(f, X, backend="numpy"), expected)


def test_a_kept_value_to_second_order_and_in_a_series():
    for backend in ("numpy:forward", "numpy:reverse"):
        kept = {}
        f = keeper("array", kept)
        ad.hessian(f, X, backend=backend)
        np.testing.assert_allclose(ad.hessian(f, X, backend=backend), np.diag(2 * np.exp(X)))
    kept = {}
    f = keeper("array", kept)
    for _ in range(2):
        found = ad.taylor(f, X, v=V, order=2)
    np.testing.assert_allclose(found, [np.exp(X) @ X**2, 2 * np.exp(X) @ (X * V), np.exp(X) @ V**2])


def test_a_refused_attempt_leaves_numbers():
    class Model:
        def loss(self, w):
            self.w = w
            self.made = np.tanh(w)
            return float(np.sum(self.made))

        def use(self, x):
            return np.sum(self.made * x)

    model = Model()
    for backend in ("numpy:reverse", "numpy:forward"):
        with pytest.raises(errors.OperationNotSupportedError):
            ad.gradient(model.loss, X, backend=backend, follow=False)
        made = np.tanh(X)
        np.testing.assert_allclose(ad.gradient(model.use, X), made)
        np.testing.assert_allclose(ad.gradient(model.use, X, backend="finite"), made, rtol=1e-8)
        assert math.sin(model.made[0]) == np.sin(np.tanh(X[0]))
        np.testing.assert_array_equal(np.asarray(model.made), made)
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(model.made)), made)
        # as arguments, of a prepared object as well
        prepared = ad.prepare_gradient(lambda x, c: np.sum(c * x**2), X, X)
        np.testing.assert_allclose(prepared(X, model.w), 2 * X**2)
        np.testing.assert_allclose(ad.gradient(lambda x, c: np.sum(c * x**2), model.w, model.w), 2 * X**2)


def test_a_box_is_refused_as_long_as_its_differentiation_goes_on():
    def f(x):
        ad.gradient(lambda y: np.sum(y**2), x)  # an inner one that is over
        return math.sin(x[0])

    with pytest.raises(errors.OperationNotSupportedError, match="would drop"):
        ad.gradient(f, X, follow=False)


# -- Python floats -----------------------------------------------------------------------------------------

# functions of a Python float whose values with NumPy's numbers are others, or none; where; the derivative
OF_FLOATS = [
    (lambda s: s * (~(s > 0)), 2.0, -2.0),
    (lambda s: s * (~(s > 0)), -2.0, -1.0),
    (lambda s: s * ((s > 0) + (s > 1)), 2.0, 2.0),
    (lambda s: s * ((s * 2 > 0) + (1 < s)), 2.0, 2.0),
    (lambda s: s * round(s), 2.6, 3.0),
    (lambda s: s * int(s) + math.floor(s), 2.6, 2.0),
    (lambda s: s * len(f"{s:.3f}"), 2.0, 5.0),
]


@pytest.mark.parametrize("backend", EVERY)
def test_a_python_float_is_one(backend):
    for f, t, expected in OF_FLOATS:
        calls = [lambda f=f, t=t: ad.derivative(f, t, backend=backend)]
        if backend.name != "jax":
            calls.append(lambda f=f, t=t: ad.prepare_derivative(f, t, backend=backend)(t))
        for call in calls:
            try:
                found = call()
            except errors.FunctionNotSupportedError:
                assert backend.name in ("jax", "casadi", "sympy", "torch") or getattr(
                    backend, "compile", False
                )
            else:
                close(found, expected)


def test_a_python_float_is_replaced_not_written_to():
    def f(s):
        t = s
        t += 1
        return t * s

    assert ad.derivative(f, 2.0) == 5.0
    assert ad.second_derivative(lambda s: s**3 * (~(s > 0)), 2.0) == -24.0


def test_a_number_of_numpy_is_one():
    assert ad.derivative(lambda s: s * (~(s > 0)), np.float64(2.0)) == 0.0
    assert ad.derivative(lambda s: s * ((s > 0) + (s > 1)), np.float64(2.0)) == 1.0
