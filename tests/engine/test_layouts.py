"""What NumPy's conversions say of the order in memory, and functions that read it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import polyad as ad


def roots(*shape: int) -> np.ndarray:
    """Numbers of which none is five times another."""
    return np.sqrt(2.0 + np.arange(np.prod(shape))).reshape(shape)


F = np.asfortranarray(roots(2, 3))
SOURCES = {
    "C": roots(2, 3),
    "F": F,
    "backwards": roots(3, 4)[::-1, ::2],
    "turned": roots(2, 3, 4).transpose(1, 0, 2)[:, :, :2],
}
CONVERSIONS: dict[str, Callable[[Any], Any]] = {
    "asarray C": lambda x: np.asarray(x, order="C"),
    "asarray F": lambda x: np.asarray(x, order="F"),
    "asanyarray F": lambda x: np.asanyarray(x, order="F"),
    "array": lambda x: np.array(x),
    "array F": lambda x: np.array(x, order="F"),
    "array, not copied": lambda x: np.array(x, order="F", copy=None),
    "ascontiguousarray": lambda x: np.ascontiguousarray(x),
    "asfortranarray": lambda x: np.asfortranarray(x),
    "require": lambda x: np.require(x, requirements="F"),
    "checked": lambda x: np.asarray_chkfinite(x, order="F"),
}


def written(convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A write to what was converted reaches the source where it is the same memory."""

    def f(x: Any) -> Any:
        y = x.copy("K")
        z = convert(y)
        z[0] = 5.0 * z[0]
        return y * 1.0

    return f


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("name", CONVERSIONS)
def test_conversions_keep_numpys_order(name: str, source: str) -> None:
    x, convert = SOURCES[source], CONVERSIONS[name]
    for f in (lambda x: convert(x).ravel("K"), written(convert)):
        y = f(x)
        J = (np.isclose(y.reshape(-1, 1), x.ravel()) * 1.0) + np.isclose(y.reshape(-1, 1), 5 * x.ravel()) * 5
        assert ((J != 0).sum(axis=1) == 1).all()
        for backend in ("numpy:reverse", "numpy:forward", "autograd"):
            try:
                found = ad.jacobian(f, x, backend=backend)
            except ad.errors.OperationNotSupportedError as refused:
                assert backend == "autograd"  # on whose arrays the strides of NumPy's are not known
                assert "strides" in str(refused) or "memory" in str(refused)
                continue
            np.testing.assert_array_equal(found.reshape(J.shape), J, err_msg=backend)
        differences = ad.jacobian(f, x, backend="finite").reshape(J.shape)
        np.testing.assert_allclose(differences, J, atol=1e-6, err_msg="finite")


@pytest.mark.parametrize("backend", ["autograd", "torch"])
@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.ravel(x, order="K") * 2,
        lambda x: x.ravel("A") * 2,
        lambda x: x.reshape(-1, order="A") * 2,
        lambda x: np.copy(x).ravel("K"),
        lambda x: np.array(x).ravel("K"),
        lambda x: np.array(x.T).flatten("A"),
    ],
)
def test_an_order_that_is_not_known_is_refused(f: Any, backend: str) -> None:
    """On a framework's own arrays the same letters mean another order."""
    with pytest.raises(ad.errors.OperationNotSupportedError, match=r"strides are not known|lies in memory"):
        ad.jacobian(f, F, backend=backend)
    with pytest.raises(ad.errors.OperationNotSupportedError, match=r"strides are not known|lies in memory"):
        ad.prepare_jacobian(f, F, backend=backend)


@pytest.mark.parametrize("follow", [False, True])
def test_a_compiled_program_has_no_order_of_memory(follow: bool) -> None:
    """What was recorded of an array in the order of C is not taken for one in the order of Fortran."""
    f = lambda x: np.array(x).ravel("K") * 1.0  # noqa: E731
    for at in (F, F.copy("C")):
        with pytest.raises(ad.errors.FunctionNotSupportedError, match=r"memory|strides"):
            ad.prepare_jacobian(f, at, backend="numpy:compiled", follow=follow)
