"""Second derivatives by two backends: every outer one over every inner one, right or refused with the reason.

References are by hand: the functions are sums of terms whose second derivatives are written out.
"""

from __future__ import annotations

import functools
import importlib.util
import re
import runpy
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import mpmath as mp
import numpy as np
import pytest

import polyad as ad
from backends import EXACT
from polyad.errors import ArgumentError, FunctionNotSupportedError, PolyadError, UnsupportedOperatorError

TORCH = importlib.util.find_spec("torch") is not None
JAX = importlib.util.find_spec("jax") is not None
NAMES = [
    name
    for backend in EXACT
    for name in (
        (backend,) if backend in ("casadi", "sympy") else (f"{backend}:forward", f"{backend}:reverse")
    )
]
ALL = [*NAMES, "finite"]
CELLS = [(outer, inner) for outer in ALL for inner in ALL]

A = np.array([[1.0, 2.0, -1.0], [0.5, 0.0, 3.0], [2.0, -1.0, 1.0]])
X, OTHER = np.array([0.3, 1.7, -0.4]), np.array([0.9, 1.2, 0.5])
V = np.array([1.0, -2.0, 0.5])


def f(x, a):
    """Indexing, a product of matrices, a choice, a reduction and elementwise functions."""
    y = np.where(x > 0.0, x**3, np.sin(x))
    return a * np.sum(y * (A @ x)) + x[0] * x[-1] ** 2


def hessian(x, a):
    y1 = np.where(x > 0, 3 * x**2, np.cos(x))
    y2 = np.where(x > 0, 6 * x, -np.sin(x))
    h = a * (np.diag(y2 * (A @ x)) + y1[:, None] * A + (y1[:, None] * A).T)
    h[0, -1] += 2 * x[-1]
    h[-1, 0] += 2 * x[-1]
    h[-1, -1] += 2 * x[0]
    return h


def gradient(x, a):
    y, y1 = np.where(x > 0, x**3, np.sin(x)), np.where(x > 0, 3 * x**2, np.cos(x))
    g = a * (y1 * (A @ x) + A.T @ y)
    g[0] += x[-1] ** 2
    g[-1] += 2 * x[0] * x[-1]
    return g


def tolerance(outer, inner):
    """Differences have their own accuracy; of a second derivative by themselves less."""
    if "finite" not in (outer, inner):
        return 1e-10
    return 1e-4 if outer == inner else 1e-6


def close(got, wanted, limit=1e-10):
    np.testing.assert_allclose(got, wanted, rtol=limit, atol=limit * np.max(np.abs(wanted)))


# symbols cannot call another framework, so what is asked for derivatives stays outside of them
REFUSED = {("sympy", inner) for inner in ALL if inner.partition(":")[0] in ("autograd", "casadi")}


@pytest.mark.parametrize(("outer", "inner"), CELLS)
def test_every_backend_over_every_other(outer, inner):
    pair = ad.SecondOrder(outer, inner)
    if (outer, inner) in REFUSED:
        with pytest.raises(
            FunctionNotSupportedError, match=r"SymPy\(\) over .*SecondOrder\('sympy', 'numpy'\) works"
        ):
            ad.hvp(f, X, 2.0, v=V, backend=pair)
        return
    g, hv = ad.gradient_and_hvp(f, X, 2.0, v=V, backend=pair)
    close(hv, hessian(X, 2.0) @ V, tolerance(outer, inner))
    close(g, gradient(X, 2.0), tolerance(outer, inner))
    assert type(hv) is np.ndarray and hv.dtype == np.float64


# -- what else the table of the documentation has, in some cells -------------------------------------------

POINT, ALONG = np.array([0.3, 1.7, 0.6]), np.array([1.0, -2.0, 0.5])


OF_NUMPY = runpy.run_path(str(Path(__file__).parents[1] / "benchmarks" / "namespaces.py"))["of_numpy"](A)


def exactly(name, x):
    """The same functions of mpmath's numbers."""
    if name == "system":
        matrix = mp.matrix((A @ A.T + 3 * np.eye(3)).tolist()) + mp.diag(x)
        return sum(a * b for a, b in zip(mp.lu_solve(matrix, mp.matrix(x)), x, strict=True))
    if name == "special":
        return sum(mp.erf(t) * mp.loggamma(t + 3) + mp.log(1 + t**2) / (1 + mp.exp(-t)) for t in x)
    if name == "assignment":
        return ((x[0] * x[1]) ** 2 + x[0] ** 4 + x[1] ** 6) * x[0]
    s = x[0]
    for k in range(1, 3):
        s = mp.sin(s) * x[k] + s * x[k - 1]
    return s**2


@functools.cache
def product(name):
    """The Hessian along a direction, by differences in 60 digits."""
    with mp.workdps(60):
        h = mp.mpf(10) ** -15
        found = []
        for k in range(3):
            unit = [mp.mpf(int(i == k)) for i in range(3)]

            def at(a, b, unit=unit):
                return exactly(
                    name,
                    [
                        mp.mpf(float(x)) + a * h * e + b * h * float(v)
                        for x, e, v in zip(POINT, unit, ALONG, strict=True)
                    ],
                )

            found.append(float((at(1, 1) - at(1, -1) - at(-1, 1) + at(-1, -1)) / (4 * h * h)))
    return np.array(found)


REST = tuple(OF_NUMPY[name] for name in ("system", "special", "assignment", "loop"))
QUICK = [n for n in ("numpy:forward", "numpy:reverse", "autograd:reverse", "casadi", "finite") if n in ALL]
# every function in every cell that costs little; of the others each outer and each inner one once
MORE = [(outer, inner, REST) for outer in QUICK for inner in QUICK] + [
    (outer, ALL[(k + 3) % len(ALL)], (REST[(k + 1) % 4],))
    for k, outer in enumerate(ALL)
    if (outer, ALL[(k + 3) % len(ALL)]) not in REFUSED and not {outer, ALL[(k + 3) % len(ALL)]} <= {*QUICK}
]


@pytest.mark.parametrize(("outer", "inner", "functions"), MORE)
def test_systems_special_functions_assignments_and_loops(outer, inner, functions):
    for function in functions:
        wanted = product(function.__name__)
        if function.__name__ == "system" and "autograd:forward" in (outer, inner):
            with pytest.raises(PolyadError, match=r"in a pair SecondOrder\(.*Autograd\(mode='reverse'\)"):
                ad.hvp(function, POINT, v=ALONG, backend=ad.SecondOrder(outer, inner))
            outer, inner = (name.replace("autograd:forward", "autograd:reverse") for name in (outer, inner))
        found = ad.hvp(function, POINT, v=ALONG, backend=ad.SecondOrder(outer, inner))
        close(found, wanted, tolerance(outer, inner))
        assert np.any(found != 0)


@pytest.mark.parametrize(("outer", "inner"), [pair for pair in sorted(REFUSED) if set(pair) <= {*ALL}])
def test_what_a_refused_cell_names_works(outer, inner):
    with pytest.raises(FunctionNotSupportedError) as caught:
        ad.hvp(f, X, 2.0, v=V, backend=ad.SecondOrder(outer, inner))
    named = re.findall(r"SecondOrder\('([a-z:]+)', '([a-z:]+)'\)", str(caught.value))
    assert len(named) == 2
    for pair in named:
        close(ad.hvp(f, X, 2.0, v=V, backend=ad.SecondOrder(*pair)), hessian(X, 2.0) @ V)


FEW = [
    pair
    for pair in (
        ("numpy:forward", "numpy:reverse"),
        ("jax", "torch"),
        ("torch", "jax"),
        ("numpy:forward", "jax"),
        ("casadi", "numpy:reverse"),
        ("numpy", "autograd"),
        ("torch", "sympy"),
        ("finite", "casadi"),
    )
    if all(name.partition(":")[0] in (*EXACT, "finite") for name in pair)
]


@pytest.mark.parametrize(("outer", "inner"), FEW)
def test_every_operator(outer, inner):
    pair, limit = ad.SecondOrder(outer, inner), tolerance(outer, inner)
    h, g = hessian(X, 2.0), gradient(X, 2.0)
    prepared = ad.prepare_hessian(f, OTHER, 1.0, backend=pair)
    close(prepared(X, 2.0), h, limit)
    y, first, second = prepared.value_and(X, 2.0)
    close(y, f(X, 2.0), limit)
    close(first, g, limit)
    close(second, h, limit)
    product = ad.prepare_hvp(f, OTHER, 1.0, backend=pair)
    close(product(X, 2.0, v=V), h @ V, limit)
    close(product(X, 2.0, v=-V), -h @ V, limit)
    y, first, hv = product.value_and(X, 2.0, v=V)
    close(hv, h @ V, limit)
    close(first, g, limit)
    many = ad.hvp(f, X, 2.0, v=np.stack([V, 3 * V]), batched=True, backend=pair)
    close(many, np.stack([h @ V, 3 * h @ V]), limit)
    close(ad.gradient(f, X, 2.0, backend=pair), g, limit)
    y, d, d2 = ad.value_derivative_and_second_derivative(lambda t: t**3 * np.sin(t), 0.7, backend=pair)
    t = 0.7
    close(d, 3 * t**2 * np.sin(t) + t**3 * np.cos(t), limit)
    close(d2, 6 * t * np.sin(t) + 6 * t**2 * np.cos(t) - t**3 * np.sin(t), 100 * limit)
    assert product.backend is pair and "over" in product.strategy


def test_the_mechanism_is_said():
    words = {("numpy:forward", "numpy:reverse"): "native"}
    if JAX:
        words.update(
            {
                ("jax", "numpy:reverse"): "run on its arrays",
                ("numpy:forward", "jax:reverse"): "its jaxpr replayed",
            }
        )
    if TORCH:
        words["numpy:forward", "torch:reverse"] = "its graph replayed"
    if "autograd" in EXACT:
        words["numpy", "autograd"] = "delegated"
    words["finite", "numpy"] = "differences"
    for (outer, inner), word in words.items():
        prepared = ad.prepare_hvp(f, X, 1.0, backend=ad.SecondOrder(outer, inner))
        assert word in repr(prepared), (outer, inner)


@pytest.mark.skipif(not (TORCH and JAX), reason="needs both")
def test_functions_in_the_inner_frameworks_own_language():
    import jax.numpy as jnp
    import torch

    t, j = torch.tensor(A), A

    def of_torch(x):
        return torch.sum(torch.where(x > 0, x**3, torch.sin(x)) * (t @ x)) + x[0] * x[-1] ** 2

    def of_jax(x):
        return jnp.sum(jnp.where(x > 0, x**3, jnp.sin(x)) * (j @ x)) + x[0] * x[-1] ** 2

    for outer in ("numpy:forward", "numpy:reverse", "casadi", "autograd"):
        if outer.partition(":")[0] in EXACT:
            for function, inner in ((of_torch, "torch"), (of_jax, "jax")):
                close(ad.hvp(function, X, v=V, backend=ad.SecondOrder(outer, inner)), hessian(X, 1.0) @ V)
    close(ad.hvp(of_torch, X, v=V, backend=ad.SecondOrder("jax", "torch")), hessian(X, 1.0) @ V)
    close(ad.hvp(of_jax, X, v=V, backend=ad.SecondOrder("torch", "jax")), hessian(X, 1.0) @ V)


@pytest.mark.skipif(not TORCH, reason="torch is not installed")
def test_functions_of_torch_are_replayed_or_asked_for():
    import torch

    t = torch.tensor(A + A.T + 9 * np.eye(3))
    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.LayerNorm(4)).double()

    def network(x):
        return torch.nn.functional.softplus(net(x)).sum() * torch.logsumexp(x, 0) + torch.softmax(x, 0)[0]

    def algebra(x):
        m = torch.diag(x) + t
        return torch.linalg.inv(m)[0, 1] * torch.logdet(m) + torch.sort(x)[0][0] ** 2 * x.cumsum(0).prod()

    def entries(x):
        taken = torch.gather(x, 0, torch.tensor([0, 2, 2])).pow(2).sum()
        return taken * x.index_add(0, torch.tensor([0, 0]), x[:2]).pow(2).sum() + x.std()

    def stopped(x):
        return (x.detach() ** 2 * x**2).sum()

    def hidden(x):
        with torch.no_grad():
            y = 2 * x
        return (y * x**2).sum()

    def branching(x):
        return (x**3).sum() if x[0] > 0 else (x**2).sum()

    for function, word in (
        (network, "replayed"),
        (algebra, "replayed"),
        (entries, "replayed"),
        (stopped, "replayed"),
        (hidden, "delegated"),  # what is computed without a derivative leaves no mark in a graph
        (branching, "delegated"),
    ):
        native = ad.hvp(function, torch.tensor(X), v=torch.tensor(V), backend="torch").numpy()
        found = ad.prepare_hvp(function, OTHER, backend=ad.SecondOrder("numpy:forward", "torch"))
        assert word in found.strategy, function.__name__
        close(found(X, v=V), native)


@pytest.mark.skipif(not JAX, reason="JAX is not installed")
def test_control_flow_of_jax_is_replayed():
    import jax
    import jax.numpy as jnp

    def scanned(x):
        def body(s, row):
            return jnp.sin(s) * row + s, s * row

        s, rows = jax.lax.scan(body, x[0], x)
        return s * jnp.sum(rows)

    def decided(x):
        s = jax.lax.while_loop(lambda c: c[1] < 4, lambda c: (c[0] * x[0] + c[1], c[1] + 1), (x[1], 0.0))[0]
        return jax.lax.cond(x[0] > 0, lambda: s**2, lambda: s)

    def solved(x):
        return (
            jnp.linalg.solve(jnp.diag(x) + A @ A.T + 3 * jnp.eye(3), x) @ x
            + jnp.sort(x)[0] * jnp.cumsum(x)[1]
        )

    for function, modes in (
        (scanned, ("reverse", "forward")),
        (decided, ("forward",)),
        (solved, ("reverse",)),
    ):
        with jax.enable_x64(True):
            wanted = np.asarray(jax.jacfwd(jax.jacfwd(function))(jnp.asarray(X)))
        for mode in modes:
            found = ad.prepare_hessian(function, OTHER, backend=ad.SecondOrder("numpy", f"jax:{mode}"))
            assert "jaxpr replayed" in found.strategy
            close(found(X), wanted)


@pytest.mark.parametrize(
    ("outer", "inner"), [p for p in FEW if p in (("jax", "torch"), ("torch", "jax"), ("numpy", "autograd"))]
)
def test_from_many_threads(outer, inner):
    product = ad.prepare_hvp(f, OTHER, 1.0, backend=ad.SecondOrder(outer, inner))
    points = [OTHER + 0.1 * k for k in range(40)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda x: product(x, 2.0, v=V), points))
    for x, hv in zip(points, found, strict=True):
        close(hv, hessian(x, 2.0) @ V)


@pytest.mark.parametrize(("outer", "inner"), [p for p in FEW if "finite" not in p])
def test_single_precision_stays_what_it_is(outer, inner):
    x, matrix = X.astype(np.float32), A.astype(np.float32)
    hv = ad.hvp(
        lambda x: np.sum(x**3 * (matrix @ x)), x, v=V.astype(np.float32), backend=ad.SecondOrder(outer, inner)
    )
    assert hv.dtype == np.float32
    d = 3 * X[:, None] ** 2 * A
    close(hv, (np.diag(6 * X * (A @ X)) + d + d.T) @ V, 1e-5)


@pytest.mark.parametrize(("outer", "inner"), [("numpy", "finite"), ("finite", "numpy")])
def test_values_keep_their_dtype_beside_differences(outer, inner):
    x = X.astype(np.float32)
    pair = ad.SecondOrder(outer, inner)
    for part in ad.value_gradient_and_hessian(lambda x: np.sum(x**3), x, backend=pair):
        assert part.dtype == np.float32


def test_whole_numbers_among_the_constants():
    def taken(x, index, scale):
        return np.sum(x[index] ** 3) * scale

    for outer, inner in FEW:
        if (outer, inner) == ("jax", "torch") or "sympy" in (outer, inner):
            continue
        product = ad.prepare_hvp(taken, X, np.array([0, 1]), 1.0, backend=ad.SecondOrder(outer, inner))
        close(product(X, np.array([2, 1]), 2.0, v=V), 12 * X * V * [0, 1, 1], tolerance(outer, inner))


@pytest.mark.parametrize("inner", ["numpy:reverse", *["torch"] * TORCH])
def test_a_sparse_hessian_of_a_pair(inner):
    def chain(x):
        return np.sum(x[1:] ** 2 * x[:-1])

    x = np.linspace(0.1, 1.0, 6)
    dense = np.diag(np.append(0, 2 * x[:-1])) + np.diag(2 * x[1:], 1) + np.diag(2 * x[1:], -1)
    prepared = ad.prepare_hessian(chain, x + 1, backend=ad.Sparse(ad.SecondOrder("numpy:forward", inner)))
    close(prepared(x).toarray(), dense)
    assert prepared.ncolors <= 3


TOWERS = [
    ("numpy", "numpy", "numpy"),
    ("jax", "numpy", "torch"),
    ("autograd", "torch", "jax"),
    ("casadi", "numpy", "jax"),
    ("numpy", "numpy", "autograd"),
    ("finite", "torch", "numpy"),
]


@pytest.mark.parametrize("names", [t for t in TOWERS if {*t} <= {*EXACT, "finite"}])
def test_towers(names):
    """Third derivatives: of a function whose third derivative along a direction is by hand."""
    a, b, c = names
    limit = 1e-6 if a == "finite" else 1e-10
    tower = ad.SecondOrder(a, ad.SecondOrder(b, c))

    def cubes(x, s):
        return s * np.sum(np.exp(x)) * x[0]

    e, d = np.exp(X), np.sum(np.exp(X) * V)
    d2, d3 = np.sum(e * V**2), np.sum(e * V**3)
    wanted = [
        e.sum() * X[0],
        d * X[0] + e.sum() * V[0],
        d2 * X[0] / 2 + d * V[0],
        d3 * X[0] / 6 + d2 * V[0] / 2,
    ]
    prepared = ad.prepare_taylor(cubes, OTHER, 1.0, v=V, order=3, backend=tower)
    close(prepared(X, 2.0, v=V), 2 * np.array(wanted), limit)
    close(ad.taylor(cubes, X, 1.0, v=V, order=2, backend=tower), wanted[:3])
    h = np.diag(e * X[0])
    h[0] += e
    h[:, 0] += e
    close(ad.hvp(cubes, X, 1.0, v=V, backend=tower), h @ V)
    # the outermost one differentiates the Hessian of the pair, as a function in a function
    moved = ad.jvp(lambda x: ad.hvp(cubes, x, 1.0, v=V, backend=tower.inner) @ V, X, v=V, backend=a)
    close(moved, 6 * wanted[3], limit)


def test_what_a_pair_is_not_asked_for():
    pair = ad.SecondOrder("numpy:forward", "numpy:reverse")
    with pytest.raises(UnsupportedOperatorError, match="up to order 2"):
        ad.taylor(lambda x: np.sum(x), X, v=V, order=3, backend=pair)
    with pytest.raises(ArgumentError, match="a tower is"):
        ad.SecondOrder(pair, "numpy")
    with pytest.raises(ArgumentError, match="they are the outermost"):
        ad.SecondOrder("numpy", ad.SecondOrder("finite", "numpy"))
    with pytest.raises(ArgumentError, match="two backends"):
        ad.SecondOrder("numpy", "numpy", mode="forward")
    with pytest.raises(PolyadError):
        ad.SecondOrder("numpy", "nonsense")
    for call in (lambda: ad.SecondOrder("numpy"), ad.Sparse, ad.MixedMode, ad.FromPrimitive):
        with pytest.raises(ArgumentError, match="takes"):
            call()
