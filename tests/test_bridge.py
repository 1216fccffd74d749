"""``differentiate_with``: every host over every guest, against derivatives by hand."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

import polyad as ad
from polyad.errors import (
    ArgumentError,
    FunctionNotSupportedError,
    OutputTypeError,
    UnsupportedOperatorError,
)

HAVE = {name for name in ("jax", "torch", "autograd", "casadi") if importlib.util.find_spec(name)}
GUESTS = ["numpy", *sorted(HAVE)]
needs_jax = pytest.mark.skipif("jax" not in HAVE, reason="needs jax")
needs_torch = pytest.mark.skipif("torch" not in HAVE, reason="needs torch")

X, V = np.array([0.3, 0.7, 1.2]), np.array([1.0, -1.0, 0.5])
E = np.eye(3)[0]
G = 3 * X**2 * X[0] + np.sum(X**3) * E
H = np.diag(6 * X * X[0]) + np.outer(E, 3 * X**2) + np.outer(3 * X**2, E)


def f(x):
    return np.sum(x**3) * x[0]


def close(found, expected):
    found = np.asarray(found)
    assert found.dtype == np.float64
    assert found.shape == np.shape(expected)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13)


@pytest.fixture
def jax():
    jax = pytest.importorskip("jax")
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield jax
    jax.config.update("jax_enable_x64", before)


@pytest.mark.parametrize("guest", GUESTS)
def test_under_jax(guest, jax):
    bridge = ad.differentiate_with(f, guest)
    close(jax.jit(bridge)(X), f(X))
    close(jax.jit(jax.grad(bridge))(X), G)
    close(jax.jvp(jax.grad(bridge), (X,), (V,))[1], H @ V)
    close(jax.jit(jax.vmap(jax.grad(bridge)))(np.stack([X, X])), np.stack([G, G]))


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
@pytest.mark.parametrize("guest", GUESTS)
def test_under_torch(guest):
    torch = pytest.importorskip("torch")
    bridge = ad.differentiate_with(f, guest)
    x = torch.tensor(X, requires_grad=True)
    (g,) = torch.autograd.grad(bridge(x), x, create_graph=True)
    close(g.detach(), G)
    close(torch.autograd.grad(g @ torch.tensor(V), x)[0], H @ V)
    plain = torch.tensor(X)
    close(torch.func.jvp(torch.func.grad(bridge), (plain,), (torch.tensor(V),))[1], H @ V)
    close(torch.func.vmap(torch.func.grad(bridge))(torch.stack([plain, plain])), np.stack([G, G]))
    twice = torch.func.jvp(lambda x: torch.func.jvp(bridge, (x,), (torch.tensor(V),))[1], (plain,), (plain,))
    close(twice[1], V @ H @ X)


@pytest.mark.parametrize("guest", GUESTS)
def test_under_autograd(guest):
    autograd = pytest.importorskip("autograd")
    bridge = ad.differentiate_with(f, guest)
    close(autograd.grad(bridge)(X), G)
    close(autograd.hessian_vector_product(bridge)(X, V), H @ V)


@pytest.mark.parametrize("guest", GUESTS)
@pytest.mark.parametrize("host", GUESTS)
def test_under_an_operator(host, guest):
    bridge = ad.differentiate_with(f, guest)
    close(ad.gradient(bridge, X, backend=host), G)
    close(ad.hvp(bridge, X, v=V, backend=host), H @ V)


@pytest.mark.parametrize("guest", GUESTS)
def test_within_other_code(guest):
    bridge = ad.differentiate_with(f, guest)
    # f is of degree 4: its gradient at 2 x is 8 times that at x
    expected = np.cos(16 * f(X)) * 16 * G + np.eye(3)[1]
    close(ad.gradient(lambda x: np.sin(bridge(2 * x)) + x[1], X), expected)


@pytest.mark.parametrize("guest", GUESTS)
def test_plain_arrays_give_plain_values(guest):
    close(ad.differentiate_with(f, guest)(X), f(X))
    same = ad.differentiate_with(lambda x: x, guest)
    x = X.copy()
    y = same(x)
    assert type(y) is np.ndarray
    y[:] = 0
    close(x, X)
    assert ad.differentiate_with(f, guest)(X.astype(np.float32)).dtype == np.float32


@needs_torch
def test_a_result_is_not_the_argument():
    import torch

    x = torch.tensor(X)
    for guest in GUESTS:
        y = ad.differentiate_with(lambda x: x, guest)(x)
        y[0] = 9.0
        close(x, X)


@needs_torch
@needs_jax
def test_code_of_the_guest(jax):
    import torch

    net = torch.nn.Linear(3, 2).double()
    weight = net.weight.detach().numpy()
    bridge = ad.differentiate_with(lambda x: net(x) ** 2, "torch")
    close(jax.jit(jax.jacobian(bridge))(X), 2 * (weight @ X + net.bias.detach().numpy())[:, None] * weight)
    own = ad.differentiate_with(lambda x: jax.numpy.sum(jax.numpy.sin(x)), "jax")
    close(jax.jit(jax.grad(own))(X), np.cos(X))
    close(torch.func.grad(own)(torch.tensor(X)), np.cos(X))
    close(jax.jit(lambda y: y * own(X))(1.0), np.sum(np.sin(X)))  # plain numbers within a trace


@pytest.mark.parametrize("guest", GUESTS)
def test_several_arguments(guest):
    bridge = ad.differentiate_with(lambda x, k, a: np.sum(x**k) * a, guest)
    close(bridge(X, 2, 3.0), 3 * np.sum(X**2))
    for k in (2, 3):
        close(ad.gradient(lambda x, k=k: bridge(x, k, x[0]), X), k * X ** (k - 1) * X[0] + np.sum(X**k) * E)
    masked = ad.differentiate_with(lambda x, m: np.sum(x * m), guest)
    for m in (np.array([True, False, True]), np.array([False, True, True])):
        close(ad.gradient(lambda x, m=m: masked(x, m), X), m.astype(float))


def test_a_matrix_goes_in_and_out():
    M = np.arange(4.0).reshape(2, 2)
    for guest in GUESTS:
        bridge = ad.differentiate_with(lambda M: M @ M.T, guest)
        close(bridge(M), M @ M.T)
        close(ad.gradient(lambda M, b=bridge: b(M)[0, 1], M), M[::-1])


def layered(p, scale):
    """A tree of parameters in, a tree out."""
    y = p["w"] * p["b"][0] * scale
    return {"sum": np.sum(y), "each": (y, p["b"][1] ** 2)}


@pytest.mark.parametrize("guest", GUESTS)
def test_trees_go_in_and_out(guest):
    bridge = ad.differentiate_with(layered, guest)
    p = {"w": X, "b": [2.0, np.array([3.0])]}
    for host in ("numpy", "numpy:reverse", *["torch"] * ("torch" in HAVE)):
        j = ad.jacobian(lambda p: bridge(p, 2), p, backend=host)
        close(j["sum"]["w"], np.full(3, 4.0))
        close(j["each"][0]["b"][0], 2 * X)
        close(j["each"][1]["b"][1], np.array([[6.0]]))
    plain = bridge(p, 3)
    close(plain["sum"], 6 * np.sum(X))
    close(plain["each"][1], np.array([9.0]))
    if guest == "numpy" and "jax" in HAVE:
        import jax

        with jax.enable_x64(True):
            g = jax.jit(jax.grad(lambda p: bridge(p, 2)["sum"]))(jax.tree.map(jax.numpy.asarray, p))
        close(g["w"], np.full(3, 4.0))
        close(g["b"][0], 2 * np.sum(X))


def test_what_is_refused():
    with pytest.raises(ArgumentError, match="function first"):
        ad.differentiate_with(X, "numpy")
    for backend in ("finite", "sympy", ad.SecondOrder("numpy", "numpy")):
        with pytest.raises(UnsupportedOperatorError, match="its own derivatives"):
            ad.differentiate_with(f, backend)
    bridge = ad.differentiate_with(f, "numpy")
    for wrong, word in (([X, 1], "in one tree"), ({"x": "y"}, "a str"), ("x", "a str"), (X + 0j, "complex")):
        with pytest.raises(ArgumentError, match=word):
            bridge(wrong)
    with pytest.raises(ArgumentError, match="nothing to differentiate"):
        bridge(np.array([1, 2, 3]))
    with pytest.raises(OutputTypeError, match="holds no numbers"):
        ad.differentiate_with(lambda x: (), "numpy")(X)
    with pytest.raises(OutputTypeError):
        ad.differentiate_with(np.argmax, "numpy")(X)


def test_a_captured_value_is_not_lost():
    def around(w):
        return ad.differentiate_with(lambda x: np.sum(x * w), "numpy")(X)

    with pytest.raises(FunctionNotSupportedError, match="make it an argument"):
        ad.gradient(around, X)


def test_a_result_keeps_its_form():
    bridge = ad.differentiate_with(lambda x: x[x > 0.5], "numpy")
    close(bridge(X), X[1:])
    with pytest.raises(FunctionNotSupportedError, match="at the example"):
        bridge(-X)


@needs_jax
@pytest.mark.filterwarnings("ignore:Explicitly requested dtype")
def test_what_jax_traces_is_refused_where_it_must_have_values(jax):
    bridge = ad.differentiate_with(lambda x, k: np.sum(x**k), "numpy")
    with pytest.raises(FunctionNotSupportedError, match="static"):
        jax.jit(bridge)(X, 2)
    close(jax.jit(jax.grad(lambda x: bridge(x, 2)))(X), 2 * X)
    jax.config.update("jax_enable_x64", False)
    wide = ad.differentiate_with(lambda x: np.sum(x * np.ones(3)), "numpy")
    with pytest.raises(FunctionNotSupportedError, match="float64"):
        jax.jit(wide)(X)


@needs_torch
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")  # torch imports its own relics
def test_a_slope_that_is_asked_for_comes_with_the_value():
    """From the second time on in one computation; never that of another point, or of another cotangent."""
    import torch

    runs = []

    def counted(x):
        runs.append(1)
        return np.sum(np.sin(x) * x)

    bridge = ad.differentiate_with(counted, "numpy")

    def pulled(at, w, then=None):
        x = torch.tensor(at, requires_grad=True)
        y = bridge(x)
        if then is not None:
            bridge(torch.tensor(then))
        (g,) = torch.autograd.grad(y, x, torch.tensor(w, dtype=torch.float64))
        return g.numpy()

    def known(x):
        return np.cos(x) * x + np.sin(x)

    close(pulled(X, 1.0), known(X))
    runs.clear()
    close(pulled(2 * X, -3.0), -3 * known(2 * X))
    assert len(runs) == 1
    close(pulled(X, 2.0, then=5 * X), 2 * known(X))
    close(pulled(X, 0.0), np.zeros(3))
    x = torch.tensor(X)
    twice = torch.func.hessian(bridge)(x).numpy()
    close(twice, np.diag(2 * np.cos(X) - X * np.sin(X)))
