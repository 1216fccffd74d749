"""A few functions that call public packages, for ``wild.py``, which also takes another file of this form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Builder = Callable[[], tuple[Callable[..., Any], list[float]]]
# what is installed beside the frameworks
PACKAGES = ["numpy-financial", "fluids", "ht", "chemicals", "scikit-learn"]


def student() -> tuple[Callable[..., Any], list[float]]:
    """A log-likelihood in the degrees of freedom, the place and the scale."""
    import scipy.stats

    data = np.linspace(-2.0, 3.5, 23)
    return lambda p: scipy.stats.t.logpdf(data, p[0], loc=p[1], scale=p[2]).sum(), [4.5, 0.2, 1.3]


def turned() -> tuple[Callable[..., Any], list[float]]:
    """A vector turned by a rotation vector."""
    from scipy.spatial.transform import Rotation

    return lambda p: Rotation.from_rotvec(p).apply([1.0, -2.0, 0.5]), [0.3, -0.4, 0.9]


def smoothed() -> tuple[Callable[..., Any], list[float]]:
    """The integral of a spline through values."""
    from scipy.interpolate import CubicSpline

    return lambda p: CubicSpline(np.arange(5.0), p).integrate(0.5, 3.25), [0.0, 1.0, 0.5, -0.3, 2.0]


def present_value() -> tuple[Callable[..., Any], list[float]]:
    """The net present value of payments, in the rate and the payments."""
    import numpy_financial as npf

    return lambda p: npf.npv(p[0], p[1:]), [0.07, -100.0, 39.0, 59.0, 55.0]


def loan() -> tuple[Callable[..., Any], list[float]]:
    """The instalment of a loan, in rate and principal."""
    import numpy_financial as npf

    return lambda p: npf.pmt(p[0] / 12, 180, p[1]), [0.045, 2e5]


def friction() -> tuple[Callable[..., Any], list[float]]:
    """The pressure loss in a pipe, by Colebrook's factor."""
    import fluids

    def f(p: Any) -> Any:
        return fluids.friction_factor(Re=p[0], eD=p[1]) * p[2] ** 2

    return f, [1.2e5, 2e-4, 1.7]


def exchanger() -> tuple[Callable[..., Any], list[float]]:
    """The mean temperature difference of a heat exchanger."""
    import ht

    return lambda p: ht.LMTD(p[0], p[1], p[2], p[3]), [370.0, 330.0, 290.0, 320.0]


def vapour() -> tuple[Callable[..., Any], list[float]]:
    """A vapour pressure by Antoine's equation."""
    import chemicals

    return lambda p: chemicals.Antoine(p[0], p[1], p[2], p[3]), [320.0, 9.4, 1700.0, -40.0]


def regression() -> tuple[Callable[..., Any], list[float]]:
    """The mean squared error of a straight line."""
    from sklearn.metrics import mean_squared_error

    t = np.linspace(0.0, 1.0, 12)
    return lambda p: mean_squared_error(np.sin(3 * t), p[0] + p[1] * t), [0.2, 0.8]


def kernels() -> tuple[Callable[..., Any], list[float]]:
    """The entries of a Gaussian kernel matrix, in the length."""
    from sklearn.metrics.pairwise import rbf_kernel

    points = np.random.default_rng(11).normal(size=(6, 2))
    return lambda p: rbf_kernel(points, gamma=p[0]).sum() * p[1], [0.7, 1.1]


# name -> package, builder
CASES: dict[str, tuple[str, Builder]] = {
    "scipy:student": ("scipy", student),
    "scipy:turned": ("scipy", turned),
    "scipy:smoothed": ("scipy", smoothed),
    "numpy-financial:present_value": ("numpy-financial", present_value),
    "numpy-financial:loan": ("numpy-financial", loan),
    "fluids:friction": ("fluids", friction),
    "ht:exchanger": ("ht", exchanger),
    "chemicals:vapour": ("chemicals", vapour),
    "scikit-learn:regression": ("scikit-learn", regression),
    "scikit-learn:kernels": ("scikit-learn", kernels),
}
