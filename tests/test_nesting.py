"""Derivatives inside derivatives, within one framework and across two: right, or refused with the reason.

``d/dx (x * d/dy (x + y))`` is 1; who mixes up the two perturbations gets 2 (Siskind and Pearlmutter,
"Perturbation Confusion and Referential Transparency", 2005).

References are by hand: with ``p(y) = sum(y**2 w**2)`` the inner gradient is ``2 y w**2``, whose
derivative in ``w`` is ``4 y w``, and so on.
"""

from __future__ import annotations

import numpy as np
import pytest

import polyad as ad
from backends import EXACT, eager
from polyad.errors import PolyadError
from polyad.systems.registry import load

KNOWN = [1164.881764812144, 1749.5486430921133, 2346.2155213720825, 2942.8823996520514, 6431.86668789933]
MODES = [(name, mode) for name in EXACT for mode in (None, *sorted(load(name).supports))]


Y = np.array([0.3, -0.7, 1.1])
W = np.array([0.5, 1.5, -0.8])


def backend_of(name):
    if name == "numpy:compiled":
        return ad.NumPy(compile=True)
    return eager(*name.split(":")) if ":" in name else eager(name)


# every backend with every case, the other modes with a few
ALL = ["numpy:compiled", "numpy:forward", "numpy:reverse", *(n for n in EXACT if n != "numpy")]
ALL += ["torch:forward"] * ("torch" in EXACT)
OTHERS = [f"{n}:{m}" for n, m in MODES if m and n not in ("numpy", "sympy") and f"{n}:{m}" not in ALL]


def p(y):
    return np.sum(np.sin(y) * y**2)


P1 = np.cos(Y) * Y**2 + 2 * Y * np.sin(Y)
P2 = -np.sin(Y) * Y**2 + 4 * Y * np.cos(Y) + 2 * np.sin(Y)


def captured(w, b):
    """The usual inner derivative: its argument is plain, the outer variable is captured."""
    return ad.gradient(lambda y: np.sum(y**2 * w**2), Y, backend=b)


CASES = {}  # name -> (call of a backend, reference)


def case(reference, *names):
    def register(call):
        CASES[names[0] if names else call.__name__] = call, reference
        return call

    return register


def inner_case(reference):
    """A scalar function of ``(w, backend)`` whose gradient in ``w`` is the case."""

    def register(f):
        CASES[f.__name__] = (lambda b: ad.gradient(lambda w: f(w, b), W, backend=b)), reference
        return f

    return register


@case(2 * P1 * P2)
def active(b):
    return ad.gradient(lambda w: np.sum(ad.gradient(p, w, backend=b) ** 2), Y, backend=b)


@inner_case(4 * Y * W)
def captured_in_a_closure(w, b):
    return np.sum(captured(w, b))


@inner_case(np.array([4 * Y[0] * W[0], 0, 0]))
def one_entry_of_the_result(w, b):
    return captured(w, b)[0]


@inner_case(4 * Y * W)
def constant_argument(w, b):
    return np.sum(ad.gradient(lambda y, w: np.sum(y**2 * w**2), Y, w, backend=b))


@inner_case(P1)
def independent(w, b):
    return np.sum(ad.gradient(p, Y, backend=b) * w)


@inner_case(np.zeros(3))
def nothing_depends_on_the_outer_variable(w, b):
    return ad.gradient(p, Y, backend=b)[0]


@case(4 * Y * W)
def outer_prepared(b):
    outer = ad.prepare_gradient(lambda w: np.sum(captured(w, b)), np.ones(3), backend=b)
    outer(-W)
    return outer(W)


@case(2 * P1 * P2)
def outer_prepared_inner_active(b):
    return ad.prepare_gradient(
        lambda w: np.sum(ad.gradient(p, w, backend=b) ** 2), np.full(3, 0.4), backend=b
    )(Y)


@case(2 * P1 * P2)
def inner_prepared_outside(b):
    inner = ad.prepare_gradient(p, np.full(3, 0.4), backend=b)
    return ad.gradient(lambda w: np.sum(inner(w) ** 2), Y, backend=b)


@case(2 * Y**2 * W + 4 * Y * W)
def inner_prepared_outside_both_prepared(b):
    inner = ad.prepare_gradient(lambda y, c: np.sum(y**2 * c**2), np.ones(3), np.ones(3), backend=b)

    def f(w):
        value, g = inner.value_and(Y, w)
        return value + np.sum(g)

    return ad.prepare_gradient(f, np.ones(3), backend=b)(W)


@case(2 * Y)
def seed_of_a_product_prepared_outside(b):
    inner = ad.prepare_jvp(lambda y: y**2, np.ones(3), backend=b)
    return ad.gradient(lambda w: np.sum(inner(Y, v=w)), W, backend=b)


@inner_case(4 * Y * W)
def inner_prepared_inside(w, b):
    return np.sum(ad.prepare_gradient(lambda y: np.sum(y**2 * w**2), Y, backend=b)(Y))


@inner_case(4 * Y * W)
def no_backend_inside(w, b):
    return np.sum(captured(w, None))


@case(2 * P1 * P2)
def no_backend_inside_active(b):
    return ad.gradient(lambda w: np.sum(ad.gradient(p, w) ** 2), Y, backend=b)


@case(2 * 1.3 * np.cos(1.3) - 1.3**2 * np.sin(1.3))
def python_floats(b):
    def outer(x):
        return x * ad.derivative(lambda y: x * np.sin(y), x, backend=b)

    return ad.derivative(outer, 1.3, backend=b)


@case(0.7 * (8 * 1.1**3 + 1))
def three_deep(b):
    # d/dz (x y z**2 + z y) at z = x**2 is (2 x**3 + 1) y, of which d/dy is taken, and d/dx of x times that
    def outer(x):
        def middle(y):
            return ad.derivative(lambda z: x * y * z**2 + z * y, x**2, backend=b)

        return x * 0.7 * ad.derivative(middle, 0.7 * x, backend=b)

    return ad.derivative(outer, 1.1, backend=b)


@inner_case(2 * Y)
def jacobian_inside(w, b):
    return np.sum(ad.jacobian(lambda y: y**2 * w, Y, backend=b))


@case(np.diag(4 * Y * W))
def jacobian_around(b):
    return ad.jacobian(lambda w: captured(w, b), W, backend=b)


@inner_case(4 * Y * W)
def pushforward_along_the_outer_variable(w, b):
    return np.sum(ad.jvp(lambda y: y**2 * w, Y, v=w, backend=b))


@inner_case(2 * Y)
def pushforward_of_a_captured_variable(w, b):
    return np.sum(ad.jvp(lambda y: y**2 * w, Y, v=np.ones(3), backend=b))


@inner_case(2 * Y)
def pushforward_that_is_linear_in_the_outer_variable(w, b):
    return np.sum(ad.jvp(lambda y: y**2, Y, v=w, backend=b))


@inner_case(4 * Y * W)
def pullback_inside(w, b):
    return np.sum(ad.vjp(lambda y: y**2 * w, Y, w=w, backend=b))


@inner_case(6 * Y)
def a_batch_inside(w, b):
    v = np.stack([w, 2 * w])
    return np.sum(ad.jvp(lambda y: y**2, Y, v=v, batched=True, backend=b))


@inner_case(18 * Y * W**2)
def hvp_inside(w, b):
    return np.sum(ad.hvp(lambda y: np.sum(y**3 * w**2), Y, v=w, backend=b))


@inner_case(12 * Y * W)
def hessian_inside(w, b):
    return np.sum(ad.hessian(lambda y: np.sum(y**3 * w**2), Y, backend=b))


@case(np.diag(4 * Y))
def hessian_around(b):
    return ad.hessian(lambda w: np.sum(captured(w, b)), W, backend=b)


@case(4 * Y * W)
def hvp_around(b):
    return ad.hvp(lambda w: np.sum(captured(w, b)), W, v=W, backend=b)


@inner_case(6 * W)
def second_derivative_inside(w, b):
    return ad.second_derivative(lambda t: np.sum(t**3 * w**2), 0.5, backend=b)


@inner_case(2 * Y**2 * W + 4 * Y * W)
def value_and_gradient_inside(w, b):
    value, g = ad.value_and_gradient(lambda y: np.sum(y**2 * w**2), Y, backend=b)
    return value + np.sum(g)


@inner_case(Y**2 + 2 * Y + 4 * Y * W)
def linearize_inside(w, b):
    y, J = ad.linearize(lambda y: y**2 * w, Y, backend=b)
    return np.sum(y) + np.sum(J.jvp(np.ones(3))) + np.sum(J.vjp(w))


@case(8 * Y)
def linearize_outside(b):
    _, J = ad.linearize(lambda y: y**2, Y, backend=b)
    several = ad.gradient(lambda w: np.sum(J.jvp(np.stack([w, w]), batched=True)), W, backend=b)
    return ad.gradient(lambda w: np.sum(J.jvp(w)) + np.sum(J.vjp(w)), W, backend=b) + several


@inner_case(Y**2 + 2 * Y + 1)
def taylor_inside(w, b):
    return np.sum(ad.taylor(lambda y: y**2 * w, Y, v=np.ones(3), order=2, backend=b))


@case(np.array([np.sum(2 * Y * W**2), np.sum(4 * Y * W), np.sum(2 * Y)]))
def taylor_around(b):
    return ad.taylor(lambda w: np.sum(captured(w, b)), W, v=np.ones(3), order=2, backend=b)


@inner_case(4 * Y * W + Y)
def aux_inside(w, b):
    g, aux = ad.gradient(lambda y: (np.sum(y**2 * w**2), y * w), Y, has_aux=True, backend=b)
    return np.sum(g) + np.sum(aux)


@case(4 * Y * W)
def aux_around(b):
    g, aux = ad.gradient(lambda w: (np.sum(captured(w, b)), 2 * w), W, has_aux=True, backend=b)
    np.testing.assert_allclose(aux, 2 * W, rtol=1e-15)
    return g


@inner_case(4 * Y * W + np.array([1, 0, 0]))
def trees_inside(w, b):
    tree = {"a": Y, "b": 2.0}
    g = ad.gradient(lambda t: np.sum(t["a"] ** 2 * w**2) + t["b"] * w[0], tree, backend=b)
    return np.sum(g["a"]) + g["b"]


@inner_case(2 * Y)
def two_active_arguments_inside(w, b):
    g, h = ad.gradient(lambda y, z: np.sum(y**2 * z), Y, w, argnums=(0, 1), backend=b)
    return np.sum(g) + np.sum(h)


@case(1 / (3 * 2 ** (2 / 3)))
def newtons_method(b):
    def root(a):
        x = 1.0
        for _ in range(6):
            x = x - (x**3 - a) / ad.derivative(lambda z: z**3 - a, x, backend=b)
        return x

    return ad.derivative(root, 2.0, backend=b)


@inner_case(8 * Y**3 * W)
def static_and_scratch_arguments_inside(w, b):
    def f(y, w, power, scratch):
        scratch[:] = y**power * w
        return np.sum(scratch**2)

    return np.sum(ad.gradient(f, Y, w, ad.Static(2), ad.Cache(np.zeros(3)), backend=b))


class Parameters:
    """A callable object that holds the outer variable."""

    def __init__(self, w):
        self.w = w

    def __call__(self, y):
        return (y**2 * self.w**2).sum()


@inner_case(4 * Y * W)
def a_callable_object(w, b):
    return np.sum(ad.gradient(Parameters(w), Y, backend=b))


FEW = ["captured_in_a_closure", "constant_argument", "hvp_inside", "hessian_around", "three_deep"]


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("nested", CASES)
def test_a_derivative_inside_a_derivative(nested, name):
    call, reference = CASES[nested]
    np.testing.assert_allclose(call(backend_of(name)), reference, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("nested", FEW)
def test_in_every_mode(nested, name):
    call, reference = CASES[nested]
    np.testing.assert_allclose(call(backend_of(name)), reference, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("nested", FEW[:2])
def test_differences_of_differences(nested):
    call, reference = CASES[nested]
    np.testing.assert_allclose(call("finite"), reference, rtol=1e-3, atol=1e-3)


def across(inner, w):
    """An inner derivative that the outer variable enters, in four ways."""
    prepared = ad.prepare_gradient(lambda y, w: np.sum(y**2 * w**2), Y, W, backend=inner)
    return {
        "active": lambda w: np.sum(ad.gradient(lambda y: np.sum(y**3), w, backend=inner)),
        "captured": lambda w: np.sum(captured(w, inner)),
        "constant": lambda w: np.sum(prepared(Y, w)),
        "seed": lambda w: np.sum(ad.jvp(lambda y: y**2, Y, v=w, backend=inner)),
    }


WANTED = {"active": 6 * W, "captured": 4 * Y * W, "constant": 4 * Y * W, "seed": 2 * Y}


@pytest.mark.parametrize("outer", ALL)
@pytest.mark.parametrize("inner", [*ALL, "finite"])
def test_across_frameworks_it_is_right_or_refused_with_a_remedy_that_works(inner, outer):
    if inner.partition(":")[0] == outer.partition(":")[0]:
        pytest.skip("one framework")
    # differences look at values, symbols cannot ask, and a program keeps what it computed at its preparation
    may_refuse = inner == "finite" or outer in ("sympy", "numpy:compiled")
    inner, outer = backend_of(inner), backend_of(outer)
    for way, f in across(inner, W).items():
        try:
            found = ad.gradient(f, W, backend=outer)
        except PolyadError as error:
            assert may_refuse, (way, error)
            assert "backend='numpy'" in str(error) or f"backend={outer.name!r}" in str(error), way
            continue
        np.testing.assert_allclose(found, WANTED[way], rtol=1e-9, err_msg=way)


@pytest.mark.skipif(not {"jax", "torch"} <= {*EXACT}, reason="needs JAX and torch")
def test_across_frameworks_under_compiling_ones_and_within_the_users_own():
    import jax
    import torch

    inner = ad.prepare_gradient(p, np.full(3, 0.4), backend="torch")
    with jax.enable_x64(True):
        compiled = jax.jit(jax.jacrev(lambda y: inner(y)))(jax.numpy.asarray(Y))
        mapped = jax.vmap(jax.grad(lambda y: inner(y)[0]))(jax.numpy.stack([Y, 2 * Y]))
    np.testing.assert_allclose(compiled, np.diag(P2), rtol=1e-12)
    np.testing.assert_allclose(mapped[0], P2 * [1, 0, 0], rtol=1e-12)
    of_jax = ad.prepare_gradient(p, np.full(3, 0.4), backend="jax")
    found = torch.func.jacrev(lambda y: of_jax(y))(torch.tensor(Y))
    np.testing.assert_allclose(found.numpy(), np.diag(P2), rtol=1e-12)


@pytest.mark.skipif("torch" not in EXACT, reason="torch is not installed")
def test_values_captured_in_trees_and_objects():
    def outer(w):
        tree = {"a": w, "b": [2.0 * w]}
        return np.sum(ad.gradient(lambda y: np.sum(y**2 * tree["a"] * tree["b"][0]), Y, backend="torch"))

    np.testing.assert_allclose(ad.gradient(outer, W), 8 * Y * W, rtol=1e-14)

    def hidden(w):
        return np.sum(ad.gradient(Parameters(w), Y, backend="torch"))

    right_or_refused(lambda: ad.gradient(hidden, W), 4 * Y * W)


@pytest.mark.parametrize("inner", ALL)
def test_what_does_not_depend_on_the_outer_variable_may_come_from_any_framework(inner):
    inner = backend_of(inner)
    prepared = ad.prepare_gradient(p, np.ones(3), backend=inner)
    for outer in ("numpy", "torch" if "torch" in EXACT else "numpy"):
        f = {
            "once": lambda w: np.sum(ad.gradient(p, Y, backend=inner) * w),
            "kept": lambda w: np.sum(prepared(Y) * w),
        }
        for call in f.values():
            np.testing.assert_allclose(ad.gradient(call, W, backend=outer), P1, rtol=1e-10)


def right_or_refused(call, wanted):
    """The number, or one of polyad's errors; anything else is a silent or an unclear failure."""
    try:
        got = call()
    except PolyadError:
        return
    np.testing.assert_allclose(got, wanted, rtol=1e-10)


def test_a_call_of_other_shapes_is_still_refused_inside():
    inner = ad.prepare_gradient(p, np.ones(3))
    with pytest.raises(ad.errors.PreparationMismatchError, match="engine float64"):
        ad.gradient(lambda w: np.sum(inner(w)), np.ones(4))


def test_out_takes_what_is_followed_if_it_can_hold_it():
    inner = ad.prepare_gradient(lambda y: np.sum(y**3), np.ones(3))

    def f(w):
        out = np.zeros_like(w)
        assert inner(w, out=out) is out
        return np.sum(out)

    np.testing.assert_allclose(ad.gradient(f, W), 6 * W, rtol=1e-14)

    def plain(w):
        return np.sum(inner(w, out=np.zeros(3)))

    np.testing.assert_allclose(ad.gradient(plain, W), 6 * W, rtol=1e-14)  # its np.zeros is followed
    with pytest.raises(PolyadError, match="zeros_like"):
        ad.gradient(plain, W, follow=False)


@pytest.mark.skipif("jax" not in EXACT, reason="JAX is not installed")
@pytest.mark.parametrize("backend", ["jax", "numpy"])
def test_inside_the_users_own_jax(backend):
    import jax

    prepared = ad.prepare_gradient(lambda y, c: np.sum(y**2 * c**2), Y, W, backend=backend)
    ways = {
        "captured": lambda w: captured(w, backend),
        "prepared inside": lambda w: ad.prepare_gradient(lambda y: np.sum(y**2 * w**2), Y, backend=backend)(
            Y
        ),
        "prepared outside": lambda w: prepared(Y, w),
    }
    with jax.enable_x64(True):
        w = jax.numpy.asarray(W)
        for way, f in ways.items():
            native = jax.jit(jax.grad(lambda w, f=f: jax.numpy.sum(f(w))))(w)
            assert isinstance(native, jax.Array)
            np.testing.assert_allclose(native, 4 * Y * W, rtol=1e-14, err_msg=way)
            through = ad.gradient(lambda w, f=f: jax.numpy.sum(f(w)), W, backend="jax")
            np.testing.assert_allclose(through, 4 * Y * W, rtol=1e-14, err_msg=way)


@pytest.mark.skipif("torch" not in EXACT, reason="torch is not installed")
@pytest.mark.parametrize("backend", ["torch", "numpy"])
def test_inside_the_users_own_torch(backend):
    import torch

    w = torch.tensor(W)
    native = torch.func.grad(lambda w: captured(w, backend).sum())(w)
    np.testing.assert_allclose(native.numpy(), 4 * Y * W, rtol=1e-14)
    through = ad.gradient(lambda w: torch.sum(captured(w, backend)), W, backend="torch")
    np.testing.assert_allclose(through, 4 * Y * W, rtol=1e-14)
    kept = ad.Torch(create_graph=True) if backend == "torch" else backend
    tracked = w.clone().requires_grad_()
    captured(tracked, kept).sum().backward()
    np.testing.assert_allclose(tracked.grad.numpy(), 4 * Y * W, rtol=1e-14)


@pytest.mark.skipif("torch" not in EXACT, reason="torch is not installed")
def test_a_kept_graph_without_anything_of_the_users_is_left_behind():
    backend = ad.Torch(create_graph=True)
    for part in ad.value_gradient_and_hessian(lambda y: np.sum(y**3), Y, backend=backend):
        assert isinstance(part, np.ndarray | np.generic)
    np.testing.assert_allclose(ad.hessian(lambda y: np.sum(y**3), Y, backend=backend), np.diag(6 * Y))


@pytest.mark.skipif("autograd" not in EXACT, reason="autograd is not installed")
@pytest.mark.parametrize("backend", ["autograd", "numpy", None])
def test_inside_the_users_own_autograd(backend):
    import autograd

    native = autograd.grad(lambda w: autograd.numpy.sum(captured(w, backend)))(W)
    np.testing.assert_allclose(native, 4 * Y * W, rtol=1e-14)
    twice = autograd.grad(lambda w: autograd.numpy.sum(ad.gradient(p, w, backend=backend) ** 2))(Y)
    np.testing.assert_allclose(twice, 2 * P1 * P2, rtol=1e-13)


@pytest.mark.parametrize(("name", "mode"), MODES)
def test_siskind_and_pearlmutter(name, mode):
    backend = eager(name, mode)

    def outer(x):
        return x * ad.derivative(lambda y: x + y, 1.0 + 0 * x, backend=backend)

    right_or_refused(lambda: ad.derivative(outer, 1.0, backend=backend), 1.0)


@pytest.mark.parametrize(("name", "mode"), MODES)
def test_inner_product_with_a_captured_variable(name, mode):
    backend = eager(name, mode)

    def outer(x):
        # d/dy (x * y**2) = 2 x y at y = x: 2 x**2
        return x * ad.derivative(lambda y: x * y**2, x, backend=backend)

    right_or_refused(lambda: ad.derivative(outer, 1.5, backend=backend), 6 * 1.5**2)


@pytest.mark.parametrize(("name", "mode"), MODES)
def test_gradient_of_a_gradient_norm(name, mode):
    backend = eager(name, mode)
    x = np.array([0.5, -1.0, 2.0])

    def outer(x):
        g = ad.gradient(lambda y: ad.namespace(y).sum(y**3), x, backend=backend)
        return ad.namespace(g).sum(g**2)

    right_or_refused(lambda: ad.gradient(outer, x, backend=backend), 36 * x**3)


@pytest.mark.parametrize("name", EXACT)
def test_prepared_inside_unprepared(name):
    backend = eager(name)
    inner = ad.prepare_gradient(lambda y: ad.namespace(y).sum(y**3), np.ones(2), backend=backend)
    x = np.array([0.5, 2.0])
    right_or_refused(
        lambda: ad.gradient(lambda x: ad.namespace(x).sum(inner(x) ** 2), x, backend=backend), 36 * x**3
    )


@pytest.mark.parametrize("name", EXACT)
def test_prepared_inside_with_plain_arguments_and_called_with_followed_ones(name):
    x, w = np.array([0.7, 1.2]), np.array([1.1, -0.4])

    def f(w):
        inner = ad.prepare_gradient(lambda x, w: np.sum(np.sin(x * w)), x, w0, backend=name)
        return inner(x, w)[0]

    w0 = w.copy()
    expected = [np.cos(x[0] * w[0]) - x[0] * w[0] * np.sin(x[0] * w[0]), 0.0]
    np.testing.assert_allclose(ad.gradient(f, w, backend=name), expected, rtol=1e-12)
    np.testing.assert_allclose(ad.prepare_gradient(f, w, backend=name)(w), expected, rtol=1e-12)


@pytest.mark.parametrize("outer", EXACT)
@pytest.mark.parametrize("inner", EXACT)
def test_across_frameworks_is_refused_and_never_silently_wrong(outer, inner):
    if outer == inner:
        pytest.skip("one framework")
    x = np.array([0.5, 2.0])

    def f(x):
        g = ad.gradient(lambda y: ad.namespace(y).sum(y**3), x, backend=eager(inner))
        return (g * g).sum()

    right_or_refused(lambda: ad.gradient(f, x, backend=eager(outer)), 36 * x**3)


@pytest.mark.parametrize(("name", "mode"), MODES)
@pytest.mark.parametrize("prepared", [False, True])
def test_the_known_hvp(name, mode, prepared):
    def f(x):
        xp = ad.namespace(x)
        return xp.sum(x * x) ** 1.5 * x[-1] + x[0] ** 2

    x, v = np.arange(1.0, 6.0), np.arange(6.0, 11.0)
    backend = eager(name, mode)
    if prepared:
        got = ad.prepare_hvp(f, np.ones(5), backend=backend)(x, v=v)
    else:
        got = ad.hvp(f, x, v=v, backend=backend)
    np.testing.assert_allclose(got, KNOWN, rtol=1e-12)
