"""Functions of frameworks themselves in pairs of backends, and torch's operations replayed elsewhere."""

from __future__ import annotations

import gc
import importlib.util
import re

import numpy as np
import pytest

import polyad as ad
from backends import EXACT
from polyad.errors import FunctionNotSupportedError, PolyadError

TORCH = importlib.util.find_spec("torch") is not None
JAX = importlib.util.find_spec("jax") is not None
X, OTHER = np.array([0.31, -0.72, 1.13, 0.54]), np.array([0.21, -0.52, 0.93, 0.44])
V = np.array([1.0, -2.0, 0.5, 0.3])


def close(found, wanted, limit=1e-10):
    np.testing.assert_allclose(found, wanted, rtol=limit, atol=limit * max(1.0, np.max(np.abs(wanted))))


# -- one function in five namespaces -------------------------------------------------------------------------

M = np.arange(16.0).reshape(4, 4) / 7 - 1


def in_numpy(x):
    """Indexing, a reduction, a choice, a product, a system, a special function and a loop."""
    s = x[0]
    for k in range(1, 4):
        s = np.sin(s) * x[k] + s * x[k - 1]
    y = np.where(x > 0.5, x**3, np.exp(x)) * (M @ x)
    return np.sum(y) * s + np.linalg.norm(x) * x[[0, 2]] @ x[[1, 1]] + np.max(x) ** 3 * np.min(x)


def in_torch(x):
    import torch

    m, s = torch.tensor(M), x[0]
    for k in range(1, 4):
        s = torch.sin(s) * x[k] + s * x[k - 1]
    y = torch.zeros_like(x)
    y[:] = torch.where(x > 0.5, x**3, torch.exp(x))
    y *= m @ x
    first = torch.linalg.norm(x) * torch.dot(x[[0, 2]], x[[1, 1]])
    return torch.sum(y) * s + first + x.max() ** 3 * x.min()


def in_jax(x):
    import jax
    import jax.numpy as jnp

    s, _ = jax.lax.scan(lambda s, p: (jnp.sin(s) * p[0] + s * p[1], None), x[0], (x[1:], x[:-1]))
    y = jnp.zeros_like(x).at[:].set(jnp.where(x > 0.5, x**3, jnp.exp(x))) * (M @ x)
    first = jnp.linalg.norm(x) * x[jnp.array([0, 2])] @ x[jnp.array([1, 1])]
    return jnp.sum(y) * s + first + jnp.max(x) ** 3 * jnp.min(x)


def in_autograd(x):
    import autograd.numpy as anp

    s = x[0]
    for k in range(1, 4):
        s = anp.sin(s) * x[k] + s * x[k - 1]
    y = anp.where(x > 0.5, x**3, anp.exp(x)) * anp.dot(M, x)
    first = anp.linalg.norm(x) * anp.dot(x[anp.array([0, 2])], x[anp.array([1, 1])])
    return anp.sum(y) * s + first + anp.max(x) ** 3 * anp.min(x)


def in_casadi(x):
    import casadi

    return casadi.sum1(casadi.sin(x) * x)


def in_sympy(x):
    import sympy

    return sympy.Add(*[sympy.sin(e) * e for e in x])


OWN = {
    name: f
    for name, f in {"torch": in_torch, "jax": in_jax, "autograd": in_autograd}.items()
    if name in EXACT
}
OUTERS = [
    name
    for name in (
        "numpy:forward numpy:reverse jax:forward torch:forward torch:reverse autograd:forward "
        "autograd:reverse casadi finite"
    ).split()
    if name.partition(":")[0] in (*EXACT, "finite")
]


@pytest.mark.parametrize("inner", OWN)
@pytest.mark.parametrize("outer", OUTERS)
def test_functions_of_the_inner_framework(outer, inner):
    found = ad.prepare_hvp(OWN[inner], OTHER, backend=ad.SecondOrder(outer, inner))
    close(found(X, v=V), ad.hvp(in_numpy, X, v=V), 1e-6 if outer == "finite" else 1e-10)
    if inner != "autograd" and outer not in ("finite", f"{inner}:forward", f"{inner}:reverse"):
        assert "replayed" in found.strategy


@pytest.mark.skipif("sympy" not in EXACT, reason="SymPy is not installed")
@pytest.mark.parametrize("inner", [name for name in ("torch", "jax") if name in OWN])
def test_symbols_run_through_replays(inner):
    close(ad.hvp(OWN[inner], X, v=V, backend=ad.SecondOrder("sympy", inner)), ad.hvp(in_numpy, X, v=V), 1e-9)


@pytest.mark.parametrize(
    ("inner", "f"), [(n, f) for n, f in (("casadi", in_casadi), ("sympy", in_sympy)) if n in EXACT]
)
@pytest.mark.parametrize("outer", ["numpy:forward", "casadi"])
def test_functions_of_symbols_name_a_pair_that_works(outer, inner, f):
    if outer not in (*EXACT, "numpy:forward"):
        pytest.skip("CasADi is not installed")
    with pytest.raises(PolyadError, match="write it with NumPy's functions") as caught:
        ad.prepare_hvp(f, OTHER, backend=ad.SecondOrder(outer, inner))
    (named,) = re.findall(r"SecondOrder\('([a-z:]+)', '([a-z:]+)'\) works", str(caught.value))
    close(
        ad.hvp(lambda x: np.sum(np.sin(x) * x), X, v=V, backend=ad.SecondOrder(*named)),
        V * (2 * np.cos(X) - X * np.sin(X)),
    )


# -- torch's operations ---------------------------------------------------------------------------------


def _waves(torch, y):
    return (torch.sin(y) * y).sum()


def _functions():
    import torch
    import torch.nn.functional as F

    generator = torch.Generator().manual_seed(3)

    def some(*shape):
        return torch.randn(*shape, dtype=torch.float64, generator=generator)

    kernel, turned, square = some(2, 1, 3), some(1, 2, 3), some(1, 1, 2, 2)
    c, places = some(4), torch.tensor([0, 2, 0, 1])
    m = some(4, 4) + 5 * torch.eye(4, dtype=torch.float64)
    image = (1, 1, 2, 2)
    return {
        "windows": lambda x: (
            F.conv1d(x[None, None], kernel, padding=1, stride=2),
            F.conv_transpose1d(x[None, None], turned, stride=2, output_padding=1),
            F.conv2d(x.reshape(image), square, padding=1),
            F.max_pool1d(x[None, None], 2),
            F.avg_pool2d(x.reshape(image), 2, stride=1, padding=1),
            F.interpolate(x[None, None], scale_factor=2, mode="linear"),
            F.pad(x, (2, -1)),
            F.pad(x[None, None], (1, 2), mode="replicate"),
            x.unfold(0, 2, 1),
        ),
        "entries": lambda x: (
            F.embedding(torch.tensor([1, 0, 1]), x.reshape(2, 2)),
            x.scatter_add(0, places, x**2),
            x.index_copy(0, torch.tensor([1, 3]), x[:2] ** 2),
            x.masked_scatter(c > 0, x**2),
            (1 * x).put(torch.tensor([1, 2]), x[:2] ** 2),
            torch.masked_select(x, c > 0),
        ),
        "order": lambda x: (
            torch.sort(x, descending=True)[0] * c,
            torch.topk(x, 2)[0],
            torch.kthvalue(x, 2)[0],
            x.median(),
            torch.quantile(x, 0.3),
            x.reshape(2, 2).max(1)[0],
            x.cummax(0)[0],
            torch.bucketize(x, torch.tensor([-1.0, 0.0, 1.0])) * x,
        ),
        "norms": lambda x: (
            x.norm(1),
            x.norm(3),
            x.norm(float("inf")),
            torch.dist(x, c),
            torch.var_mean(x)[0],
            F.group_norm(x[None], 2),
            F.batch_norm(x.reshape(2, 2), None, None, training=True),
            torch.special.erfcx(x),
            torch.special.i1e(x),
        ),
        "factors": lambda x: (
            torch.linalg.qr(torch.diag(x) + m)[1],
            torch.linalg.svdvals(torch.diag(x) + m),
            torch.linalg.pinv(torch.diag(x) + m),
            torch.matrix_exp(torch.diag(x) + m / 9),
            torch.cholesky_solve(x[:, None], torch.linalg.cholesky(torch.diag(x) + m @ m.T)),
        ),
        "waves": lambda x: (
            torch.fft.rfft(x).abs() * x[0],
            torch.fft.irfft(torch.fft.rfft(x) ** 2, n=4),
            torch.complex(x[:2], x[2:]).abs() ** 3,
        ),
        "activations": lambda x: (
            F.elu(x),
            F.leaky_relu(x, 0.1) * x,
            F.hardtanh(x, -0.5, 0.7) * x,
            F.softshrink(x, 0.4) * x,
            F.hardshrink(x, 0.4) * x,
            torch.lerp(x, c, x),
            torch.addmv(x, m, x),
        ),
    }


@pytest.mark.skipif(not TORCH, reason="torch is not installed")
@pytest.mark.parametrize(
    ("name", "outer"),
    [
        *((n, "numpy:forward") for n in "windows entries order norms factors waves activations".split()),
        *((n, "jax") for n in ("order", "windows") if JAX),
        *((n, "casadi") for n in ("entries", "activations") if "casadi" in EXACT),
        *((n, "sympy") for n in ("activations",) if "sympy" in EXACT),
    ],
)
def test_operations_of_torch_are_replayed(name, outer):
    import torch

    parts = _functions()[name]

    def f(x):
        return sum(_waves(torch, part) for part in parts(x))

    wanted = ad.hvp(f, torch.tensor(X), v=torch.tensor(V), backend="torch").numpy()
    product = ad.prepare_hvp(f, OTHER, backend=ad.SecondOrder(outer, "torch"))
    assert "replayed" in product.strategy
    close(product(X, v=V), wanted, 1e-9)


@pytest.mark.skipif(not TORCH, reason="torch is not installed")
@pytest.mark.parametrize("outer", ["numpy:forward", *["jax"] * JAX, *["casadi"] * ("casadi" in EXACT)])
def test_what_torch_has_no_formula_for_is_said_by_every_outer_one(outer):
    import torch

    with pytest.raises(FunctionNotSupportedError, match="no formula for the derivative of 'hardsigmoid_"):
        ad.hvp(
            lambda x: (torch.nn.functional.hardsigmoid(x) * x).sum(),
            X,
            v=V,
            backend=ad.SecondOrder(outer, "torch"),
        )


@pytest.mark.skipif(not TORCH, reason="torch is not installed")
def test_forward_mode_of_products_at_places_is_refused():
    """torch's own formula ignores the factors beside: its product of this Hessian is another one."""
    import torch

    places = torch.tensor([0, 2, 0, 1])

    def f(x):
        return torch.sin(x.scatter_reduce(0, places, x**2, "prod")).sum()

    def same(x):
        return np.sum(np.sin(np.stack([x[0] ** 3 * x[2] ** 2, x[1] * x[3] ** 2, x[2] * x[1] ** 2, x[3]])))

    close(ad.hvp(f, torch.tensor(X), v=torch.tensor(V), backend="torch").numpy(), ad.hvp(same, X, v=V))
    with pytest.raises(FunctionNotSupportedError, match=r"wrong derivatives .* use 'torch:reverse'"):
        ad.jvp(f, torch.tensor(X), v=torch.tensor(V), backend="torch:forward")


@pytest.mark.skipif(not {"casadi", "autograd"} <= {*EXACT}, reason="needs CasADi and autograd")
def test_casadi_keeps_no_node_of_a_pair_that_is_gone():
    from polyad.systems.casadi import numpy_nodes

    def prepared():
        return ad.prepare_hvp(
            lambda x: np.sum(np.sin(x) * x[0]), OTHER, backend=ad.SecondOrder("casadi", "autograd")
        )

    first, second = prepared(), prepared()
    del first
    gc.collect()
    close(second(X, v=V), ad.hvp(lambda x: np.sum(np.sin(x) * x[0]), X, v=V))
    held, kept = len(numpy_nodes._OWN), len(numpy_nodes._MADE)
    del second
    gc.collect()
    assert len(numpy_nodes._OWN) < held
    third = prepared()
    assert len(numpy_nodes._MADE) == kept
    assert third.strategy


@pytest.mark.skipif(not TORCH, reason="torch is not installed")
@pytest.mark.parametrize(
    "values",
    [
        [0.0, 6.0, 0.0, -0.0],
        [1.0, 1.0, 2.0, 1.0],
        [1.0, 0.1, 0.3, 0.1],
        [np.nan, 2.0, -1.0, 3.0],
        [np.inf, 1.0, -np.inf, 0.0],
    ],
    ids="zeros ties floors nan inf".split(),
)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")
def test_replays_are_torch_at_its_corners(values, dtype):
    """What the check at the example cannot see: ties, kinks, NaN and infinities, in both precisions."""
    import torch
    import torch.nn.functional as F

    def f(x):
        pairs = torch.reshape(x, (2, 2))
        return (
            *(F.relu(x), F.relu6(x), F.hardtanh(x), x.clamp(0.0, 1.0), x.clamp_min(x[1]), x.median()),
            *(torch.sort(x, descending=True)[0], torch.topk(x, 4)[0].sum(), x.cummax(0)[0], x.cummin(0)[0]),
            *(torch.div(x[0], 20 * x[1], rounding_mode="floor"), torch.div(x, 9.0, rounding_mode="trunc")),
            *(torch.bucketize(x, torch.tensor([-1.0, 0.0, 1.0], dtype=x.dtype)) * x, x.mean(-1)),
            *(pairs.max(-1, keepdim=True)[0], pairs.median(-1)[0], pairs.amin(-2), torch.relu(x - x).norm()),
            *(x.softmax(0), x.logsumexp(-1), torch.maximum(x, x.flip(0)), pairs.prod(-1, keepdim=True)),
        )

    at, along = np.array(values, dtype=dtype), V.astype(dtype)
    wanted, moved = torch.func.jvp(f, (torch.tensor(at),), (torch.tensor(along),))
    pushed = ad.prepare_jvp(f, OTHER.astype(dtype), backend="numpy:forward")
    with np.errstate(all="ignore"):
        found, product = pushed.value_and(at, v=along)
    limit = 1e-12 if dtype == "float64" else 1e-5
    for k, (a, b) in enumerate(zip(wanted, found, strict=True)):
        assert b.dtype == dtype
        np.testing.assert_allclose(b, a.numpy(), rtol=limit, err_msg=f"value {k}")
    if np.isfinite(at).all():
        for k, (a, b) in enumerate(zip(moved, product, strict=True)):
            np.testing.assert_allclose(b, a.numpy(), rtol=limit, atol=limit, err_msg=f"derivative {k}")


@pytest.mark.skipif(not JAX, reason="JAX is not installed")
@pytest.mark.parametrize("backend", ["numpy:forward", "numpy", *["casadi"] * ("casadi" in EXACT)])
def test_entries_of_jax_that_are_added_to_more_than_once(backend):
    import jax
    import jax.numpy as jnp

    places = jnp.array([3, 0, 2, 2])

    def f(x):
        return jnp.sum(jnp.sin(x.at[places].add(x**2))) + jnp.sum(jax.ops.segment_sum(x**3, places, 4) ** 2)

    def same(x):
        added = np.stack([x[1] ** 2, 0.0 * x[0], x[2] ** 2 + x[3] ** 2, x[0] ** 2])
        sums = np.stack([x[1] ** 3, x[2] ** 3 + x[3] ** 3, x[0] ** 3])
        return np.sum(np.sin(x + added)) + np.sum(sums**2)

    close(ad.prepare_hessian(f, OTHER, backend=backend)(X), ad.hessian(same, X))


@pytest.mark.skipif(not JAX or "casadi" not in EXACT, reason="needs JAX and CasADi")
def test_what_a_rule_of_jax_cannot_replay_is_a_refusal_that_names_it():
    import jax.numpy as jnp

    with pytest.raises(FunctionNotSupportedError, match=r"no replay of JAX's lu.*or 'numpy'"):
        ad.prepare_hvp(lambda x: jnp.sin(jnp.linalg.det(jnp.diag(x) + M)), X, backend="casadi")


@pytest.mark.skipif(not JAX, reason="JAX is not installed")
def test_precision_that_jax_takes_away_is_not_left_out():
    import jax
    import jax.numpy as jnp

    kept = ad.gradient(lambda x: jnp.sum(jax.lax.reduce_precision(x, 11, 52) ** 2), X, backend="numpy")
    close(kept, 2 * X)
    # JAX is asked
    found = ad.gradient(lambda x: jnp.sum(jax.lax.reduce_precision(x, 8, 23) ** 2), X, backend="numpy")
    close(found, 2 * X.astype(np.float32).astype(float), 1e-14)
