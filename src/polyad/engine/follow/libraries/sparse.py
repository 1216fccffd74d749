"""Sparse matrices of SciPy whose entries are differentiated, as packages assemble them.

SciPy keeps the entries in plain arrays. What stands for such a matrix holds all entries, zeros too, in one
box: it computes what the matrix computes, at the price of a dense one, so a large one is refused.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse

from polyad.engine.boxes.box import wrap
from polyad.engine.boxes.boxing import BOXES, unbox
from polyad.engine.core.following import FOLLOWING
from polyad.engine.core.refusals import refuse
from polyad.engine.core.values import Tracer
from polyad.engine.follow.conversions import as_box, dtype_of
from polyad.engine.follow.counterparts import COUNTERPARTS, Counterpart, counterpart, has_box
from polyad.engine.follow.libraries.trees import numbers_of
from polyad.engine.rules.structure import scatter

__all__ = ["ENTER", "Assembled", "multiplied"]

# beyond so many entries, zeros counted, a matrix is not made
MOST = 1_000_000
FORMATS = ("coo", "csr", "csc")


class Assembled:
    """Stands for a sparse matrix, or a sparse array of two axes.

    Parameters
    ----------
    dense : Box or ndarray
        All entries.
    is_matrix : bool
        Whether ``*`` is the product of matrices.
    format : str
        The name of its storage.
    """

    __array_ufunc__ = None  # NumPy's arrays leave operators to it
    ndim = 2

    def __init__(self, dense: Any, is_matrix: bool, format: str) -> None:
        self.dense, self.is_matrix, self.format = dense, is_matrix, format

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns."""
        shape: tuple[int, ...] = self.dense.shape
        return shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """NumPy's dtype of the entries."""
        dtype: np.dtype[Any] = self.dense.dtype
        return dtype

    def _like(self, dense: Any) -> Assembled:
        return Assembled(dense, self.is_matrix, self.format)

    def toarray(self, order: Any = None, out: Any = None) -> Any:
        """All entries, zeros too."""
        return np.copy(self.dense)

    def todense(self, order: Any = None, out: Any = None) -> Any:
        """As SciPy has it, an array of a sparse array."""
        if self.is_matrix:
            raise refuse("A.todense() of a matrix that is differentiated, a numpy.matrix", "use A.toarray()")
        return self.toarray()

    def transpose(self, axes: Any = None, copy: bool = False) -> Assembled:
        """Rows as columns."""
        return self._like(self.dense.T)

    T = property(transpose)

    def copy(self) -> Assembled:
        """Another matrix of the same entries."""
        return self._like(np.copy(self.dense))

    def conj(self, copy: bool = True) -> Assembled:
        """The conjugate entries."""
        return self._like(np.conj(self.dense))

    conjugate = conj

    def astype(self, dtype: Any, casting: str = "unsafe", copy: bool = True) -> Assembled:
        """Entries of another dtype."""
        return self._like(self.dense.astype(dtype_of(dtype)))

    def diagonal(self, k: int = 0) -> Any:
        """The entries of a diagonal."""
        return np.copy(np.diagonal(self.dense, k))

    def multiply(self, other: Any) -> Any:
        """The product entry by entry."""
        return self._like(self.dense * _dense(other))

    def sum(self, axis: Any = None) -> Any:
        """The sum of the entries."""
        if axis is not None and self.is_matrix:
            raise refuse("A.sum(axis) of a matrix that is differentiated, a numpy.matrix", "use A.toarray()")
        return np.sum(self.dense, axis=axis)

    def dot(self, other: Any) -> Any:
        """The product of matrices, or with a number."""
        return self * other if np.ndim(_dense(other)) == 0 else self @ other

    def __matmul__(self, other: Any) -> Any:
        result = np.matmul(self.dense, _dense(other))
        return self._like(result) if _is_sparse(other) else result

    def __rmatmul__(self, other: Any) -> Any:
        result = np.matmul(_dense(other), self.dense)
        return self._like(result) if _is_sparse(other) else result

    def __mul__(self, other: Any) -> Any:
        if np.ndim(_dense(other)) == 0:
            return self._like(self.dense * other)
        return self @ other if self.is_matrix else self.multiply(other)

    def __rmul__(self, other: Any) -> Any:
        if np.ndim(_dense(other)) == 0:
            return self._like(self.dense * other)
        return other @ self if self.is_matrix else self.multiply(other)

    def __truediv__(self, other: Any) -> Any:
        if np.ndim(_dense(other)) != 0:
            return NotImplemented
        return self._like(self.dense / other)

    def __neg__(self) -> Assembled:
        return self._like(-self.dense)

    def _sum(self, other: Any, sign: float) -> Any:
        result = self.dense + sign * _dense(other)
        if _is_sparse(other):
            return self._like(result)
        if self.is_matrix:
            raise refuse("a sparse matrix that is differentiated + an array", "use A.toarray()")
        return result

    def __add__(self, other: Any) -> Any:
        return self._sum(other, 1.0)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        return self._sum(other, -1.0)

    def __rsub__(self, other: Any) -> Any:
        return (-self)._sum(other, 1.0)

    def __getitem__(self, key: Any) -> Any:
        rows, columns = key if isinstance(key, tuple) and len(key) == 2 else (key, slice(None))
        one = [isinstance(k, int | np.integer) for k in (rows, columns)]
        if all(one):
            return self.dense[rows, columns]
        if self.is_matrix:  # which keeps two axes
            rows, columns = (
                [int(k)] if is_one else k for k, is_one in zip((rows, columns), one, strict=True)
            )
        result = self.dense[rows][:, columns] if isinstance(columns, slice) else self.dense[rows, columns]
        if isinstance(rows, list) and isinstance(columns, slice | list):
            result = self.dense[rows][:, columns]
        if np.ndim(result) != 2:
            raise refuse("entries of a sparse matrix that is differentiated in this form", "use A.toarray()")
        return self._like(result)

    def __bool__(self) -> bool:
        raise ValueError("The truth value of an array with more than one element is ambiguous.")


def _to(name: str) -> Callable[..., Assembled]:
    def change(self: Assembled, *_: Any, **__: Any) -> Assembled:
        return Assembled(self.dense, self.is_matrix, name)

    return change


for _name in ("coo", "csr", "csc", "lil", "dok", "bsr", "dia"):
    setattr(Assembled, f"to{_name}", _to(_name))


def _is_sparse(a: Any) -> bool:
    return isinstance(a, Assembled) or scipy.sparse.issparse(a)


def _dense(a: Any) -> Any:
    """What an operator meets, as an array or a number."""
    if isinstance(a, Assembled):
        return a.dense
    if scipy.sparse.issparse(a):
        return a.toarray()
    return as_box(a) if isinstance(a, list | tuple) and has_box(a) else a


def multiplied(matrix: Any, other: Any) -> Any:
    """The product of a plain matrix with what is differentiated, entry by entry."""
    if matrix.ndim != 2 or matrix.shape[0] * matrix.shape[1] > MOST:
        return NotImplemented
    return Assembled(matrix.toarray(), isinstance(matrix, scipy.sparse.spmatrix), matrix.format).multiply(
        other
    )


def _maker(cls: type, name: str) -> None:
    is_matrix = issubclass(cls, scipy.sparse.spmatrix)

    @counterpart(cls, _OfSparse)
    def make(arg1: Any, shape: Any = None, dtype: Any = None, copy: bool = False, **_: Any) -> Any:
        if not isinstance(arg1, Assembled):
            if not _is_differentiated(arg1):  # new arrays that hold nothing yet
                return cls(numbers_of(arg1), shape, dtype, copy)
            _watch(arg1)
        dense = arg1.dense if isinstance(arg1, Assembled) else _entries(arg1, shape, name)
        dense = dense if dtype is None else dense.astype(dtype_of(dtype))
        return Assembled(dense, is_matrix, name)


def _is_differentiated(a: Any) -> bool:
    if type(a) in BOXES:
        return isinstance(a._value, Tracer)
    if isinstance(a, np.ndarray):
        return a.dtype == object and any(map(_is_differentiated, a.flat))
    return isinstance(a, list | tuple) and any(map(_is_differentiated, a))


def _watch(arg1: Any) -> None:
    """Refuse it at the end of the run if its array is written to, whose memory SciPy's matrix would share."""
    data = arg1[0] if isinstance(arg1, tuple) else arg1
    if type(data) in BOXES and data.shape:
        FOLLOWING.viewed.append((data, data._value))


def _entries(arg1: Any, shape: Any, name: str) -> Any:
    if not isinstance(arg1, tuple) or not isinstance(arg1[1], tuple | list | np.ndarray):
        dense = as_box(arg1)
        if dense.ndim != 2 or dense.size > MOST:
            raise refuse("a sparse array of this shape that is differentiated", "use arrays")
        return dense
    if len(arg1) == 3:
        data, inner, starts = arg1
        outer = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
        rows, columns = (outer, inner) if name == "csr" else (inner, outer)
        least: tuple[int, ...] = (len(starts) - 1, int(np.max(numbers_of(inner), initial=-1)) + 1)
        least = least if name == "csr" else least[::-1]
    else:
        data, (rows, columns) = arg1
        least = tuple([int(np.max(numbers_of(k), initial=-1)) + 1 for k in (rows, columns)])
    rows, columns = (np.asarray(numbers_of(k)).astype(np.intp) for k in (rows, columns))
    count, width = (int(k) for k in (least if shape is None else shape))
    if count * width > MOST:
        raise refuse(
            f"a sparse matrix of {count} x {width} entries that is differentiated, zeros kept as well,",
            "use ad.linalg.spsolve(A, b, data=...)",
        )
    entries = scatter(unbox(as_box(data)), index=rows * width + columns, shape=(count * width,))
    return np.reshape(wrap(entries), (count, width))


class _OfSparse(Counterpart):
    """Stands for a function whose arguments may be such matrices."""

    __slots__ = ()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if FOLLOWING.depth and any(isinstance(a, Assembled) for a in args):
            return self.own(*args, **kwargs)
        return super().__call__(*args, **kwargs)


def _sparse(module: Any) -> None:
    for name in FORMATS:
        for kind in ("matrix", "array"):
            _maker(getattr(module, f"{name}_{kind}"), name)
    for name in ("issparse", "isspmatrix"):
        original = getattr(module, name)
        counterpart(original, _OfSparse)(_asked(original))


def _asked(original: Any) -> Callable[..., bool]:
    def is_sparse(x: Any) -> bool:
        if isinstance(x, Assembled):  # SciPy's own code leaves it to that
            return not str(sys._getframe(2).f_globals.get("__name__", "")).startswith("scipy.sparse")
        return bool(original(x))

    return is_sparse


def _solving(module: Any) -> None:
    earlier = COUNTERPARTS.get(id(module.spsolve), module.spsolve)

    @counterpart(module.spsolve, _OfSparse)
    def spsolve(A: Any, b: Any, permc_spec: Any = None, use_umfpack: bool = True) -> Any:
        if not isinstance(A, Assembled) or _is_sparse(b):
            return earlier(A, b, permc_spec, use_umfpack)
        column = np.ndim(b) == 2 and np.shape(b)[1] == 1  # SciPy gives a vector of it
        found = np.linalg.solve(A.dense, _dense(b))
        return found[:, 0] if column else found

    counterpart(module.splu, _OfSparse)(Factors)
    counterpart(module.factorized, _OfSparse)(lambda A: Factors(A).solve)


class Factors:
    """What solves equations with one matrix again and again."""

    def __init__(self, A: Assembled, **_: Any) -> None:
        self._dense = A.dense
        self.shape = A.shape

    def solve(self, rhs: Any, trans: str = "N") -> Any:
        """The solution for a right-hand side."""
        matrix = {"N": self._dense, "T": self._dense.T, "H": np.conj(self._dense.T)}[trans]
        return np.linalg.solve(matrix, rhs if type(rhs) in BOXES else np.asarray(rhs))


ENTER: dict[str, Callable[[Any], None]] = {"scipy.sparse": _sparse, "scipy.sparse.linalg": _solving}
