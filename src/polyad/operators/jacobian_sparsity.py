"""Pattern of the Jacobian: which entries may be other than zero."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from polyad.call.prepared import Prepared
from polyad.operators.docs import document
from polyad.sparse.detection import TracingDetector, detector_of
from polyad.sparse.pattern import Pattern
from polyad.systems.base import Backend
from polyad.systems.contract import Kernel, Problem

__all__ = ["Sparsity", "chosen", "jacobian_sparsity"]


class Sparsity(Prepared):
    """A function whose pattern is looked for while it is prepared."""

    operator = "jacobian_sparsity"
    gives = "output"
    differentiates = False
    listed = False
    second = False
    found: Pattern

    def __init__(self, f: Callable[..., Any], args: tuple[Any, ...], detector: Any, **options: Any) -> None:
        self._detector = detector
        super().__init__(f, args, once=True, **options)

    def _kernel(self, backend: Backend, problem: Problem) -> Kernel:
        detector = detector_of(self._detector, backend)
        self.found = (detector.hessian_sparsity if self.second else detector.jacobian_sparsity)(problem)
        return backend.value(problem)


def chosen(detector: Any, local: bool, unknown: str) -> Any:
    """The detector that was asked for."""
    return TracingDetector(local=local, unknown=unknown) if detector == "auto" else detector


@document
def jacobian_sparsity(
    f: Callable[..., Any],
    *args: Any,
    backend: Backend | str | None = None,
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    follow: bool | tuple[str, ...] | None = None,
    detector: Any = "auto",
    local: bool = False,
    unknown: str = "raise",
) -> Pattern:
    """Pattern of the Jacobian of a function of arrays.

    It is found from the function itself, not from numbers, at the cost of a few evaluations: exact where
    that can be, with more entries where it must, and never without one.

    Parameters
    ----------
    f : callable
        The function of arrays that returns arrays.
    {args}
    {common}
    detector : "auto" or detector
        Who finds it: a ``polyad.sparse.TracingDetector``, ``DenseDetector``, ``ProbingDetector``, or an
        object like these.
    local : bool
        Of ``"auto"``: whether the pattern is that at ``args``, where branches are taken. Otherwise it holds
        for every input of the same form.
    unknown : {"raise", "dense"}
        Of ``"auto"``: whether an operation that is not known is an error, or counts as one of which
        every result depends on every operand.

    Returns
    -------
    polyad.sparse.Pattern
        Its rows are the entries of the output, its columns those of the active arguments, in flat order;
        alone, also with ``has_aux``.

    Raises
    ------
    {errors}

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> pattern = ad.jacobian_sparsity(lambda x: x[1:] * x[:-1], np.zeros(5))
    >>> pattern
    <Pattern of shape (4, 5), 8 entries, 40 %>
    >>> pattern.to_scipy().toarray().astype(int)
    array([[1, 1, 0, 0, 0],
           [0, 1, 1, 0, 0],
           [0, 0, 1, 1, 0],
           [0, 0, 0, 1, 1]])
    """
    return Sparsity(
        f,
        args,
        chosen(detector, local, unknown),
        backend=backend,
        argnums=argnums,
        has_aux=has_aux,
        follow=follow,
    ).found
