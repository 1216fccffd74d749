"""What every lazy operator can do: products, adjoint, matrices, diagonal and trace."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numpy as np

from polyad.arrays.libraries import library_of
from polyad.arrays.trees import LEAF, flatten
from polyad.call.inputs.signature import Signature
from polyad.errors import ArgumentError, HolomorphicError, TangentMismatchError
from polyad.linear import estimates
from polyad.linear.estimates import Estimate
from polyad.operators.linearize import kept

__all__ = ["LazyOperator", "Operator", "Transposed"]

# How many columns of a unit matrix go into one product.
BLOCK = 64


class Operator:
    """A real matrix of ``shape`` that is known by its products.

    ``A @ v`` takes a vector of ``shape[1]`` entries, or a block of ``k`` of them of shape ``(n, k)``.
    Arrays of other shapes than one axis are flattened in C order.
    """

    shape: tuple[int, int]
    dtype: np.dtype[Any]

    @property
    def T(self) -> Operator:
        """The transposed operator, at the same point: it moves with this one."""
        return Transposed(self)

    @property
    def H(self) -> Operator:
        """The adjoint: of a real operator the transposed one."""
        return self.T

    # so that NumPy leaves ``a @ operator`` to the operator
    __array_ufunc__ = None

    def __matmul__(self, v: Any) -> Any:
        return self._times(v, adjoint=False)

    def __rmatmul__(self, w: Any) -> Any:
        w = w if hasattr(w, "shape") else np.asarray(w)
        if len(w.shape) != 2:
            return self._times(w, adjoint=True)
        return self._times(w.T, adjoint=True).T

    def update(self, *args: Any) -> Operator:
        """Move the point, in place.

        Parameters
        ----------
        *args : arrays
            All arguments of the function, or the active one alone: then the others stay what they were.

        Returns
        -------
        Operator
            This operator. If the new point is refused it stays at the old one.
        """
        raise NotImplementedError

    def _apply(self, v: Any, *, adjoint: bool, batched: bool) -> Any:
        """The product with one direction, or with the rows of ``v``, as flat arrays of the backend's."""
        raise NotImplementedError

    def _jacobian(self) -> Any:
        """The matrix as a SciPy sparse array, through ``ad.Sparse``."""
        raise NotImplementedError

    def _times(self, v: Any, *, adjoint: bool) -> Any:
        """The product with a vector or a block of vectors, checked."""
        if not hasattr(v, "shape"):
            v = np.asarray(v)
        n = self.shape[0 if adjoint else 1]
        if len(v.shape) not in (1, 2) or v.shape[0] != n:
            raise TangentMismatchError(
                f"an operand of shape {tuple(v.shape)} for an operator of shape "
                f"{self.shape[::-1] if adjoint else self.shape}: "
                f"pass one of shape ({n},), or ({n}, k) for k of them"
            )
        if len(v.shape) == 1:
            return self._apply(v, adjoint=adjoint, batched=False)
        if v.shape[1] == 0:
            return np.zeros((self.shape[1 if adjoint else 0], 0), dtype=self.dtype)
        return self._apply(v.T, adjoint=adjoint, batched=True).T

    def _numpy(self, v: Any, *, adjoint: bool = False) -> Any:
        """The product as a NumPy array."""
        product = self._times(v, adjoint=adjoint)
        owner = library_of(product)
        return np.asarray(product) if owner is None else owner.to_numpy(product)

    # -- matrices ---------------------------------------------------------------------------------

    def to_dense(self) -> Any:
        """The matrix as a NumPy array: as many products as its shorter side is long, in blocks."""
        m, n = self.shape
        adjoint = m < n
        k = m if adjoint else n
        columns = [
            self._numpy(np.eye(k, min(BLOCK, k - start), -start, dtype=self.dtype), adjoint=adjoint)
            for start in range(0, k, BLOCK)
        ]
        dense = (
            np.concatenate(columns, axis=1)
            if columns
            else np.zeros((n, 0) if adjoint else (m, 0), self.dtype)
        )
        return np.ascontiguousarray(dense.T) if adjoint else dense

    def to_sparse(self) -> Any:
        """The matrix as a sparse array of SciPy, by the backend ``polyad.Sparse`` made of the operator's own.

        The pattern is found and colored at the first call, and kept for all points.
        """
        found = self._jacobian()
        if found.shape != self.shape:
            found = found.reshape(self.shape).tocsr()
        return found

    def to_scipy(self) -> Any:
        """A ``scipy.sparse.linalg.LinearOperator`` of these products, which moves with this operator."""
        from scipy.sparse.linalg import LinearOperator

        return LinearOperator(
            shape=self.shape,
            dtype=self.dtype,
            matvec=lambda v: self._numpy(np.ravel(v)),
            rmatvec=lambda v: self._numpy(np.ravel(v), adjoint=True),
            matmat=self._numpy,
            rmatmat=lambda v: self._numpy(v, adjoint=True),
        )

    def to_lineax(self, tags: Any = ()) -> Any:
        """A ``lineax.FunctionLinearOperator`` of the products at this point; it stays there.

        Parameters
        ----------
        tags : object or frozenset of them
            What lineax may rely on, such as ``lineax.positive_semidefinite_tag`` of a Hessian at a minimum.

        Raises
        ------
        polyad.errors.OptionalPackageError
            If lineax is not installed.
        polyad.errors.ArgumentError
            If JAX, as it is set, makes no arrays of this precision.
        """
        from polyad.linear.lineax import as_lineax

        return as_lineax(self, tags)

    # -- diagonal and trace -----------------------------------------------------------------------

    def diagonal(self, *, method: str = "products") -> Any:
        """The diagonal, exactly.

        Parameters
        ----------
        method : {"products", "coloring"}, default "products"
            Products with all unit vectors, in blocks; or ``to_sparse()``, which takes as many products as the
            matrix has colors.

        Returns
        -------
        numpy.ndarray
            The diagonal of a square operator.
        """
        n = self._square("diagonal")
        if method == "coloring":
            return np.asarray(self.to_sparse().diagonal())
        if method != "products":
            raise ArgumentError(
                f"method={method!r}: pass 'products' or 'coloring'; estimate_diagonal takes random directions"
            )
        found = np.empty(n, dtype=self.dtype)
        for start in range(0, n, BLOCK):
            k = min(BLOCK, n - start)
            block = self._numpy(np.eye(n, k, -start, dtype=self.dtype))
            found[start : start + k] = np.diagonal(block[start : start + k])
        return found

    def trace(self, *, method: str = "products") -> float:
        """The trace, exactly: the sum of ``diagonal(method=method)``."""
        self._square("trace")
        return float(np.sum(self.diagonal(method=method), dtype=np.float64))

    def estimate_diagonal(self, *, samples: int = 100, seed: int = 0) -> Estimate:
        """The diagonal from products with random signs.

        Parameters
        ----------
        samples : int, default 100
            The number of products, at least 10. From as many as the operator has columns on the diagonal is
            computed exactly instead, at no higher cost, with an error of 0.
        seed : int or numpy.random.Generator
            Where the random numbers come from: the same seed gives the same estimate.

        Returns
        -------
        Estimate
            ``value`` and ``error``, two arrays; the error is an upper one where a row's weight is on the
            diagonal.
        """
        n = self._square("estimate_diagonal")
        if estimates.checked(samples) >= n:
            return Estimate(self.diagonal(), np.zeros(n, dtype=self.dtype))
        return estimates.diagonal(self._blocks, n, samples, np.random.default_rng(seed))

    def estimate_trace(self, *, samples: int = 100, method: str = "hutchinson", seed: int = 0) -> Estimate:
        """The trace from products with random signs.

        Parameters
        ----------
        samples : int, default 100
            The number of products, at least 10 (30 of ``"hutch++"``). From as many as the operator has
            columns on the trace is computed exactly instead, at no higher cost, with an error of 0.
        method : {"hutchinson", "hutch++"}, default "hutchinson"
            The second spends two thirds of the products on the part of the operator that is largest, which
            pays off where its eigenvalues fall quickly.
        seed : int or numpy.random.Generator
            Where the random numbers come from: the same seed gives the same estimate.

        Returns
        -------
        Estimate
            ``value`` and its standard ``error``.
        """
        n = self._square("estimate_trace")
        methods = {"hutchinson": estimates.hutchinson, "hutch++": estimates.hutch_plus_plus}
        if method not in methods:
            raise ArgumentError(f"method={method!r}: pass 'hutchinson' or 'hutch++'; trace() is exact")
        if estimates.checked(samples) >= n:
            return Estimate(self.trace(), 0.0)
        return methods[method](self._blocks, n, samples, np.random.default_rng(seed))

    def _blocks(self, v: Any) -> Any:
        """The product with many columns, in float64, some columns at a time."""
        parts = [self._numpy(v[:, k : k + BLOCK]) for k in range(0, v.shape[1], BLOCK)]
        return np.concatenate(parts, axis=1).astype(np.float64)

    def _square(self, what: str) -> int:
        if self.shape[0] != self.shape[1]:
            raise ArgumentError(f"{what} is of square operators: this one has shape {self.shape}")
        return self.shape[0]


class Transposed(Operator):
    """The transpose of an operator; made by ``.T``."""

    def __init__(self, of: Operator) -> None:
        self._of = of
        self.shape, self.dtype = of.shape[::-1], of.dtype

    @property
    def T(self) -> Operator:
        """The operator itself."""
        return self._of

    def update(self, *args: Any) -> Operator:
        """Move the point of the operator, and so of this."""
        self._of.update(*args)
        return self

    def _apply(self, v: Any, *, adjoint: bool, batched: bool) -> Any:
        return self._of._apply(v, adjoint=not adjoint, batched=batched)

    def _jacobian(self) -> Any:
        return self._of.to_sparse().T.tocsr()

    def __repr__(self) -> str:
        return f"<transposed of {self._of!r}>"


class LazyOperator(Operator):
    """A derivative of a function at a point, as an operator."""

    name: ClassVar[str]

    def __init__(self, f: Any, args: tuple[Any, ...], options: dict[str, Any]) -> None:
        argnums = options["argnums"]
        if isinstance(argnums, bool) or not isinstance(argnums, int | np.integer):
            raise ArgumentError(
                f"argnums={argnums!r}: an operator has one active argument, pass its number; "
                "several are best put into one array"
            )
        self._f, self._options = f, options
        self._args = tuple(map(kept, args))
        signature = Signature(args, int(argnums))
        if signature.x_structure is not LEAF:
            raise ArgumentError(
                f"{self.name}_operator is of functions of one array, and their argument {argnums} is a tree: "
                "put its leaves into one array, as scipy's solvers want it too"
            )
        self._spec = signature.x_specs[0]
        if self._spec.is_complex:
            raise self._complex("the active argument is complex")
        self._x_shape = tuple(self._spec.shape)

    def _complex(self, what: str) -> HolomorphicError:
        return HolomorphicError(
            f"{self.name}_operator is a real matrix, and {what}: pass real and imaginary "
            "parts as real arrays, or use ad.jvp and ad.vjp, which say what they mean for complex numbers"
        )

    def _point(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """All arguments at a new point, kept in memory of their own."""
        k, count = self._options["argnums"], len(self._args)
        if len(args) == 1 < count:
            given = list(self._args)
            given[k] = args[0]
            args = tuple(given)
        if len(args) != count:
            raise ArgumentError(f"update got {len(args)} arguments: pass all {count} or the active one")
        signature = Signature(args, k)
        specs = signature.x_specs
        if signature.x_structure is not LEAF or (specs[0].shape, specs[0].dtype) != (
            self._spec.shape,
            self._spec.dtype,
        ):
            raise ArgumentError(
                f"update got an active argument of another form than {self._spec}: make a new operator"
            )
        return tuple(map(kept, args))

    def _described(self, backend: Any, strategy: str) -> str:
        m, n = self.shape
        return f"<{self.name} operator of shape ({m}, {n}), {self.dtype}, by {backend!r}: {strategy}>"


def size(shape: tuple[int, ...]) -> int:
    """The number of entries."""
    return int(np.prod(shape, dtype=np.int64))


def shaped(v: Any, shape: tuple[int, ...], *, batched: bool) -> Any:
    """An array, or rows of them, in another shape: of the function's argument or output, or flat."""
    target = (v.shape[0], *shape) if batched else shape
    return v if tuple(v.shape) == target else v.reshape(target)  # which is an operation of its own in JAX


def only_leaf(value: Any, name: str) -> Any:
    """The one array that a function returns."""
    leaves, structure = flatten(value)
    if structure is not LEAF:
        raise ArgumentError(f"{name}_operator is of functions that return one array: this one returns a tree")
    return leaves[0]


def sparse_of(backend: Any) -> Any:
    """The backend that gives sparse matrices by another; itself where it is one."""
    from polyad.sparse.backend import Sparse

    if isinstance(backend, Sparse):
        return dataclasses.replace(backend, format="csr", flat=True)
    return Sparse(backend, flat=True)
