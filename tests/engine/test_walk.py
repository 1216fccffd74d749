"""No operation is silently taken as constant: a walk through NumPy's and SciPy's public functions.

Every function is called in a few ways. Where NumPy accepts a call, the engine either refuses it by
the named error, or gives the value and a derivative that differences confirm.
"""

from __future__ import annotations

import inspect
import subprocess
import sys
import warnings

import numpy as np
import pytest
import scipy.fft
import scipy.integrate
import scipy.interpolate
import scipy.linalg
import scipy.signal
import scipy.special as sp
import scipy.stats

from polyad.engine import run
from polyad.engine.boxes.box import Box
from polyad.errors import OperationNotSupportedError

V = np.array([0.34, 0.47, 0.61, 0.82])
M = np.array([[2.1, 0.31, 0.23], [0.31, 1.7, 0.43], [0.23, 0.43, 1.4]])
W = np.array([0.2, 0.4, 0.7, 0.9])

STEP = 1e-6  # short: many functions have jumps

# how a function is called, with x the active array
WAYS = {
    "f(x)": (V, lambda f, x: f(x)),
    "f(matrix)": (M, lambda f, x: f(x)),
    "f(x, x)": (V, lambda f, x: f(x, x * x)),
    "f(c, x)": (V, lambda f, x: f(W.copy(), x)),
    "f(x, c)": (V, lambda f, x: f(x, W.copy())),
    "f(matrix, matrix)": (M, lambda f, x: f(x, x * x)),
    "f(x, 2)": (V, lambda f, x: f(x, 2)),
    "f(matrix, 1)": (M, lambda f, x: f(x, 1)),
    "f([x, x])": (V, lambda f, x: f([x, x * x])),
    "f(1.5, x)": (V, lambda f, x: f(1.5, x)),
    "f(1.5, 2.5, x)": (V, lambda f, x: f(1.5, 2.5, x)),
    "f(c, c, x)": (V, lambda f, x: f(W.copy(), W.copy(), x)),
    "f(x > 0.5, x, x)": (V, lambda f, x: f(x > 0.5, x, x * x)),
    "f(x, [0, 1])": (V, lambda f, x: f(x, [0, 1])),
}

# what does not compute, or whose result depends on something else than its arguments
LEFT_OUT = frozenset("save savetxt savez savez_compressed einsum_path empty_like".split())
LEFT_OUT |= {"clarkson_woodruff_transform"}  # a product with a random sparse matrix
# divides by a variance of zero where np.where then takes the other branch: its pullback is nan
LEFT_OUT |= {"wiener"}


MODULES = {
    "np.": np,
    "np.linalg.": np.linalg,
    "np.fft.": np.fft,
    "np.emath.": np.emath,
    "np.lib.stride_tricks.": np.lib.stride_tricks,
    "scipy.special.": sp,
    "scipy.linalg.": scipy.linalg,
    "scipy.fft.": scipy.fft,
    "scipy.integrate.": scipy.integrate,
    "scipy.signal.": scipy.signal,
    "scipy.interpolate.": scipy.interpolate,
    "scipy.stats.": scipy.stats,
}


def names():
    for prefix, module in MODULES.items():
        for name in sorted(dir(module)):
            f = getattr(module, name)
            if name.startswith("_") or name in LEFT_OUT or inspect.isclass(f) or not callable(f):
                continue
            if isinstance(f, np.ufunc) or hasattr(f, "_implementation") or prefix.startswith("scipy"):
                yield prefix + name, f


def leaves(out):
    if isinstance(out, (tuple, list)):
        return [leaf for part in out for leaf in leaves(part)]
    return [out]


def floats(out):
    found = [np.asarray(leaf) for leaf in leaves(out)]
    return [leaf for leaf in found if leaf.dtype.kind in "fc"]


FUNCTIONS = dict(names())


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.filterwarnings("ignore")
def test_supported_and_right_or_refused(name):
    f = FUNCTIONS[name]
    for way, (x, call) in WAYS.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                expected = floats(call(f, x.copy()))
            except Exception:  # not a way to call this function
                continue
            if not all(np.isfinite(part).all() for part in expected):
                continue
            check(name, way, f, x, call, expected)


def check(name, way, f, x, call, expected):
    v = np.cos(np.arange(x.size)).reshape(x.shape)
    if x is M:
        v = v + v.T  # functions of symmetric matrices read one triangle

    def function(boxes):
        out = call(f, boxes[0])
        return [leaf for leaf in leaves(out) if isinstance(leaf, Box) or floats(leaf)], ()

    try:
        dy, y, _ = run.push(function, (x.copy(),), (v[None],))
        recorded = run.record(function, (x.copy(),))
        pulled = recorded.pull_batched([np.ones((1, *part.shape)) for part in y])[0][0] if y else None
    except OperationNotSupportedError as error:
        assert "test_walk.py" in str(error)  # the user's line
        return
    except Exception:
        assert name.startswith("scipy.")  # which may see before the engine that this is no plain array
        return
    assert len(y) == len(expected), f"{name}: {way} lost an output"
    total = 0.0
    for k, part in enumerate(expected):
        np.testing.assert_allclose(y[k], part, rtol=1e-10, atol=1e-10, err_msg=f"{name}: {way}")
        ahead, behind = (floats(call(f, x + step * v))[k] for step in (STEP, -STEP))
        first = (ahead - behind) / (2 * STEP)
        if not np.isfinite(first).all():
            return
        scale = 1 + np.max(np.abs(first), initial=0)
        np.testing.assert_allclose(dy[k][0], first, atol=1e-6 * scale, rtol=0, err_msg=f"{name}: {way}")
        total = total + np.real(np.sum(first))
    if expected:
        np.testing.assert_allclose(
            np.sum(pulled * v), total, atol=1e-5 * (1 + abs(total)), err_msg=f"{name}: {way}, reverse"
        )


def test_no_two_primitives_have_one_name():
    """Libraries look operations up by their names: the later one would stand for both."""
    program = (
        "import polyad.engine.core.values as core\n"
        "made, init = [], core.Primitive.__init__\n"
        "def noted(self, name, *args, **options):\n"
        "    made.append(name)\n"
        "    init(self, name, *args, **options)\n"
        "core.Primitive.__init__ = noted\n"
        "import polyad.engine.run\n"
        "print(len(made), len(set(made)))\n"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    count, names = map(int, found.stdout.split())
    assert count == names > 300
