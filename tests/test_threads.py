"""Eight threads hammer one prepared object; every result must be right.

torch's forward mode and autograd's trace stack give wrong numbers across threads without a lock,
JAX's 64-bit setting is a matter of the thread: each is a silent error if it goes wrong.
"""

from __future__ import annotations

import sys
import threading

import numpy as np
import pytest

import polyad as ad
from backends import AVAILABLE, eager

THREADS, CALLS = 8, 25
A = np.linspace(-1.0, 1.0, 12).reshape(4, 3)


@pytest.fixture
def tight_switching():
    """Threads take turns as often as Python can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def cubes(x):
    xp = ad.namespace(x)
    return xp.sum(x**3) + xp.sum(xp.sin(x))


def layer(x):
    xp = ad.namespace(x)
    return xp.tanh(xp.asarray(A) @ x)


def layer_slope(x):
    return (1 - np.tanh(A @ x) ** 2)[:, None] * A


V = np.array([0.3, -1.0, 0.5])
W = np.array([1.0, 0.5, -0.25, 2.0])
JOBS = {
    "gradient": (cubes, {}, lambda x: 3 * x**2 + np.cos(x)),
    "hvp": (cubes, {"v": V}, lambda x: (6 * x - np.sin(x)) * V),
    "hessian": (cubes, {}, lambda x: np.diag(6 * x - np.sin(x))),
    "jacobian": (layer, {}, layer_slope),
    "jvp": (layer, {"v": V}, lambda x: layer_slope(x) @ V),
    "vjp": (layer, {"w": W}, lambda x: W @ layer_slope(x)),
}
BACKENDS = {
    **{name: eager(name) for name in AVAILABLE},
    **{f"{name}:{mode}": eager(name, mode) for name in AVAILABLE if name in ("torch", "autograd")
       for mode in ("forward", "reverse")},
}  # fmt: skip
if "jax" in AVAILABLE:
    BACKENDS["jax compiled"] = ad.JAX()


def hammer(work):
    """Run ``work(thread, call)`` in all threads at once; the first error of any is raised here."""
    barrier = threading.Barrier(THREADS)
    errors = []

    def run(thread):
        barrier.wait()
        try:
            for call in range(CALLS):
                work(thread, call)
        except BaseException as error:  # the main thread raises it
            errors.append(error)

    threads = [threading.Thread(target=run, args=(k,)) for k in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


@pytest.mark.parametrize("operator", JOBS)
@pytest.mark.parametrize("name", BACKENDS)
def test_threads_share_a_prepared_object(name, operator, tight_switching):
    f, seeds, reference = JOBS[operator]
    prepared = getattr(ad, f"prepare_{operator}")(f, np.ones(3), backend=BACKENDS[name], **seeds)
    approximate = name.startswith("finite")
    tolerance = 1e-12 if not approximate else 1e-4 if operator in ("hvp", "hessian") else 1e-7

    def work(thread, call):
        x = np.linspace(0.1, 1.0, 3) + 0.1 * thread + 0.01 * call
        got = prepared(x, **seeds) if call % 2 else prepared.value_and(x, **seeds)[-1]
        np.testing.assert_allclose(got, reference(x), atol=tolerance, rtol=tolerance)

    hammer(work)


@pytest.mark.parametrize("name", BACKENDS)
def test_threads_prepare_and_call_different_operators(name, tight_switching):
    backend = BACKENDS[name] if name != "jax compiled" else eager("jax")
    approximate = name.startswith("finite")

    def work(thread, call):
        if call >= 3:
            return
        operator = list(JOBS)[(thread + call) % len(JOBS)]
        f, seeds, reference = JOBS[operator]
        x = np.linspace(0.2, 0.9, 3) + 0.05 * thread
        tolerance = 1e-12 if not approximate else 1e-4 if operator in ("hvp", "hessian") else 1e-7
        got = getattr(ad, operator)(f, x, backend=backend, **seeds)
        np.testing.assert_allclose(got, reference(x), atol=tolerance, rtol=tolerance)

    hammer(work)


@pytest.mark.parametrize("name", BACKENDS)
def test_threads_share_a_linearization(name, tight_switching):
    x = np.linspace(0.1, 1.0, 3)
    _, J = ad.linearize(layer, x, backend=BACKENDS[name])
    slope = layer_slope(x)
    tolerance = 1e-7 if name.startswith("finite") else 1e-12

    def work(thread, call):
        v = V + 0.1 * thread + 0.01 * call
        np.testing.assert_allclose(J.jvp(v), slope @ v, atol=tolerance)
        w = W - 0.1 * thread
        np.testing.assert_allclose(J.vjp(w), w @ slope, atol=tolerance)

    hammer(work)


@pytest.mark.skipif("jax" not in AVAILABLE, reason="jax is not installed")
def test_threads_reprepare_once(tight_switching):
    grad = ad.prepare_gradient(cubes, np.ones(2), backend=eager("jax"), on_mismatch="reprepare")

    def work(thread, call):
        if call >= 5:
            return
        x = np.linspace(0.5, 1.0, 3 + thread % 2)
        np.testing.assert_allclose(grad(x), 3 * x**2 + np.cos(x), rtol=1e-12)

    hammer(work)
    assert grad.repreparations == 2
    assert grad(np.ones(2)).dtype == np.float64
