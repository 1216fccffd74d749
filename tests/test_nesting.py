"""Perturbation confusion: derivatives inside derivatives of one framework are right or refused.

``d/dx (x * d/dy (x + y))`` is 1; who mixes up the two perturbations gets 2 (Siskind and Pearlmutter,
"Perturbation Confusion and Referential Transparency", 2005).
"""

from __future__ import annotations

import numpy as np
import pytest

import polyad as ad
from backends import EXACT, eager
from polyad.backends.registry import load
from polyad.errors import PolyadError

KNOWN = [1164.881764812144, 1749.5486430921133, 2346.2155213720825, 2942.8823996520514, 6431.86668789933]
MODES = [(name, mode) for name in EXACT for mode in (None, *sorted(load(name).supports))]


def right_or_refused(call, wanted):
    """The number, or one of polyad's errors; anything else is a silent or an unclear failure."""
    try:
        got = call()
    except PolyadError:
        return
    np.testing.assert_allclose(got, wanted, rtol=1e-10)


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
