"""What to call instead of functions that read plain arrays only.

SciPy turns whatever it gets into a plain array, which loses what follows it. Most of its functions have a
counterpart in NumPy that is followed; the others have one in ``polyad.linalg``, ``polyad.special``,
``polyad.integrate`` or ``polyad.optimize``.
"""

from __future__ import annotations

__all__ = ["INSTEAD", "instead"]

_SAME = "use np.linalg.{}"
_OURS = "use polyad.linalg.{}"

# module -> function -> the remedy; "{}" stands for the function's name
INSTEAD: dict[str, dict[str, str]] = {
    "scipy.linalg": {
        **dict.fromkeys("inv det solve eig eigvals eigh eigvalsh svdvals norm pinv lstsq".split(), _SAME),
        **dict.fromkeys("expm logm sqrtm solve_triangular cho_solve block_diag toeplitz".split(), _OURS),
        "cho_factor": "use polyad.linalg.cho_factor",
        "cholesky": "use np.linalg.cholesky(a, upper=True); np.linalg.cholesky(a) for lower=True",
        "qr": "use np.linalg.qr, whose mode='reduced' is mode='economic' here",
        "svd": "use np.linalg.svd(a, full_matrices=False)",
        "pinvh": "use np.linalg.pinv(a, hermitian=True)",
        "lu": "use np.linalg.qr, or np.linalg.solve for what it is meant for",
        "lu_factor": "use np.linalg.solve",
        "lu_solve": "use np.linalg.solve",
        "khatri_rao": "use np.einsum('ik,jk->ijk', a, b).reshape(-1, a.shape[1])",
        "circulant": "use polyad.linalg.toeplitz(c, np.roll(np.flip(c), 1))",
    },
    "scipy.special": {
        **dict.fromkeys("logsumexp softmax log_softmax".split(), "use polyad.special.{}"),
        "polygamma": "use (-1) ** (n + 1) * scipy.special.gamma(n + 1) * scipy.special.zeta(n + 1, x)",
    },
    "scipy.stats": dict.fromkeys(
        "pdf logpdf pmf logpmf cdf logcdf sf logsf".split(),
        "use the same method of polyad.stats, which is followed",
    ),
    "scipy.integrate": dict.fromkeys(
        "trapezoid simpson cumulative_trapezoid quad quad_vec solve_ivp odeint".split(),
        "use polyad.integrate.{}",
    ),
    "scipy.sparse": {"spsolve": "use polyad.linalg.spsolve"},
    "scipy.optimize": dict.fromkeys(
        "root brentq newton fixed_point minimize least_squares linear_sum_assignment".split(),
        "use polyad.optimize.{}",
    ),
    "scipy.signal": {
        "convolve": "use np.convolve",
        "fftconvolve": "use np.convolve, or a product of np.fft.rfft",
        "correlate": "use np.correlate",
    },
    "scipy.fft": dict.fromkeys(
        (
            "fft ifft rfft irfft fft2 ifft2 rfft2 irfft2 fftn ifftn rfftn irfftn "
            "hfft ihfft fftshift ifftshift"
        ).split(),
        "use np.fft.{}",
    ),
    "numpy.lib._polynomial_impl": {"roots": "use np.linalg.eigvals of the companion matrix"},
}


def instead(module: str, name: str) -> tuple[str, str] | None:
    """The full name of a function and what to call instead of it, or None."""
    place = ".".join(module.split(".")[:2]) if module.startswith("scipy.") else module
    remedy = INSTEAD.get(place, {}).get(name)
    if remedy is None:
        return None
    shown = "numpy" if module.startswith("numpy.") else place
    return f"{shown}.{name}", remedy.format(name)
