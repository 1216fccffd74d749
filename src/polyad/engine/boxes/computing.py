"""NumPy's functions whose result never shares memory with an argument.

For these, the most frequently called ones, it is not looked up at each call; for every function that is not
listed here it is. A test calls each in many forms and finds no view of an argument.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["COMPUTING"]

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
