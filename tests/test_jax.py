"""What the JAX backend promises beyond the scenarios: settings, memory, tracing, direction."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import scipy.special as sp

import polyad as ad

jax = pytest.importorskip("jax", reason="JAX is not installed: pip install -e '.[jax]'")


def cubes(x):
    return ad.namespace(x).sum(x**3)


def test_float64_without_touching_the_setting():
    before = jax.config.jax_enable_x64
    x = np.array([1.0, 2.0]) + 1e-12
    prepared = ad.prepare_gradient(cubes, x, backend="jax")
    for g in (ad.gradient(cubes, x, backend="jax"), prepared(x)):
        assert type(g) is np.ndarray and g.dtype == np.float64
        np.testing.assert_allclose(g, 3 * x**2, rtol=1e-15)
    assert jax.config.jax_enable_x64 == before
    assert jax.numpy.ones(1).dtype == (np.float64 if before else np.float32)


def test_float64_in_a_thread_that_has_no_setting():
    x = np.array([1.0, 2.0]) + 1e-12
    prepared = ad.prepare_gradient(cubes, x, backend="jax")
    found = []
    thread = threading.Thread(target=lambda: found.append(prepared(x)))
    thread.start()
    thread.join()
    np.testing.assert_allclose(found[0], 3 * x**2, rtol=1e-15)


@pytest.mark.parametrize(("m", "n", "words"), [(7, 3, "by columns"), (3, 7, "by rows")])
def test_the_direction_of_a_jacobian_follows_its_shape(m, n, words):
    a = np.random.default_rng(0).standard_normal((m, n))
    prepared = ad.prepare_jacobian(lambda x, a: a @ x**2, np.ones(n), a, backend="jax")
    assert words in prepared.strategy
    x = np.arange(1.0, n + 1)
    np.testing.assert_allclose(prepared(x, a), 2 * a * x, rtol=1e-14)


def test_value_and_result_come_from_one_trace():
    scale = [2.0]
    prepared = ad.prepare_gradient(lambda x: scale[0] * cubes(x), np.ones(2), backend="jax")
    scale[0] = 5.0  # after preparation: frozen in both forms
    y, g = prepared.value_and(np.ones(2))
    assert y == 4.0
    np.testing.assert_array_equal(g, prepared(np.ones(2)))
    np.testing.assert_array_equal(g, [6.0, 6.0])


@pytest.mark.parametrize("n", [10, 100_000])
@pytest.mark.parametrize("constant", ["passed", "captured"])
def test_a_result_can_be_overwritten_without_harm(n, constant):
    c = np.full(n, 3.0)
    if constant == "passed":
        f, args = (lambda x, c: (c * x).sum()), (np.ones(n), c)
    else:
        f, args = (lambda x: (c * x).sum()), (np.ones(n),)
    prepared = ad.prepare_gradient(f, *args, backend="jax")
    first = prepared(*args)
    kept = first.copy()
    first[:] = -1.0
    np.testing.assert_array_equal(prepared(*args), kept)
    np.testing.assert_array_equal(c, np.full(n, 3.0))
    np.testing.assert_array_equal(args[0], np.ones(n))


def test_an_input_handed_through_is_not_shared():
    n = 100_000
    c = jax.numpy.full(n, 3.0, dtype=np.float32)

    @jax.custom_vjp
    def f(x, c):
        return (c * x).sum()

    f.defvjp(lambda x, c: (f(x, c), c), lambda c, w: (c, c))  # the gradient is the very constant
    x = np.ones(n, dtype=np.float32)
    prepared = ad.prepare_gradient(f, x, c, backend="jax")
    g = prepared(x, c)
    g[:] = -1.0
    assert float(c.min()) == 3.0
    np.testing.assert_array_equal(prepared(x, c), np.full(n, 3.0, dtype=np.float32))


@pytest.mark.parametrize("backend", [ad.JAX(), ad.JAX(jit=False), ad.JAX("forward", jit=False)])
def test_item_does_not_lose_the_derivative(backend):
    """JAX answers ``x.item()`` with the value, also where it is differentiating the array."""
    x = np.array([0.7, 1.3])
    raw = jax.grad(lambda x: x[0].item() * x[1])(jax.numpy.asarray(x))
    assert raw[0] == 0.0  # the day this fails, JAX has changed and the guard may go
    np.testing.assert_allclose(ad.gradient(lambda x: x[0].item() * x[1], x, backend=backend), x[::-1])
    with pytest.raises(ad.errors.FunctionNotSupportedError, match="a Python number was asked"):
        ad.gradient(lambda x: jax.numpy.sin(x[0].item()) * x[1], x, backend=backend)


def test_item_of_a_constant_is_a_number():
    x = np.array([0.7, 1.3])
    found = ad.gradient(lambda x, c: jax.numpy.sum(x) ** c.item(), x, np.array([2.0]), backend="jax")
    np.testing.assert_allclose(found, [4.0, 4.0])


@pytest.mark.parametrize("number", [float, complex])
def test_numbers_are_refused_by_jax_itself(number):
    with pytest.raises(TypeError):
        jax.grad(lambda x: number(x[0]).real * x[1])(jax.numpy.ones(2))


def test_writing_into_a_plain_array_is_explained():
    def f(x):
        y = np.zeros(2)
        y[0] = x[0]
        return y.sum()

    for call in (ad.gradient, ad.prepare_gradient):
        with pytest.raises(ad.errors.FunctionNotSupportedError, match=r"test_jax\.py.*np\.zeros_like\(x\)"):
            call(f, np.ones(2), backend="jax", follow=False)
    np.testing.assert_array_equal(ad.gradient(f, np.ones(2), backend="jax"), [1.0, 0.0])


@pytest.mark.parametrize("operator", ["gradient", "jacobian", "hessian", "jvp"])
def test_aux_of_a_prepared_object_holds_anything(operator):
    marker = object()

    def f(x):
        y = np.sum(x**3) if operator in ("gradient", "hessian") else x**3
        return y, {"label": "a string", "twice": 2 * x, "object": marker, "count": 3}

    x = np.array([0.5, 2.0])
    seed = {"v": x} if operator == "jvp" else {}
    prepared = getattr(ad, f"prepare_{operator}")(f, x, has_aux=True, backend="jax")
    for (_, aux), value in ((prepared(x, **seed), None), (prepared.value_and(x, **seed)[0], 1)):
        assert aux["label"] == "a string", value
        assert aux["object"] is marker
        assert aux["count"] == 3
        np.testing.assert_allclose(aux["twice"], 2 * x, rtol=1e-15)


def test_choices_on_values_that_are_there_are_not_compiled(monkeypatch):
    # JAX keeps each compiled choice, 2 MB of it at every call of a function that is not prepared
    special = lambda x: np.sum(sp.gammaln(x + 1)) + np.sum(x[np.argsort(x)] * np.arange(3))  # noqa: E731
    x = np.array([0.3, 1.2, 0.7])
    expected = sp.polygamma(1, x + 1)
    assert np.allclose(ad.prepare_hvp(special, x, v=x, backend="jax")(x, v=np.ones(3)), expected)
    monkeypatch.setattr(jax.lax, "cond", None)
    assert np.allclose(ad.hvp(special, x, v=np.ones(3), backend="jax"), expected)
    assert np.allclose(ad.hvp(special, -x, v=np.ones(3), backend="jax"), sp.zeta(2, 1 - x))


def test_jit_auto_runs_on_values_where_it_cannot_compile():
    def branching(x):
        return np.sum(x**2) if x[0] > 0 else np.sum(np.sin(x))

    def loop(x):
        t = x[0]
        while t < 1.0:
            t = t + x[1]
        return t * x[1]

    x, auto = np.array([0.3, 0.4]), ad.JAX(jit="auto")
    prepared = ad.prepare_gradient(branching, x, backend=auto)
    assert "not compiled, as it asks for values" in repr(prepared)
    np.testing.assert_allclose(prepared(x), 2 * x)
    np.testing.assert_allclose(prepared(-x), np.cos(x))  # the other branch, by the same preparation
    np.testing.assert_allclose(ad.prepare_gradient(loop, x, backend=auto)(x), [0.4, 1.1 + 0.4 * 2])
    np.testing.assert_allclose(ad.prepare_hessian(branching, x, backend=auto)(x), 2 * np.eye(2))
    assert "compiled by XLA" in repr(ad.prepare_gradient(lambda x: np.sum(x**2), x, backend=auto))
    with pytest.raises(ad.errors.FunctionNotSupportedError, match="jit='auto'"):
        ad.prepare_gradient(branching, x, backend="jax")
    with pytest.raises(ad.errors.PolyadError):  # what no values help
        ad.prepare_gradient(lambda x: np.frombuffer(x.tobytes())[0], x, backend=auto)
    with pytest.raises(ad.errors.ArgumentError, match="jit is True, False or 'auto'"):
        ad.JAX(jit="always")


SHIFTED = {
    "all": lambda x: np.max(x) + np.log(np.sum(np.exp(x - np.max(x)))),
    "first": lambda x: (lambda t: t + np.log(np.sum(np.exp(x - t), axis=0)))(np.max(x, axis=0)),
    "kept": lambda x: (lambda t: t + np.log(np.sum(np.exp(x - t), axis=1, keepdims=True)))(
        np.max(x, axis=1, keepdims=True)
    ),
    "squeezed": lambda x: (lambda t: np.log(np.sum(np.exp(x - t), axis=1)) + t[:, 0])(
        np.max(x, axis=1, keepdims=True)
    ),
    "spread": lambda x: (lambda t: t + np.log(np.sum(np.exp(x - t[:, None]), axis=-1)))(np.max(x, axis=1)),
    # these are no logarithms of sums of exponentials
    "across": lambda x: (lambda t: t + np.log(np.sum(np.exp(x - t), axis=1)))(np.max(x, axis=0)),
    "reversed": lambda x: (lambda t: t[::-1] + np.log(np.sum(np.exp(x - t), axis=0)))(np.max(x, axis=0)),
    "of another": lambda x: (lambda t: t + np.log(np.sum(np.exp(2 * x - t), axis=0)))(np.max(x, axis=0)),
    "halved": lambda x: (lambda t: t + np.log(np.sum(np.exp(x - t / 2), axis=0)))(np.max(x, axis=0)),
}


@pytest.mark.parametrize("name", SHIFTED)
def test_what_a_sum_of_exponentials_is_shifted_by_has_no_derivative(name):
    x = np.array([[0.3, 2.0, 1.1], [2.5, 0.1, -0.4], [0.7, 0.9, 1.9]])
    w = np.array([1.0, -2.0, 0.7])

    def f(x):
        return np.sum(np.reshape(SHIFTED[name](x), -1) * w)

    expected = ad.gradient(f, x, backend="numpy:forward")
    prepared = ad.prepare_gradient(f, x[::-1].copy(), backend="jax")
    np.testing.assert_allclose(prepared(x), expected, rtol=1e-12, atol=1e-14)
    v = np.cos(np.arange(9.0)).reshape(3, 3)
    second = ad.hvp(f, x, v=v, backend="numpy:forward")
    np.testing.assert_allclose(ad.hvp(f, x, v=v, backend="jax"), second, rtol=1e-10, atol=1e-13)
    with jax.enable_x64(True):
        program = jax.jit(lambda x: ad.gradient(f, x, backend=ad.JAX(jit=False))).lower(x).compile().as_text()
    shifts = name not in ("across", "reversed", "of another", "halved")
    assert ("compare" in program) != shifts  # which of the entries is the largest is not asked
