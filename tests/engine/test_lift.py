"""The same NumPy functions on the arrays of other frameworks, and the engine inside their transforms."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from cases import CASES as GENERAL
from cases_numpy import REFUSED
from cases_special import CASES as SPECIAL

import polyad as ad
from polyad.engine import run
from polyad.errors import FunctionNotSupportedError, OperationNotSupportedError

CASES = GENERAL | SPECIAL

X = np.arange(1.0, 6.0)
V = np.arange(6.0, 11.0)
HVP = np.array(
    [1164.881764812144, 1749.5486430921133, 2346.2155213720825, 2942.8823996520514, 6431.86668789933]
)


def known(x):
    return np.linalg.norm(x) ** 3 * x[-1] + x[0] ** 2


def everything(x):
    """scipy.special, assignment, accumulation in a loop, where, einsum and solve in one function."""
    import scipy.special as sp

    y = np.zeros_like(x)
    for i in range(len(x)):
        y[i] += x[i] ** 2 / 10
    a = np.einsum("i,j->ij", y, x) + 5 * np.eye(len(x))
    z = np.linalg.solve(a, np.where(x > 2.5, x, sp.erf(x)))
    y[1:3] *= z[:2]
    return np.sum(y * z)


def analytic(f, x):
    """The gradient by differences in the engine's absence."""
    from oracle import along

    return np.array([along(f, x, e, np.float64)[0] for e in np.eye(len(x))])


@pytest.mark.parametrize("backend", ["numpy", "numpy:forward", "numpy:reverse", "jax", "torch", "autograd"])
def test_known_hvp(backend):
    prepared = ad.prepare_hvp(known, X[::-1].copy(), v=V, backend=backend)
    np.testing.assert_allclose(prepared(X, v=V), HVP, rtol=1e-12)
    if not backend.startswith("numpy"):
        assert f"NumPy lifted to {backend}" in repr(prepared)


@pytest.mark.parametrize("backend", ["numpy", "jax", "torch", "autograd"])
def test_everything_at_once(backend):
    expected = analytic(everything, X)
    np.testing.assert_allclose(ad.gradient(everything, X, backend=backend), expected, rtol=1e-8)
    np.testing.assert_allclose(
        ad.hvp(everything, X, v=V, backend=backend), ad.hvp(everything, X, v=V, backend="numpy"), rtol=1e-9
    )


LIFTED = {
    "jax": ad.JAX(lift=True),
    "torch": ad.Torch(lift=True),
    "autograd": ad.Autograd(lift=True),
    "casadi": ad.CasADi(),
    "sympy": ad.SymPy(),
}


def value_and_jacobian(f, x, library):
    """Compiled as a whole under JAX where that is possible: its single operations compile for longer."""
    if library == "jax":
        try:
            return ad.prepare_jacobian(f, x.copy(), backend=LIFTED[library]).value_and(x.copy())
        except FunctionNotSupportedError:  # a branch on a value
            pass
        finally:
            sys.modules["jax"].clear_caches()  # a few hundred compiled programs are gigabytes
    return ad.value_and_jacobian(f, x.copy(), backend=LIFTED[library])


def to_second_order(f, x, v, library):
    """Value, gradient and product with the Hessian, in the same way: one compiled program for the three."""
    if library == "jax":
        try:
            return ad.prepare_hvp(f, x.copy(), v=v, backend=LIFTED[library]).value_and(x.copy(), v=v)
        except FunctionNotSupportedError:
            pass
        finally:
            sys.modules["jax"].clear_caches()
    return ad.value_gradient_and_hvp(f, x.copy(), v=v, backend=LIFTED[library])


@pytest.mark.parametrize("library", ["jax", "torch", "autograd"])
@pytest.mark.parametrize("name", [name for name in GENERAL if not name.startswith("sp.")])
def test_rules_lifted(name, library):
    f, x = CASES[name]
    expected = f(np.array(x))
    if library in REFUSED.get(name, ()):
        with pytest.raises(FunctionNotSupportedError):
            value_and_jacobian(f, np.array(x), library)
        return
    found = value_and_jacobian(f, np.array(x), library)
    np.testing.assert_allclose(found[0], expected, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(found[1], ad.jacobian(f, np.array(x), backend="numpy"), rtol=1e-8, atol=1e-9)


def check_to_second_order(f, x, library):
    """Against the engine on NumPy arrays, which ``test_rules`` compares with differences."""
    y = np.asarray(f(np.array(x)))
    w, v = np.cos(1 + np.arange(y.size)).reshape(y.shape), np.cos(np.arange(x.size)).reshape(x.shape)

    def weighted(x):
        return np.sum(w * f(x))

    value, gradient, product = to_second_order(weighted, np.array(x), v, library)
    np.testing.assert_allclose(value, np.sum(w * y), rtol=1e-9, atol=1e-11)
    expected = ad.gradient(weighted, np.array(x), backend="numpy")
    np.testing.assert_allclose(gradient, expected, rtol=1e-8, atol=1e-9)
    expected = ad.hvp(weighted, np.array(x), v=v, backend="numpy")
    scale = 1 + np.max(np.abs(expected))
    np.testing.assert_allclose(product, expected, rtol=1e-7, atol=1e-8 * scale)


@pytest.mark.parametrize("library", ["jax", "torch", "autograd"])
@pytest.mark.parametrize("name", [name for name in CASES if "sp." in name])
def test_special_functions_lifted(name, library):
    """None is missing: what the framework lacks is composed, or computed by SciPy on the host."""
    check_to_second_order(*CASES[name], library)


# exactly at singularities of SymPy's own formulas, which say 0 / 0 there
SINGULAR = (
    "sp.rgamma(x - 0.66)",
    "sp.spence(1 + (x - 0.27) / 3) * sp.spence(x + 1)",
    "sp.ellipk(x - 0.27) + sp.ellipe(x - 0.27)",
    "sp.boxcox(x, x - 0.31) + sp.boxcox1p(x, x - 0.31)",
)


@pytest.mark.parametrize("library", ["casadi", "sympy"])
@pytest.mark.parametrize("name", [name for name in CASES if "sp." in name])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of branches that SymPy's code computes and drops
@pytest.mark.filterwarnings("ignore:non-integer arg n:DeprecationWarning")  # its numbers are all floats
def test_special_functions_as_graphs(name, library):
    f, x = CASES[name]
    x = x + 1e-3 if name in SINGULAR and library == "sympy" else x
    try:
        check_to_second_order(f, x, library)
    except (FunctionNotSupportedError, ad.errors.OperationNotSupportedError) as error:
        assert library in str(error).lower() or "symbols" in str(error)
        pytest.skip(f"{library} lacks an operation, and says so")


def test_native_functions_stay_native():
    import jax.numpy as jnp
    import torch

    assert "lifted" not in repr(ad.prepare_gradient(lambda x: jnp.sum(x**2), X, backend="jax"))
    assert "lifted" not in repr(ad.prepare_gradient(lambda x: torch.sum(x**2), X, backend="torch"))
    assert "lifted" not in repr(ad.prepare_gradient(lambda x: (x**2).sum(), X, backend="jax"))


def test_the_way_can_be_forced():
    assert "lifted" in repr(ad.prepare_gradient(lambda x: (x**2).sum(), X, backend=ad.JAX(lift=True)))
    with pytest.raises(ad.errors.FunctionNotSupportedError):
        ad.prepare_gradient(known, X, backend=ad.JAX(lift=False))


def product(library):
    """The HVP of ``known`` by the engine's dual over its tape, on another library's arrays."""

    def hvp(x, v):
        def gradient(boxes):
            return run.record(lambda b: ((known(b[0]),), ()), boxes).pull((1.0,), free=True), ()

        (dg,), _, _ = run.push(gradient, (run.lift(library, x),), (run.lift(library, v[None]),))
        return run.unlift(dg)[0]

    return hvp


def tape(library):
    def gradient(x):
        recorded = run.record(lambda b: ((known(b[0]),), ()), (run.lift(library, x),))
        return run.unlift(recorded.pull((1.0,))[0])

    return gradient


def test_inside_jax():
    import jax

    hvp = product("jax")
    with jax.enable_x64(True):
        np.testing.assert_allclose(jax.jit(hvp)(X, V), HVP, rtol=1e-12)
        np.testing.assert_allclose(jax.vmap(hvp)(np.stack([X, X]), np.stack([V, V]))[1], HVP, rtol=1e-12)
        np.testing.assert_allclose(jax.jvp(jax.jit(tape("jax")), (X,), (V,))[1], HVP, rtol=1e-12)


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")  # torch imports its own relics
def test_inside_torch():
    import torch

    x, v = torch.tensor(X), torch.tensor(V)
    np.testing.assert_allclose(torch.func.jvp(tape("torch"), (x,), (v,))[1].numpy(), HVP, rtol=1e-12)
    both = torch.func.vmap(product("torch"))(torch.stack([x, x]), torch.stack([v, v]))
    np.testing.assert_allclose(both[1].numpy(), HVP, rtol=1e-12)


def test_inside_autograd():
    import autograd

    np.testing.assert_allclose(autograd.make_jvp(tape("autograd"))(X)(V)[1], HVP, rtol=1e-12)


@pytest.mark.parametrize("backend", ["jax"])
def test_a_branch_on_a_traced_value_is_refused(backend):
    with pytest.raises(OperationNotSupportedError, match=r"a branch depends on a value.*np\.where"):
        ad.prepare_gradient(lambda x: np.sum(x) if np.sum(x) > 0 else np.prod(x), X, backend=backend)
