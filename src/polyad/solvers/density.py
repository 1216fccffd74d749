"""Log densities for samplers: value and gradient of one vector, from a function of arrays or trees."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.arrays.types import Array
from polyad.errors import ArgumentError, OptionalPackageError
from polyad.operators.differentiate_with import differentiate_with
from polyad.solvers.nlp.program import Program, program
from polyad.systems.base import Backend

__all__ = ["LogDensity", "log_density"]


class LogDensity:
    """A log density of one vector of float64 with its derivatives; made by ``log_density``.

    Attributes
    ----------
    n : int
        How many numbers there are.
    start : array of shape (n,)
        The example of the parameters, as a vector.
    """

    def __init__(self, make: Callable[[], Program], f: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self._make, self._f, self._args = make, f, args
        self._program = make()
        self.n, self.start = self._program.n, self._program.start

    def __call__(self, x: Array) -> float:
        """The log density alone, for samplers without gradients (emcee)."""
        return self._program.objective_alone(self._vector(x))

    def value_and_gradient(self, x: Array) -> tuple[float, Array]:
        """The log density and its gradient."""
        x = self._vector(x)
        return self._program.objective(x), self._program.gradient(x)

    def gradient(self, x: Array) -> Array:
        """The gradient, of shape (n,)."""
        return self._program.gradient(self._vector(x))

    def hvp(self, x: Array, v: Array) -> Array:
        """The product of the Hessian and ``v``."""
        return self._program.hessian_product(self._vector(x), self._vector(v), np.zeros(0))

    def hessian(self, x: Array) -> Array:
        """The Hessian as an array of shape (n, n)."""
        return self._program.hessian_matrix(self._vector(x), np.zeros(0)).toarray()

    def split(self, x: Array) -> Any:
        """The parameters of a vector, in the form of the example."""
        return self._program.unknown.returned(self._vector(x))

    def _vector(self, x: Any) -> Array:
        try:
            found = np.asarray(x, dtype=np.float64)
        except (TypeError, ValueError):
            found = None
        if found is None or found.shape != (self.n,):
            what = f"a {type(x).__name__}" if found is None else f"shape {found.shape}"
            raise ArgumentError(
                f"{self!r} was given {what}: pass one vector of shape ({self.n},), of which split(x) makes "
                "the form of the example"
            )
        return found

    def __repr__(self) -> str:
        label = getattr(self._f, "__name__", type(self._f).__name__)
        return f"<log density {label} of {self.n} numbers, by {self._program.backend!r}>"

    def __reduce__(self) -> Any:
        # prepared again where it arrives: pools of processes are handed the function
        return LogDensity, (self._make, self._f, self._args)

    def to_jax(self) -> Callable[[Any], Any]:
        """The function of one vector of JAX's, for blackjax and NumPyro: within ``jit`` and ``grad``."""
        p = self._program
        p.gradient(p.start)  # what cannot be differentiated is refused now, not in the midst of a sampler

        def flat(x: Any) -> Any:
            return self._f(p.unknown.parted(x), *self._args)

        return differentiate_with(flat, p.backend)

    def to_nutpie(self, names: str = "x") -> Any:
        """The model that ``nutpie.sample`` takes; its draws are vectors with that name.

        Chains share nothing: each prepares a function of its own.
        """
        try:
            from nutpie.compiled_pyfunc import from_pyfunc
        except ModuleNotFoundError as error:
            raise OptionalPackageError("nutpie is not installed: pip install nutpie") from error

        self._program.gradient(self.start)  # or each chain would say of its own what is wrong

        def make_logp() -> Callable[[Array], tuple[float, Array]]:
            return LogDensity(self._make, self._f, self._args).value_and_gradient

        def make_expand(*_: Any) -> Callable[[Array], dict[str, Array]]:
            return lambda x: {names: np.array(x)}

        start = self.start
        return from_pyfunc(
            self.n,
            make_logp,
            make_expand,
            [np.dtype(np.float64)],
            [(self.n,)],
            [names],
            make_initial_point_fn=lambda seed: start + np.random.default_rng(seed).normal(0, 0.1, len(start)),
        )


def log_density(
    f: Callable[..., Any],
    start: Any,
    *args: Any,
    backend: Backend | str | None = None,
    follow: bool | tuple[str, ...] | None = None,
) -> LogDensity:
    """A log density with derivatives, for samplers.

    Parameters
    ----------
    f : callable
        ``f(parameters, *args)``, the logarithm of a density up to a constant.
    start : array, number or tree of them
        An example of the parameters.
    *args
        Data.
    backend : Backend or str, optional
        Who differentiates; by default the library of ``start``.
    follow : bool or tuple of str, optional
        Whether code of packages that loses a derivative is followed, as in ``gradient``.

    Returns
    -------
    LogDensity
        ``to_nutpie()`` for nutpie, ``to_jax()`` for blackjax and NumPyro; the object itself for emcee, and
        for what takes a value, a gradient and products with the Hessian.

    Examples
    --------
    >>> import numpy as np
    >>> from polyad.solvers import log_density
    >>> d = log_density(lambda p, y: -np.sum((y - p["mean"]) ** 2) / 2, {"mean": 0.0}, np.array([1.0, 2.0]))
    >>> d.value_and_gradient(np.zeros(1)), d.hvp(np.zeros(1), np.ones(1))
    ((-2.5, array([3.])), array([-2.]))
    """
    make = functools.partial(program, f, start, *args, backend=backend, follow=follow)
    return LogDensity(make, f, args)
