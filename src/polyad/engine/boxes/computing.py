"""NumPy's functions whose result never shares memory with an argument, and of what kind it is.

For these, the most frequently called ones, it is not looked up at each call; for every function that is not
listed here it is. A test calls each in many forms and finds no view of an argument.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from polyad.engine.boxes.box import Box, as_array

__all__ = ["ARRAYS", "COMPUTING", "as_in_numpy", "as_number"]

_NUMPY = """
    all allclose amax amin angle any append argmax argmin argpartition argsort argwhere around
    array_equal array_equiv average bincount block choose clip column_stack compress concat concatenate
    convolve copy corrcoef correlate count_nonzero cov cross cumprod cumsum cumulative_prod
    cumulative_sum delete diag_indices_from diagflat digitize dot dstack ediff1d empty_like extract fix
    flatnonzero full_like geomspace gradient hstack i0 inner insert interp isclose iscomplex isin
    isneginf isposinf isreal kron lexsort linspace logspace max mean median min nanargmax nanargmin
    nancumprod nancumsum nanmax nanmean nanmedian nanmin nanpercentile nanprod nanquantile nanstd nansum
    nanvar nonzero ones_like outer pad partition percentile poly polyadd polydiv polyfit polymul polysub
    polyval prod ptp quantile repeat resize roll roots round searchsorted select sinc sort stack std sum
    take take_along_axis tensordot tile trace trapezoid tril tril_indices_from triu triu_indices_from
    unique unique_all unique_counts unique_inverse unique_values unwrap vander var vdot vstack where
    zeros_like
"""
_LINALG = """
    cholesky cond cross det eig eigh eigvals eigvalsh inv lstsq matmul matrix_norm matrix_rank multi_dot
    norm outer pinv qr slogdet solve svd svdvals tensordot tensorinv tensorsolve trace vecdot
    vector_norm
"""
_FFT = "fft fftshift hfft ifft ifftshift ihfft irfft irfft2 irfftn rfft rfft2 rfftn"
_EMATH = "arccos arcsin arctanh log log10 log2 logn power sqrt"

COMPUTING: frozenset[Any] = frozenset(
    getattr(module, name)
    for module, names in ((np, _NUMPY), (np.linalg, _LINALG), (np.fft, _FFT), (np.emath, _EMATH))
    for name in names.split()
)
# methods of arrays, and whatever else leads to the same functions
COMPUTING_METHODS = frozenset(
    """
    all any argmax argmin argpartition argsort choose clip compress copy cumprod cumsum dot flatten item max
    mean min nonzero prod repeat round searchsorted std sum take tolist trace var
    """.split()
)

# Results of these are arrays without axes, too; of the others they are numbers then.
ARRAYS: frozenset[Any] = frozenset(
    {
        *(np.apply_along_axis, np.i0, np.piecewise, np.real_if_close, np.resize),
        *(np.roll, np.select, np.tensordot, np.where),
    }
)


def as_in_numpy(func: Any, result: Any) -> Any:
    """What has no axes as the number or array that NumPy gives: ``+=`` changes all names of an array."""
    if not isinstance(result, Box) or result._value.shape:
        return result
    if func in ARRAYS:
        return result if result._is_array() else as_array(result._value)
    return as_number(result) if func in COMPUTING or func is np.nan_to_num else result


def as_number(box: Box) -> Box:
    """Let a box without axes stand for a number, though its value may be an array now."""
    if box._is_array():
        box._layout = False  # type: ignore[assignment]
    return box
