"""The user's function as solvers see it: of one vector of float64, with derivatives prepared once."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.arrays.libraries import ArraySpec, Library, library, library_of
from polyad.arrays.namespace import namespace
from polyad.arrays.trees import LEAF, flatten
from polyad.call.inputs.arguments import Static
from polyad.call.prepared import Prepared
from polyad.errors import ArgumentError, NonScalarOutputError, PolyadError
from polyad.operators.differentiate_with import PreparedValue
from polyad.operators.gradient import PreparedGradient, gradient
from polyad.operators.hessian import PreparedHessian
from polyad.operators.hvp import PreparedHVP
from polyad.operators.jacobian import PreparedJacobian
from polyad.operators.jvp import PreparedJVP
from polyad.operators.linearize import Linearization
from polyad.operators.vjp import PreparedVJP
from polyad.solvers.kept import KEPT, MOST
from polyad.solvers.point import AtPoint
from polyad.solvers.unknown import Unknown, warn_of_precision
from polyad.sparse.backend import Sparse
from polyad.sparse.known import KnownPattern
from polyad.systems.base import Backend
from polyad.systems.registry import resolve

__all__ = ["FEW", "Differentiated", "constant", "in_a_row", "joined"]

# Up to so many unknowns a matrix is dense without a look at its pattern; beyond it is sparse where at most
# this share of it may be other than zero.
FEW, SPARSE_SHARE = 40, 0.2

Call = Callable[..., Any]


class Differentiated:
    """A function of an unknown, and its derivatives as plain calls from vector to vector.

    What is asked for is prepared then, at the start of the unknown: so a solver's callbacks are made before
    the solver runs, and what cannot be differentiated is refused there.

    Parameters
    ----------
    f : callable
        ``f(unknown, *args)``.
    unknown : Unknown
        What is looked for.
    args : tuple
        Further arguments. Arrays are constants of the preparation, converted once; what is neither array nor
        number is handed on as it is.
    backend, follow
        As for every operator.
    solver : str
        What messages call the solver.
    several : bool
        Whether it returns many numbers, which may then stand in a list or tuple.
    """

    def __init__(
        self,
        f: Call,
        unknown: Unknown,
        args: tuple[Any, ...] = (),
        *,
        backend: Backend | str | None = None,
        follow: bool | tuple[str, ...] | None = None,
        solver: str = "the solver",
        several: bool = False,
    ) -> None:
        if not callable(f):
            raise ArgumentError(f"the function is {f!r}, which cannot be called")
        self.unknown, self.solver = unknown, solver
        self.backend = resolve(backend, unknown.library.name)
        self.args = tuple(constant(a, self.backend) for a in args)
        self._plain_args = args
        self._f = unknown.of_vector(joined(f) if several else f)
        self._options: dict[str, Any] = {"follow": follow}
        self._alive, self._several = (f, backend, follow, *args), several
        self._start = unknown.enter(unknown.start)
        self._told = False
        self.outputs: tuple[ArraySpec, ...] = ()
        self._tree = False

    # -- preparation -------------------------------------------------------------------------------

    def prepared(self, kind: type[Prepared], mark: Any = None, **options: Any) -> Any:
        """A prepared operator of the function of a vector; ``mark`` tells options apart where it is kept."""
        known = KEPT.get()
        if known is None:
            return self._newly_prepared(kind, options)
        key = (kind, mark, *map(id, self._alive), self._several, self.unknown.form)
        found = known.get(key)
        if found is None:
            made = self._newly_prepared(kind, options)
            if len(known) < MOST:  # what is alive here keeps its identity
                known[key] = made, self._f, self.outputs, self._tree, self._alive
            return made
        made, self._f, self.outputs, self._tree, _ = found
        self._tell()
        return made

    def _newly_prepared(self, kind: type[Prepared], options: dict[str, Any]) -> Any:
        given = {"backend": self.backend, **self._options, **options}
        args = (self._start, *self.args)
        try:
            made = kind(self._f, args, **given)
            self.outputs = tuple(made.problem.outputs)
            self._tree = made._flat.y_structure is not LEAF
        except NonScalarOutputError:
            if not self._scalar_in_axes(given["backend"]):
                raise
            made = kind(self._f, args, **given)
            self.outputs = tuple(made.problem.outputs)
        self._tell()
        return made

    def _scalar_in_axes(self, backend: Any) -> bool:
        """Whether the output is an array of one number, as SciPy allows: then its axes are taken off."""
        found = PreparedValue(self._f, (self._start, *self.args), backend=backend, **self._options)
        specs, f = found.problem.outputs, self._f
        if len(specs) != 1 or specs[0].size != 1 or specs[0].shape == ():
            return False
        self._f = functools.wraps(f)(lambda x, *args: f(x, *args).reshape(()))
        return True

    def _tell(self) -> None:
        """Say once that the solver gets less than float64."""
        what = self.unknown.narrow
        if not what:
            narrow = [s for s in self.outputs if getattr(s.dtype, "itemsize", 2) < 8 and s.is_inexact]
            what = f"the function returns {narrow[0].dtype}" if narrow else ""
        if what and not self._told:
            self._told = True
            warn_of_precision(what, self.solver)

    @functools.cached_property
    def value(self) -> Call:
        """``value(x)``, the output as it is."""
        prepared = self.prepared(PreparedValue)
        if not self.runs_plainly:
            return self._entered(prepared)
        # what the backend would run on boxes, on the arrays themselves
        f, args, enter = self._f, self._plain_args, self.unknown.enter
        if self.unknown.plain:
            return f if not args else lambda x: f(x, *args)
        return lambda x: f(enter(x), *args)

    @property
    def runs_plainly(self) -> bool:
        """Whether values of the function are those of a call with NumPy's arrays."""
        return library(self.backend.library).plain

    def _entered(self, call: Call) -> Call:
        """A prepared call, of the solver's vector."""
        args, enter = self.args, self.unknown.enter
        if self.unknown.plain:
            return call if not args else lambda x, **seed: call(x, *args, **seed)
        return lambda x, **seed: call(enter(x), *args, **seed)

    @functools.cached_property
    def left(self) -> Callable[[Any], Any]:
        """From a result to a NumPy array of float64."""
        if self.unknown.plain:
            return lambda a: a
        to_numpy = self.unknown.library.to_numpy
        return lambda a: np.asarray(to_numpy(a), dtype=np.float64)

    # -- of a scalar ---------------------------------------------------------------------------------

    def value_and_gradient(self) -> Callable[[Any], tuple[Any, Any]]:
        """``call(x)`` gives the value, a float, and the gradient."""
        call, left = self._entered(self.prepared(PreparedGradient).value_and), self.left
        if self.unknown.plain:

            def plain(x: Any) -> tuple[Any, Any]:
                y, g = call(x)
                return float(y), g

            return plain

        def general(x: Any) -> tuple[Any, Any]:
            y, g = call(x)
            return float(y), left(g)

        return general

    def hessian_product(self) -> Callable[[Any, Any], Any]:
        """``call(x, p)`` gives the product of the Hessian with a vector."""
        call, left, enter = self._entered(self.prepared(PreparedHVP)), self.left, self.unknown.enter
        single = lambda x, p: left(call(x, v=enter(_contiguous(p))))  # noqa: E731
        if not (self.runs_plainly and self.backend.by_value and self.backend.exact):
            return single
        return AtPoint(single, self._linear_gradient)

    def _linear_gradient(self, x: Any) -> Callable[[Any], Any]:
        """The product with the Hessian at a point, of a gradient that is run once there."""
        how: dict[str, Any] = {"backend": self.backend, **self._options}
        f = lambda x: gradient(self._f, x, *self.args, **how)  # noqa: E731
        linear = Linearization(f, (self.unknown.enter(x),), backend=self.backend, **self._options)
        left, enter = self.left, self.unknown.enter
        return lambda p: left(linear.vjp(enter(_contiguous(p))))  # the matrix is symmetric

    def dense_hessian(self) -> Callable[[Any], Any]:
        """``call(x)`` gives the Hessian as an array."""
        call, left = self._entered(self.prepared(PreparedHessian)), self.left
        return lambda x: left(call(x))

    def sparse_hessian(self, format: str = "csr") -> Callable[[Any], Any]:
        """``call(x)`` gives the Hessian as a sparse array of SciPy's, the pattern found."""
        return self._entered(self._sparse(PreparedHessian, format))

    def worthwhile_hessian(self) -> Callable[[Any], Any] | None:
        """``sparse_hessian`` where the pattern can be found and has few entries; else None."""
        prepared = self.worthwhile(PreparedHessian)
        return None if prepared is None else self._entered(prepared)

    # -- of several outputs --------------------------------------------------------------------------

    def value_and_jacobian(
        self, form: str = "dense", pattern: Any = None, format: str = "csr"
    ) -> Callable[[Any], tuple[Any, Any]]:
        """``call(x)`` gives the value as a vector and the Jacobian: dense or sparse, one row per number."""
        if form == "sparse":
            prepared = self._sparse(PreparedJacobian, format, pattern)
        else:
            prepared = self.prepared(PreparedJacobian)
        self.vector_output()
        call, left, n = self._entered(prepared.value_and), self.left, self.unknown.size

        if form == "sparse":
            return lambda x: _ravelled(call(x), left)

        def dense(x: Any) -> tuple[Any, Any]:
            y, J = call(x)
            J = left(J)
            return np.atleast_1d(left(y)).reshape(-1), J if J.ndim == 2 else J.reshape(-1, n)

        return dense

    def worthwhile_jacobian(
        self, format: str = "csr", few: int = FEW
    ) -> Callable[[Any], tuple[Any, Any]] | None:
        """``value_and_jacobian`` sparse where the pattern can be found and has few entries; else None."""
        prepared = self.worthwhile(PreparedJacobian, format, few)
        if prepared is None:
            return None
        call, left = self._entered(prepared.value_and), self.left
        return lambda x: _ravelled(call(x), left)

    def plain_value(self) -> Callable[[Any], Any]:
        """``call(x)`` gives the value as a vector."""
        call, left = self.value, self.left
        self.vector_output()
        return lambda x: np.atleast_1d(left(call(x))).reshape(-1)

    def product(self) -> Callable[[Any, Any], Any]:
        """``push(x, v)``: the product with the Jacobian."""
        left, enter = self.left, self.unknown.enter
        push = self._entered(self.prepared(PreparedJVP))
        self.vector_output()
        return lambda x, v: left(push(x, v=enter(_contiguous(v)))).reshape(-1)

    def products_at(self) -> Callable[[Any], Callable[[Any], Any]]:
        """``at(x)`` gives ``push(v)``, the product with the Jacobian at a point, for many products there."""
        push = self.product()
        if not self.backend.by_value or self.backend.nestable is False:
            return lambda x: lambda v: push(x, v)
        left, enter = self.left, self.unknown.enter

        def at(x: Any) -> Callable[[Any], Any]:
            linear = Linearization(self._f, (enter(x), *self.args), backend=self.backend, **self._options)
            return lambda v: left(linear.jvp(enter(_contiguous(v)))).reshape(-1)

        return at

    def products(self) -> tuple[Callable[[Any, Any], Any], Callable[[Any, Any], Any]]:
        """``push(x, v)`` and ``pull(x, w)``: products with the Jacobian and its transpose."""
        left, enter, push = self.left, self.unknown.enter, self.product()
        pull = self._entered(self.prepared(PreparedVJP))
        self.vector_output()
        shape = self.outputs[0].shape

        def pulled(x: Any, w: Any) -> Any:
            return left(pull(x, w=enter(_contiguous(w)).reshape(shape)))

        return push, pulled

    def vector_output(self) -> int:
        """How many numbers the one array has that the function returns."""
        if self._tree:
            count = len(self.outputs)
            what = f"a tree of {count} array{'s' * (count > 1)}"
            raise ArgumentError(
                f"the function returns {what}, and {self.solver} takes one: "
                "return them in one array (np.concatenate)"
            )
        return self.outputs[0].size

    # -- sparse --------------------------------------------------------------------------------------

    def sparse_jacobian(self, format: str = "csr", pattern: Any = None) -> Any:
        """The Jacobian as a sparse array of SciPy's, prepared: called with what the backend takes."""
        return self._sparse(PreparedJacobian, format, pattern)

    def _sparse(self, kind: type[Prepared], format: str = "csr", pattern: Any = None) -> Any:
        if pattern is None:
            return self.prepared(kind, format, backend=self._sparse_backend(format))
        return self._newly_prepared(kind, {"backend": self._sparse_backend(format, pattern)})

    def _sparse_backend(self, format: str, pattern: Any = None) -> Sparse:
        backend = self.backend
        if isinstance(backend, Sparse):
            return backend.replace(format=format, flat=True)
        detector = "auto" if pattern is None else KnownPattern(pattern)
        return Sparse(backend, detector=detector, format=format, flat=True)

    def worthwhile(self, kind: type[Prepared], format: str = "csr", few: int = FEW) -> Any:
        """A sparse matrix, prepared, where there are many unknowns and few entries; else None."""
        if self.unknown.size <= few and not isinstance(self.backend, Sparse):
            return None
        try:
            prepared = self._sparse(kind, format)
        except PolyadError:
            return None  # it is computed otherwise, which tells of what is not the pattern's fault
        m, n = prepared.pattern.shape
        if prepared.pattern.nnz > SPARSE_SHARE * m * n and not isinstance(self.backend, Sparse):
            return None
        return prepared


def joined(f: Call) -> Call:
    """A function whose output, if that is a list or tuple of numbers, is an array, as SciPy makes it one."""

    @functools.wraps(f)
    def joined(*args: Any) -> Any:
        y = f(*args)
        if type(y) in (list, tuple):
            xp = namespace(*y)
            return xp.stack([part if hasattr(part, "shape") else xp.asarray(part) for part in y])
        return y

    return joined


def in_a_row(tree: Any) -> Any:
    """The leaves of a tree as one vector, of whatever library they are."""
    leaves = flatten(tree)[0]
    xp = namespace(*leaves)
    arrays = [leaf if hasattr(leaf, "shape") else xp.asarray(leaf) for leaf in leaves]
    return xp.concat([xp.reshape(a, (-1,)) for a in arrays])


def constant(a: Any, backend: Backend) -> Any:
    """A further argument as a constant: arrays in the backend's library, what is no array as it is."""
    if isinstance(a, Static):
        return a
    leaves, structure = flatten(a)
    owners = [library_of(leaf) for leaf in leaves]
    if any(owner is None for owner in owners) or not leaves:
        return Static(a)
    if any(getattr(leaf, "dtype", None) is not None and leaf.dtype.__class__ is _OBJECT for leaf in leaves):
        return Static(a)
    home = library(backend.library)
    if home.symbolic or not home.is_foreign or home.takes_numpy:
        return a
    return structure.unflatten(_moved(leaf, home) for leaf in leaves)


_OBJECT = type(np.dtype(object))


def _moved(leaf: Any, home: Library) -> Any:
    return home.from_numpy(leaf) if isinstance(leaf, np.ndarray) else leaf


def _contiguous(v: Any) -> Any:
    return np.ascontiguousarray(v, dtype=np.float64).reshape(-1)


def _ravelled(found: tuple[Any, Any], left: Callable[[Any], Any]) -> tuple[Any, Any]:
    y, J = found
    return np.atleast_1d(left(y)).reshape(-1), J
