"""Derivatives along a line from values alone, independent of the engine.

A Chebyshev polynomial is fitted to the function along ``x + t v`` on a short interval, in extended
precision where the function computes in it; its derivatives at 0 are those of the function, up to
the error that the interval and the precision leave (``TOLERANCE``).
"""

from __future__ import annotations

import numpy as np

# relative to the largest entry: of the first and of the second derivative
TOLERANCE = {np.longdouble: (1e-11, 1e-8), np.float64: (1e-9, 1e-6)}

_NODES = 13
_HALF = 0.02


def along(f, x, v, kind):
    """First and second derivative of ``f(x + t v)`` at 0."""
    k = np.arange(_NODES)
    # symmetric nodes: Chebyshev points of the interval
    t = np.cos(np.pi * (k + 0.5) / _NODES).astype(kind) * kind(_HALF)
    values = np.stack([np.asarray(f(x.astype(kind) + s * v.astype(kind))) for s in t])
    shape = values.shape[1:]
    flat = values.reshape(_NODES, -1)
    if flat.dtype.kind == "c":
        parts = [_fit(t, part) for part in (flat.real, flat.imag)]
        first, second = (parts[0][d] + 1j * parts[1][d] for d in (0, 1))
    else:
        first, second = _fit(t, flat)
    return first.reshape(shape), second.reshape(shape)


def _fit(t, flat):
    """Derivatives at 0 of the polynomial through the points, by Newton's divided differences."""
    n = len(t)
    table = flat.copy()
    coefficients = [table[0].copy()]
    for order in range(1, n):
        table = (table[1:] - table[:-1]) / (t[order:] - t[:-order])[:, None]
        coefficients.append(table[0].copy())
    # Horner's scheme on (value, first, second derivative) at t = 0
    value = coefficients[-1]
    first = np.zeros_like(value)
    second = np.zeros_like(value)
    for order in range(n - 2, -1, -1):
        second = second * (-t[order]) + 2 * first
        first = first * (-t[order]) + value
        value = value * (-t[order]) + coefficients[order]
    return first, second


def derivatives(f, x, v):
    """As ``along``, in the best precision the function has, with the tolerances that go with it."""
    for kind in (np.longdouble, np.float64):
        try:
            first, second = along(f, x, v, kind)
        except (TypeError, ValueError):  # no loop for extended precision
            continue
        if kind is np.longdouble and np.asarray(f(x.astype(kind))).dtype not in (
            np.longdouble,
            np.clongdouble,
        ):
            continue  # the function fell back to double precision
        return first, second, TOLERANCE[kind]
    raise AssertionError("the function computes in no precision")
