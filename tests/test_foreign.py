"""Functions written for another framework are replayed, or the error says for which, and its remedy works."""

from __future__ import annotations

import functools
import subprocess
import sys
import textwrap
import types

import numpy as np
import pytest

import polyad as ad
from backends import AVAILABLE, eager
from polyad import errors
from polyad.arrays.libraries import library_of, loaded
from polyad.arrays.trees import flatten

X = np.array([0.4, 1.2, -0.3])
ONE_TWO_THREE = [1.0, 2.0, 3.0]


def jax_functions():
    import jax
    import jax.numpy as jnp

    return {
        "an entry": lambda x: jnp.sin(x[0]),
        "the array": lambda x: jnp.sum(jnp.sin(x)),
        "a constant array first": lambda x: (jnp.array(ONE_TWO_THREE) * x).sum(),
        "a list of entries": lambda x: jnp.array([x[0], x[1]]).sum(),
        "compiled": jax.jit(lambda x: jnp.sum(x**2)),
        "a method": lambda x: x.at[0].set(2.0).sum(),
        "a derivative of its own": lambda x: jax.grad(lambda y: jnp.sum(y**3))(x).sum(),
    }


def torch_functions():
    import torch

    layer = torch.nn.Linear(3, 1).double()
    return {
        "an entry": lambda x: torch.sin(x[0]),
        "the array": lambda x: torch.sum(x**2),
        "a constant array first": lambda x: (torch.tensor(ONE_TWO_THREE, dtype=torch.float64) * x).sum(),
        "a constant array last": lambda x: (x * torch.tensor(ONE_TWO_THREE, dtype=torch.float64)).sum(),
        "a list of entries": lambda x: torch.stack([x[0], x[1]]).sum(),
        "a layer": lambda x: layer(x).sum(),
        "the layer itself": layer,
        "a method": lambda x: x.pow(2).sum(),
    }


def casadi_functions():
    import casadi

    return {
        "an entry": lambda x: casadi.sin(x[0]),
        "the array": lambda x: casadi.sumsqr(x),
        "a list of entries": lambda x: casadi.sum1(casadi.vertcat(x[0], x[1])),
        "a constant matrix": lambda x: (casadi.DM([1, 2, 3]) * x)[0],
    }


def sympy_functions():
    import sympy

    return {"an entry": lambda x: sympy.sin(x[0]), "a product": lambda x: x[0] * sympy.exp(x[1])}


FUNCTIONS = {
    "jax": jax_functions,
    "torch": torch_functions,
    "casadi": casadi_functions,
    "sympy": sympy_functions,
}
WRITTEN = [name for name in FUNCTIONS if name in AVAILABLE]
NATIVE = [name for name in WRITTEN if name in ("jax", "torch")]


@pytest.mark.parametrize("written", NATIVE)
@pytest.mark.parametrize("name", [*(n for n in AVAILABLE if n != "finite"), "numpy compiled"])
def test_a_function_of_one_framework_is_replayed_under_another(name, written):
    if name == written:
        pytest.skip("its own")
    backend = ad.NumPy(compile=True) if name == "numpy compiled" else eager(*name.split(":"))
    for what, f in FUNCTIONS[written]().items():
        if what == "the layer itself":
            with pytest.raises(errors.NonScalarOutputError, match="output has shape"):
                ad.gradient(f, X, backend=backend)
            continue
        prepared = ad.prepare_gradient(f, X, backend=backend)
        want = ad.gradient(f, 2 * X, backend=written)
        np.testing.assert_allclose(prepared(2 * X), want, rtol=1e-12, err_msg=what)
        at_once = name == "autograd" and what.startswith("a constant array") and written == "jax"
        assert at_once or "replayed" in prepared.strategy, what


@pytest.mark.skipif(len(NATIVE) < 2, reason="needs JAX and torch")
def test_replayed_functions_have_every_operator():
    import jax.numpy as jnp
    import torch

    matrix = np.array([[2.0, 0.5, 0.0], [0.1, 3.0, 0.2], [0.0, -0.3, 1.5]])

    def in_numpy(p, s):
        y = matrix @ p["x"] * s
        return {"y": np.exp(y) * p["b"], "z": np.sum(y**2)}

    def in_jax(p, s):
        y = matrix @ p["x"] * s
        return {"y": jnp.exp(y) * p["b"], "z": jnp.sum(y**2)}

    def in_torch(p, s):
        y = torch.as_tensor(matrix) @ p["x"] * s
        return {"y": torch.exp(y) * p["b"], "z": torch.sum(y**2)}

    p, v = {"x": X, "b": 0.5}, {"x": X[::-1].copy(), "b": 1.0}
    for f, backend in ((in_jax, "numpy"), (in_torch, "numpy"), (in_jax, "casadi"), (in_torch, "jax")):
        if backend not in AVAILABLE:
            continue
        for operator, words in (
            (ad.prepare_jacobian, {}),
            (ad.prepare_jvp, {"v": v}),
            (ad.prepare_vjp, {"w": {"y": X, "z": 2.0}}),
        )[: 3 if backend == "numpy" else 1]:
            found = operator(f, p, 1.0, **words, backend=backend)(p, 0.3, **words)
            want = operator(in_numpy, p, 1.0, **words)(p, 0.3, **words)
            for got, right in zip(flatten(found)[0], flatten(want)[0], strict=True):
                np.testing.assert_allclose(got, right, rtol=1e-12)
        scalar = ad.prepare_hessian(lambda x, f=f: f({"x": x, "b": 0.5}, 0.3)["z"], X, backend=backend)
        np.testing.assert_allclose(scalar(X), 2 * (0.3 * matrix).T @ (0.3 * matrix), rtol=1e-12)
    found, aux = ad.gradient(lambda x: (jnp.sum(x**2), jnp.sin(x)), X, has_aux=True)
    np.testing.assert_allclose(found, 2 * X)
    np.testing.assert_allclose(aux, np.sin(X))
    single = ad.gradient(lambda x: jnp.sum(x**2), X.astype(np.float32))
    assert single.dtype == np.float32


@pytest.mark.skipif(len(NATIVE) < 2, reason="needs JAX and torch")
def test_what_is_not_replayed_is_told_with_the_reason():
    import jax
    import torch

    def without_mark(x):
        with torch.no_grad():
            y = 2 * x
        return (y * x).sum()

    def branching(x):
        return (x**3).sum() if x[0] > 0 else (x**2).sum()

    for f, written, why in (
        (lambda x: jax.lax.approx_max_k(x, 1)[0].sum(), "jax", "approx_top_k"),
        (lambda x: torch.sin(x).sum() + without_mark(x), "torch", "without a derivative"),
        (lambda x: torch.sin(x).sum() + branching(x), "torch", "cannot trace"),
    ):
        with pytest.raises(errors.FunctionNotSupportedError) as caught:
            ad.prepare_gradient(f, X, backend="numpy")
        assert f"use backend={written!r}" in str(caught.value)
        assert why in str(caught.value)
        ad.gradient(f, X, backend=written)
    with pytest.raises(errors.FunctionNotSupportedError, match="written for JAX: use backend='jax'"):
        ad.gradient(lambda x: jax.numpy.sum(jax.numpy.sin(x)), X, backend=ad.Torch(lift=False))


@pytest.mark.skipif("jax" not in AVAILABLE, reason="JAX is not installed")
def test_what_jax_has_and_numpy_has_not_is_replayed():
    """Largest entries, running ones, windows, factors, transforms, and functions with rules of their own."""
    import jax
    import jax.numpy as jnp

    @jax.custom_jvp
    def own(x):
        return jnp.sum(x * jnp.sin(x))

    own.defjvp(lambda p, t: (own(*p), jnp.sum((2 * jnp.sin(p[0]) + 1) * t[0])))  # not its derivative

    @jax.custom_vjp
    def other(x):
        return jnp.sum(x * jnp.sin(x))

    other.defvjp(lambda x: (other(x), x), lambda x, w: (3 * x * w,))
    places = jnp.array([0, 1, 1, 2, 0, 2])

    def parts(x):
        square = jnp.outer(x, x) + 3 * jnp.eye(6)
        image = jnp.reshape(x, (1, 1, 2, 3))
        window = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (3,), (2,), ((1, 1),))
        return jnp.stack(
            [
                jnp.sum(jax.lax.top_k(x, 3)[0] ** 2),
                jnp.sum(jax.lax.cummax(x) * x) + jnp.sum(jax.lax.cummin(x, reverse=True) ** 2),
                jnp.sum(jax.lax.cumlogsumexp(x) * x),
                jnp.sum(jnp.zeros(3).at[places].max(x) ** 2) + jnp.sum(jnp.ones(3).at[places].min(x) ** 2),
                jnp.sum(jax.lax.conv_general_dilated(image, image[:, :, :, :2], (1, 2), "SAME") ** 2),
                jnp.sum(window**2),
                jnp.linalg.slogdet(square)[1] + jnp.linalg.det(square),
                jnp.sum(jax.scipy.linalg.lu(square)[2] ** 2),
                jnp.sum(jnp.linalg.svd(jnp.reshape(x, (2, 3)), compute_uv=False) ** 3),
                jnp.sum(jnp.linalg.qr(jnp.reshape(x, (3, 2)))[1] ** 3),
                jnp.sum(jnp.abs(jnp.fft.fft(x)) ** 2 * x) + jnp.sum(jnp.fft.irfft(jnp.fft.rfft(x)) ** 2),
                jnp.sum(jnp.interp(x, jnp.linspace(-2, 3, 7), jnp.linspace(-2, 3, 7) ** 2)),
                jnp.sum(jnp.logaddexp(x, 2 * x[::-1]) + jnp.sinc(x) + jax.nn.relu(x) + jax.nn.softplus(x)),
            ]
        )

    x = np.array([0.5, 1.3, -0.4, 2.1, 0.9, -1.2])
    with jax.enable_x64(True):
        want = np.asarray(jax.jit(jax.jacrev(parts))(x))
        second = np.asarray(jax.jit(jax.jacfwd(jax.grad(lambda x: jnp.sum(parts(x)))))(x))
    np.testing.assert_allclose(ad.jacobian(parts, x, backend="numpy"), want, rtol=1e-10, atol=1e-10)
    found = ad.hessian(lambda x: jnp.sum(parts(x)), x, backend="numpy")
    np.testing.assert_allclose(found, second, rtol=1e-8, atol=1e-8)

    np.testing.assert_allclose(ad.gradient(own, x, backend="numpy"), 2 * np.sin(x) + 1)
    np.testing.assert_allclose(ad.hessian(own, x, backend="numpy"), np.diag(2 * np.cos(x)), atol=1e-15)
    np.testing.assert_allclose(ad.gradient(other, x, backend="numpy"), 3 * x)

    def multiplied(x):  # JAX has no derivative of this
        return jnp.sum(jnp.ones(3).at[places].multiply(x) ** 2)

    wanted = ad.gradient(lambda x: (x[0] * x[4]) ** 2 + (x[1] * x[2]) ** 2 + (x[3] * x[5]) ** 2, x)
    np.testing.assert_allclose(ad.gradient(multiplied, x, backend="numpy"), wanted, rtol=1e-14)


@pytest.mark.parametrize("written", NATIVE)
def test_the_remedy_works(written):
    for what, f in FUNCTIONS[written]().items():
        if what != "the layer itself":
            g = ad.gradient(f, X, backend=written)
            assert g.shape == (3,), what
            np.testing.assert_allclose(g, ad.gradient(f, X, backend=ad.FromPrimitive(written)), rtol=1e-6)


@pytest.mark.parametrize("written", [name for name in WRITTEN if name not in NATIVE])
@pytest.mark.parametrize("name", [name for name in AVAILABLE if name != "finite"])
def test_what_no_backend_takes_is_to_be_written_in_numpy(name, written):
    for what, f in FUNCTIONS[written]().items():
        if (name, written) == ("torch", "sympy"):
            continue  # torch's own refusal comes first, and has a remedy
        for call in (ad.gradient, ad.prepare_gradient):
            with pytest.raises(errors.PolyadError) as caught:
                call(f, X, backend=eager(name))
            assert f"functions of {written} itself" in str(caught.value), what
            assert "NumPy's functions" in str(caught.value), what


@pytest.mark.skipif("autograd" not in AVAILABLE, reason="autograd is not installed")
@pytest.mark.parametrize("name", [name for name in AVAILABLE if name not in ("finite", "autograd")])
def test_functions_written_for_autograd_run_or_are_named(name):
    import autograd
    import autograd.numpy as anp

    g = ad.gradient(lambda x: anp.sum(anp.sin(x) * anp.array([x[0], 1.0, 2.0])), X, backend=eager(name))
    want = np.cos(X) * [X[0], 1.0, 2.0] + [np.sin(X[0]), 0.0, 0.0]
    np.testing.assert_allclose(g, want, rtol=1e-12)
    g = ad.gradient(lambda x: anp.sum(anp.concatenate([x, x]) ** 2), X, backend=eager(name))
    np.testing.assert_allclose(g, 4 * X, rtol=1e-12)
    with pytest.raises(
        errors.FunctionNotSupportedError, match=r"written for Autograd: use backend='autograd'"
    ):
        ad.gradient(lambda x: anp.sum(autograd.grad(lambda y: y @ y)(x)), X, backend=eager(name))


def test_errors_of_the_users_own_stay_his():
    def f(x):
        raise TypeError("my own" + str(sys.modules.get("torch", ""))[:0])

    with pytest.raises(TypeError, match="my own") as caught:
        ad.gradient(f, X)
    assert not isinstance(caught.value, errors.PolyadError)


@pytest.mark.skipif("jax" not in AVAILABLE, reason="JAX is not installed")
def test_compiled_code_that_takes_values_out_of_an_array_does_not_lose_the_derivative():
    class Sine:
        """As C code does: asks for the number, and knows nothing of arrays."""

        def __call__(self, x):
            return np.float64(getattr(x[0], "it" + "em")() ** 2)

    with pytest.raises(errors.FunctionNotSupportedError):
        ad.gradient(Sine(), X, backend="jax", follow=False)
    assert ad.gradient(Sine(), X, backend="jax").tolist() == [2 * X[0], 0.0, 0.0]
    assert ad.gradient(lambda x: 3.0, X, backend="jax").tolist() == [0.0, 0.0, 0.0]


# -- the user's line ------------------------------------------------------------------------------------


def line_of(call, *words):
    with pytest.raises(errors.PolyadError) as caught:
        call()
    text = str(caught.value)
    for word in words:
        assert word in text
    return text


@pytest.mark.parametrize(
    "name", ["numpy", "numpy:forward", *(n for n in AVAILABLE if n in ("casadi", "sympy"))]
)
def test_refusals_name_the_functions_line_and_not_the_call(name):
    def f(x):
        y = np.asarray(x)  # the line
        return np.sum(y)

    def deeper(x):
        return f(x) * 2.0

    def through_the_standard_library(x):
        return functools.reduce(lambda a, b: a + float(b), x)

    backend = eager(*name.split(":"))
    for prepare in (ad.gradient, ad.prepare_gradient, ad.prepare_hessian):
        differentiate = functools.partial(prepare, backend=backend, follow=False)
        for g in (f, deeper):
            line_of(functools.partial(differentiate, g, X), "test_foreign.py:", "np.asarray(x)  # the line")
        line_of(functools.partial(differentiate, through_the_standard_library, X), "float(b)")


@pytest.mark.skipif("sympy" not in AVAILABLE, reason="SymPy is not installed")
def test_a_refusal_after_the_function_has_ended_names_no_line():
    import sympy

    text = line_of(lambda: ad.gradient(lambda x: sympy.pi, X, backend="numpy:reverse"))  # not here
    assert "not here" not in text


@pytest.mark.skipif("torch" not in AVAILABLE, reason="torch is not installed")
def test_refusals_of_torch_name_the_functions_line():
    def f(x):
        return float(x[0]) * x.sum()  # the line

    line_of(lambda: ad.gradient(f, X, backend="torch", follow=False), "the line", "test_foreign.py:")


def test_inside_of_another_derivative_the_line_is_that_of_the_outer_function():
    def outer(w):
        return ad.gradient(lambda x: np.sum(x**2 * w[0]), np.asarray(w))[0]  # outer's line

    line_of(lambda: ad.gradient(outer, X, follow=False), "outer's line")


# -- a framework that is being imported ------------------------------------------------------------------


def test_a_module_that_is_being_imported_owns_nothing(monkeypatch):
    half = types.ModuleType("jax")
    half.__spec__ = types.SimpleNamespace(_initializing=True)
    monkeypatch.setitem(sys.modules, "jax", half)
    assert loaded("jax") is None
    assert library_of(object()) is None
    flatten({"a": object(), "b": {1, 2}})
    np.testing.assert_allclose(ad.gradient(lambda x: np.sum(x**2), X), 2 * X)


@pytest.mark.skipif("jax" not in AVAILABLE, reason="JAX is not installed")
def test_preparing_while_another_thread_imports_jax():
    program = """
        import sys, threading
        import numpy as np, polyad as ad

        sys.setswitchinterval(1e-4)  # the import gives way at every file, and else waits 5 ms to go on
        thread = threading.Thread(target=__import__, args=("jax",))
        thread.start()
        count = 0
        while (thread.is_alive() and count < 300) or not count:
            p = ad.prepare_gradient(lambda x: np.sum(np.sin(x)), np.ones(3), backend=ad.NumPy(compile=True))
            assert np.allclose(p(np.zeros(3)), 1.0)
            ad.hessian(lambda t: np.sum(t["a"] ** 2), {"a": np.ones(2)})
            count += 1
        thread.join()
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif("torch" not in AVAILABLE, reason="torch is not installed")
@pytest.mark.parametrize("name", [name for name in AVAILABLE if name != "finite"])
def test_compiled_functions_of_a_framework_are_known_for_its_own(name):
    """``torch.sum`` has no code and no module; it says where it belongs by the class that it is of."""
    import torch

    x = np.array([0.3, 1.1])
    soft = 1 / (1 + np.exp(-x))
    for f, expected in [
        (torch.prod, x[::-1]),
        (functools.partial(torch.logsumexp, dim=0), np.exp(x) / np.exp(x).sum()),
    ]:
        np.testing.assert_allclose(ad.gradient(f, x, backend=name), expected, rtol=1e-12)
    found = ad.jacobian(torch.nn.functional.softplus, x, backend=name)
    np.testing.assert_allclose(found, np.diag(soft), rtol=1e-12)
