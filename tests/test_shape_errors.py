"""What NumPy refuses because of shapes and axes raises NumPy's class of error under every backend."""

from __future__ import annotations

import numpy as np
import pytest

import backends
import polyad as ad
from polyad.errors import PolyadError

X = np.array([2.0, 1.0, 3.0, 4.0])


def augmented(x):
    y = x * 1.0
    y += np.ones((2, 4))
    return y


def assigned(x):
    y = x * 1.0
    y[:2] = np.ones(3)
    return y


WRONG = {
    "sum of shapes": lambda x: x + np.ones(3),
    "reflected": lambda x: np.ones(3) * x,
    "ufunc": lambda x: np.maximum(x, np.ones(3)),
    "matmul": lambda x: x @ np.ones((3, 2)),
    "reshape": lambda x: x.reshape(3, 2),
    "concatenate": lambda x: np.concatenate([x, np.ones((2, 2))]),
    "stack": lambda x: np.stack([x, np.ones(3)]),
    "stack axis": lambda x: np.stack([x], axis=4),
    "vstack": lambda x: np.vstack([x, np.ones(3)]),
    "clip": lambda x: np.clip(x, np.ones(3), 2),
    "det": lambda x: np.linalg.det(x),
    "inv": lambda x: np.linalg.inv(x),
    "inv of a row": lambda x: np.linalg.inv(x.reshape(1, 4)),
    "svd": lambda x: np.linalg.svd(x)[1],
    "eigvalsh": lambda x: np.linalg.eigvalsh(x),
    "cholesky": lambda x: np.linalg.cholesky(x.reshape(1, 4)),
    "solve": lambda x: np.linalg.solve(x.reshape(2, 2), np.ones(3)),
    "diff axis": lambda x: np.diff(x, axis=2),
    "sum axis": lambda x: np.sum(x, axis=3),
    "roll axis": lambda x: np.roll(x, 1, axis=2),
    "cumsum axis": lambda x: np.cumsum(x, axis=1),
    "fft axis": lambda x: np.abs(np.fft.fft(x, axis=1)),
    "convolve": lambda x: np.convolve(x, np.ones(0)),
    "linspace": lambda x: np.linspace(x[0], x[1], -1),
    "histogram": lambda x: np.histogram(x, 0)[0] * x[0],
    "average": lambda x: np.average(x, weights=np.array([1.0, -1.0, 1.0, -1.0])),
    "squeeze": lambda x: np.squeeze(x, 0),
    "tensordot": lambda x: np.tensordot(x, x, 2),
    "transpose": lambda x: np.transpose(x, (1, 0)),
    "dot": lambda x: np.dot(x, np.ones(3)),
    "einsum": lambda x: np.einsum("i,i", x, np.ones(3)),
    "broadcast": lambda x: np.broadcast_to(x, (3,)),
    "swapaxes": lambda x: np.swapaxes(x, 0, 1),
    "repeat": lambda x: np.repeat(x, [1, 2]),
    "interp": lambda x: np.interp(x, np.ones(3), np.ones(2)),
    "augmented": augmented,
    "assigned": assigned,
}


@pytest.mark.parametrize("name", backends.EXACT)
@pytest.mark.parametrize("case", WRONG)
def test_the_error_is_of_numpys_class(case, name):
    def f(x):
        return np.sum(WRONG[case](x))

    with pytest.raises(Exception) as plain:
        f(X)
    with pytest.raises((plain.type, PolyadError)):
        ad.gradient(f, X, backend=name)


@pytest.mark.parametrize("name", backends.EXACT)
def test_the_function_catches_it_as_it_does_on_plain_arrays(name):
    def f(x):
        try:
            y = x + np.ones(3)
        except ValueError:
            y = 2 * x
        try:
            z = np.linalg.det(x)
        except np.linalg.LinAlgError:
            z = x[0]
        try:
            z = z + np.sum(np.diff(x, axis=2))
        except np.exceptions.AxisError:
            z = 3 * z
        return np.sum(y) + z

    try:
        found = ad.gradient(f, X, backend=name)
    except PolyadError:
        assert name in ("jax", "casadi", "sympy")
        return
    np.testing.assert_allclose(found, [5.0, 2.0, 2.0, 2.0])


@pytest.mark.parametrize("name", backends.EXACT)
def test_weights_of_a_form_that_was_accepted_are_looked_at_again(name):
    def f(x, w):
        return np.average(x, weights=w)

    w = np.array([1.0, 1.0, 1.0, 1.0])
    try:
        np.testing.assert_allclose(ad.gradient(f, X, w, backend=name), w / 4)
    except PolyadError:
        pytest.fail("plain weights are accepted")
