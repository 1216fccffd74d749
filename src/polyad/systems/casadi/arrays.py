"""NumPy's operations on whole arrays, on CasADi's symbols: structure, reductions, linear algebra.

See ``adapter``, which adds the elementwise ones.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from polyad.engine.core.refusals import noted, refuse
from polyad.engine.core.values import PRIMITIVES, keys_of
from polyad.engine.interpretations.adapter import Adapter
from polyad.systems.casadi.forms import Forms
from polyad.systems.casadi.numpy_nodes import NeedsMatrices, called_back
from polyad.systems.casadi.symbolic import Symbolic, constant, positions

__all__ = ["Arrays"]

# Products of matrices with more multiplications than this are left to MX, which keeps them whole.
SCALAR_PRODUCTS = 100_000
# Determinants up to this size are polynomials, right for singular matrices too; beyond, factorisations.
POLYNOMIAL = 4


def _solve(a: Any, b: Any) -> Any:
    """Of two matrices; by default CasADi takes a pivot below 1e-12 for zero, whatever the others are."""
    import casadi

    return casadi.solve(a, b, "qr", {"eps": 1e-300})


class Arrays(Adapter):
    """Structure, reductions and linear algebra."""

    # -- structure ----------------------------------------------------------------------------------

    def own_zeros(self, like: Any, shape: tuple[int, ...]) -> Symbolic:
        return constant(np.zeros(shape, dtype=like.dtype), like.kind)

    def own_reshape(self, x: Any, shape: tuple[int, ...]) -> Symbolic:
        return x.reshaped(np.broadcast_to(np.empty(()), x.shape).reshape(shape).shape)

    def own_transpose(self, x: Any, axes: tuple[int, ...]) -> Symbolic:
        return x.take(positions(x.shape).transpose(axes))

    def own_broadcast_to(self, x: Any, shape: tuple[int, ...]) -> Symbolic:
        return x.spread(tuple(shape))

    def own_getitem(self, x: Any, index: Any) -> Symbolic:
        return x.take(np.asarray(positions(x.shape)[self._known(index)]))

    def _known(self, index: Any) -> Any:
        if any(isinstance(k, Symbolic) for k in keys_of(index)):
            raise refuse(
                "an index depends on a value that casadi does not have yet",
                "use np.where instead of a mask, or backend='numpy'",
            )
        return index

    def own_setitem(self, x: Any, v: Any, index: Any) -> Symbolic:
        where = np.asarray(positions(x.shape)[self._known(index)])
        if where.size == 0:
            return self._shaped(x)
        x, v = self._beside(x, v)
        dtype = x.dtype
        if v.shape != where.shape:
            v = v.reshaped(v.shape[max(0, len(v.shape) - where.ndim) :]).spread(where.shape)
        places = where.ravel()
        if places.size == 1 or (np.diff(places) > 0).all():  # no place is written twice
            column = x.kind(x.column)  # a copy, into which CasADi writes
            column[places.tolist()] = v.column
            return x.like(column, dtype=dtype)
        source = np.arange(x.size)
        source[places] = x.size + np.arange(where.size)
        return self._joined([x, v]).take(source.reshape(x.shape)).typed(dtype)

    def own_scatter(self, w: Any, index: Any, shape: tuple[int, ...]) -> Symbolic:
        import casadi

        where = np.asarray(positions(shape)[self._known(index)]).ravel()
        if where.size == 0:
            return self.own_zeros(w, shape)
        pattern = casadi.DM.triplet(where.tolist(), list(range(where.size)), [1.0] * where.size,
                                    math.prod(shape), where.size)  # fmt: skip
        return w.like(casadi.mtimes(pattern, w.column), tuple(shape))

    def own_concatenate(self, *parts: Any, axis: int) -> Symbolic:
        arrays = self._beside(*parts)
        offsets = np.cumsum([0, *(p.size for p in arrays[:-1])])
        grids = [positions(p.shape) + offset for p, offset in zip(arrays, offsets, strict=True)]
        return self._joined(arrays).take(np.concatenate(grids, axis=axis))

    def own_stack(self, *parts: Any, axis: int) -> Symbolic:
        arrays = self._beside(*parts)
        offsets = np.cumsum([0, *(p.size for p in arrays[:-1])])
        grids = [positions(p.shape) + offset for p, offset in zip(arrays, offsets, strict=True)]
        return self._joined(arrays).take(np.stack(grids, axis=axis))

    def _beside(self, *parts: Any) -> list[Symbolic]:
        """Operands as arrays of one kind of symbol; numbers among them take part as constants."""
        kind = next(p for p in parts if isinstance(p, Symbolic)).kind
        return [p if isinstance(p, Symbolic) else constant(p, kind) for p in parts]

    def _joined(self, parts: list[Symbolic]) -> Symbolic:
        import casadi

        column = casadi.vertcat(*(p.column for p in parts))
        strong = [p.dtype for p in parts if not p.weak] or [p.dtype for p in parts]
        return Symbolic(column, (sum(p.size for p in parts),), np.result_type(*strong))

    def _truths(self, x: Any) -> Any:
        """Ones and zeros for what is true and false."""
        import casadi

        if not isinstance(x, Symbolic):
            return bool(x)
        return x if x.dtype.kind == "b" else x.like(casadi.ne(x.column, 0.0), dtype=bool)

    def _shaped(self, x: Symbolic) -> Symbolic:
        return x

    # -- reductions -----------------------------------------------------------------------------------

    def _sides(
        self, x: Symbolic, axis: Any, keepdims: bool
    ) -> tuple[Any, int, tuple[int, ...], tuple[int, ...]]:
        """The array with reduced axes last, their length, the shape of the result and the order of axes."""
        axes = tuple(range(len(x.shape))) if axis is None else tuple(np.atleast_1d(axis).tolist())
        axes = tuple(k % len(x.shape) for k in axes)
        rest = tuple(k for k in range(len(x.shape)) if k not in axes)
        count = math.prod(x.shape[k] for k in axes)
        shape = (
            tuple(1 if k in axes else n for k, n in enumerate(x.shape))
            if keepdims
            else tuple(x.shape[k] for k in rest)
        )
        return self.own_transpose(x, (*rest, *axes)), count, shape, (*rest, *axes)

    def _columns(self, x: Symbolic, count: int) -> Any:
        import casadi

        return casadi.reshape(x.column, count, x.size // count)

    def own_sum(self, x: Any, axis: Any, keepdims: bool) -> Symbolic:
        import casadi

        moved, count, shape, _ = self._sides(x, axis, keepdims)
        dtype = np.dtype(np.int64) if x.dtype.kind == "b" else x.dtype
        if x.size == 0:
            return self.own_zeros(x.like(x.raw, dtype=dtype), shape)
        return x.like(casadi.sum1(self._columns(moved, count)).T, shape, dtype)

    def _extremum(self, x: Symbolic, axis: Any, keepdims: bool, pick: str) -> Symbolic:
        import casadi

        moved, count, shape, _ = self._sides(x, axis, keepdims)
        if count == 0:
            raise ValueError(f"zero-size array to reduction operation {pick} which has no identity")
        if x.size == 0:
            return self.own_zeros(x, shape)
        columns = self._columns(moved, count)
        better = casadi.fmax if pick == "max" else casadi.fmin
        best = columns[0, :]
        for k in range(1, count):
            best = better(best, columns[k, :])
        # where equal is piecewise constant, so that ties share equally to every order
        top = casadi.eq(columns, casadi.repmat(best, count, 1))
        total = casadi.sum1(casadi.if_else(top, columns, 0.0)) / casadi.sum1(top)
        # fmax and fmin pass over what is no number, NumPy's max and min do not
        total = casadi.if_else(casadi.sum1(Forms.isnan(columns)), math.nan, total)
        return x.like(total.T, shape)

    def own_max(self, x: Any, axis: Any, keepdims: bool) -> Symbolic:
        return self._extremum(x, axis, keepdims, "max")

    def own_min(self, x: Any, axis: Any, keepdims: bool) -> Symbolic:
        return self._extremum(x, axis, keepdims, "min")

    def own_cumsum(self, x: Any, axis: int) -> Symbolic:
        import casadi

        if x.size == 0:
            return self._shaped(x)
        moved, count, _, order = self._sides(x, axis, True)
        sums = casadi.vec(casadi.cumsum(self._columns(moved, count), 0))
        back = tuple(int(k) for k in np.argsort(order))
        dtype = np.dtype(np.int64) if x.dtype.kind == "b" else x.dtype
        return self.own_transpose(x.like(sums, moved.shape, dtype), back)

    def own_count_nonzero(self, x: Any, axis: Any, keepdims: bool) -> Symbolic:
        return self.own_sum(self._truths(x), axis, keepdims)

    def own_any(self, x: Any, axis: Any, keepdims: bool) -> Symbolic:
        import casadi

        found = self.own_count_nonzero(x, axis, keepdims)
        return found.like(casadi.gt(found.column, 0.5), dtype=bool)

    def own_all(self, x: Any, axis: Any, keepdims: bool) -> Symbolic:
        import casadi

        found = self.own_count_nonzero(x, axis, keepdims)
        count = x.size // max(1, found.size)
        return found.like(casadi.gt(found.column, count - 0.5), dtype=bool)

    # -- products -------------------------------------------------------------------------------------

    def own_matmul(self, a: Any, b: Any) -> Symbolic:
        a, b = self._beside(a, b)
        if len(a.shape) == 1:
            product = self.own_matmul(a.reshaped((1, *a.shape)), b)
            return product.reshaped(product.shape[:-2] + product.shape[-1:] if len(b.shape) > 1
                                    else product.shape[:-1])  # fmt: skip
        if len(b.shape) == 1:
            product = self.own_matmul(a, b.reshaped((*b.shape, 1)))
            return product.reshaped(product.shape[:-1])
        if a.shape[-1] != b.shape[-2]:
            raise ValueError(f"matmul: shapes {a.shape} and {b.shape} do not fit")
        lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        dtype = np.result_type(a.dtype, b.dtype)
        shape = (*lead, a.shape[-2], b.shape[-1])
        if math.prod(shape) * a.shape[-1] == 0:
            return self.own_zeros(a.like(a.raw, dtype=dtype), shape)
        if dtype.kind == "b":
            raise refuse(
                "a matrix product of truth values has no counterpart in casadi", "use x.astype(float)"
            )
        self._fits_scalars(a, math.prod(shape) * a.shape[-1])
        return self._each(self._product, (a, b), lead, shape, dtype)

    def _product(self, a: Any, b: Any) -> Any:
        import casadi

        return casadi.mtimes(a, b)

    def _fits_scalars(self, x: Symbolic, products: int) -> None:
        if x.kind.__name__ == "SX" and products > SCALAR_PRODUCTS:
            words = f"a matrix product of {products} multiplications is too large for scalar expressions"
            raise noted(NeedsMatrices(f"{words}: use polyad.CasADi(symbols='MX')"))

    def _each(self, f: Any, operands: tuple[Symbolic, ...], lead: Any, shape: Any, dtype: Any) -> Symbolic:
        """A function of matrices, over the leading axes."""
        import casadi

        stacks = [x.spread((*lead, *x.shape[-2:])) for x in operands]
        parts = []
        for k in range(math.prod(lead)):
            matrices = []
            for x in stacks:
                size = x.shape[-2] * x.shape[-1]
                part = x.take(np.arange(k * size, (k + 1) * size)).reshaped(x.shape[-2:])
                matrices.append(part.matrix())
            parts.append(casadi.vec(f(*matrices).T))
        column = parts[0] if len(parts) == 1 else casadi.vertcat(*parts)
        return Symbolic(column, tuple(shape), dtype)

    def own_einsum(self, *operands: Any, subscripts: str) -> Symbolic:
        inputs, _, output = subscripts.replace(" ", "").partition("->")
        if "." in subscripts:
            raise refuse("an ellipsis in einsum has no counterpart in casadi", "name every axis")
        labels = inputs.split(",")
        pending = [self._diagonal(x, word) for x, word in zip(self._beside(*operands), labels, strict=True)]
        x, have = pending[0]
        for k, (y, other) in enumerate(pending[1:], 2):
            later = set(output).union(*(word for _, word in pending[k:]))
            x, have = self._pair(x, have, y, other, later)
        spare = tuple(k for k, letter in enumerate(have) if letter not in output)
        if spare:
            x = self.own_sum(x, spare, False)
            have = "".join(letter for letter in have if letter in output)
        return self.own_transpose(x, tuple(have.index(letter) for letter in output))

    def _diagonal(self, x: Symbolic, word: str) -> tuple[Symbolic, str]:
        """An operand with every letter once."""
        if len(set(word)) == len(word):
            return x, word
        once = "".join(dict.fromkeys(word))
        return x.take(np.einsum(positions(x.shape), [ord(s) - 65 for s in word],
                                [ord(s) - 65 for s in once])), once  # fmt: skip

    def _pair(self, x: Symbolic, a: str, y: Symbolic, b: str, later: set[str]) -> tuple[Symbolic, str]:
        """Two operands as one batched product of matrices."""
        drop = tuple(k for k, s in enumerate(a) if s not in b and s not in later)
        x, a = self.own_sum(x, drop, False) if drop else x, "".join(s for s in a if s in b or s in later)
        drop = tuple(k for k, s in enumerate(b) if s not in a and s not in later)
        y, b = self.own_sum(y, drop, False) if drop else y, "".join(s for s in b if s in a or s in later)
        size = {**dict(zip(a, x.shape, strict=True)), **dict(zip(b, y.shape, strict=True))}
        batch = "".join(s for s in a if s in b and s in later)
        inner = "".join(s for s in a if s in b and s not in later)
        left, right = "".join(s for s in a if s not in b), "".join(s for s in b if s not in a)

        def count(word: str) -> int:
            return math.prod(size[s] for s in word)

        first = self.own_transpose(x, tuple(a.index(s) for s in batch + left + inner))
        second = self.own_transpose(y, tuple(b.index(s) for s in batch + inner + right))
        product = self.own_matmul(
            first.reshaped((count(batch), count(left), count(inner))),
            second.reshaped((count(batch), count(inner), count(right))),
        )
        word = batch + left + right
        return product.reshaped(tuple(size[s] for s in word)), word

    # -- linear algebra ---------------------------------------------------------------------------------

    def _whole(self, *arrays: Symbolic) -> None:
        """Factorisations need pivoting on values, which scalar expressions cannot have."""
        if any(a.kind.__name__ == "SX" for a in arrays):
            raise noted(
                NeedsMatrices("linear systems need matrix expressions: use polyad.CasADi(symbols='MX')")
            )

    def own_solve(self, a: Any, b: Any) -> Symbolic:
        a, b = self._beside(a, b)
        self._whole(a, b)
        vector = len(b.shape) == 1
        if vector:
            b = b.reshaped((*b.shape, 1))
        lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        shape = (*lead, a.shape[-1], b.shape[-1])
        dtype = np.result_type(a.dtype, b.dtype, np.float32)
        x = self._each(_solve, (a, b), lead, shape, dtype) if math.prod(shape) else self.own_zeros(a, shape)
        return x.reshaped(shape[:-1]) if vector else x

    def own_inv(self, a: Any) -> Symbolic:
        return self.own_solve(a, np.broadcast_to(np.eye(a.shape[-1]), a.shape))

    def own_det(self, a: Any) -> Symbolic:
        import casadi

        if a.size == 0:
            return constant(np.ones(a.shape[:-2]), a.kind)
        n, lead = a.shape[-1], a.shape[:-2]
        if n > POLYNOMIAL:
            self._whole(a)
            return called_back(PRIMITIVES["det"])(a)  # CasADi's own calls small entries singular
        entries = casadi.SX.sym("a", n, n)
        polynomial = casadi.Function("det", [entries], [casadi.det(entries)])
        return self._each(polynomial, (a,), lead, lead, a.dtype)
