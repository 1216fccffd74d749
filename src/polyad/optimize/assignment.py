"""``linear_sum_assignment``: indices, which have no derivative."""

from __future__ import annotations

from typing import Any

import numpy as np

from polyad.engine.implicit.lifting import numbers_of

__all__ = ["linear_sum_assignment"]


def linear_sum_assignment(cost_matrix: Any, maximize: bool = False) -> tuple[Any, Any]:
    """``scipy.optimize.linear_sum_assignment``: indices, which are constant in pieces.

    Parameters
    ----------
    cost_matrix : array of shape (m, n)
        The costs, which may be differentiated.
    maximize : bool
        Whether the sum is to be large.

    Returns
    -------
    row_ind, col_ind : array of int
        Plain indices.

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> def cost(c):
    ...     return np.sum(c[ad.optimize.linear_sum_assignment(c)])
    >>> ad.gradient(cost, np.array([[4.0, 1.0], [2.0, 0.0]]))
    array([[0., 1.],
           [1., 0.]])
    """
    import scipy.optimize

    rows, columns = scipy.optimize.linear_sum_assignment(
        np.asarray(numbers_of(cost_matrix, "linear_sum_assignment")), maximize
    )
    return rows, columns
