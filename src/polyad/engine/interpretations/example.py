"""An array beside which something else is known: an example of its values, and what is refused of it."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from polyad.engine.core.refusals import refuse

__all__ = ["Example"]


class Example:
    """What programs and patterns compute with: an array whose values may differ from run to run.

    Parameters
    ----------
    value : numpy.ndarray or numpy.generic
        The example.
    """

    __slots__ = ("value",)

    refusal: ClassVar[tuple[str, str]]

    def __init__(self, value: Any) -> None:
        self.value = value

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        shape: tuple[int, ...] = self.value.shape
        return shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the entries."""
        dtype: np.dtype[Any] = self.value.dtype
        return dtype

    def _refused(self, *args: Any, **kwargs: Any) -> Any:
        raise refuse(*self.refusal)

    __array__ = __bool__ = __float__ = __int__ = __index__ = _refused
