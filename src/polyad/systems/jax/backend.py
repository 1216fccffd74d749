"""JAX: everything natively, traced and compiled at preparation.

* A prepared kernel is traced once (``jax.make_jaxpr``) and compiled; what the function captures is
  frozen in the trace. The value and the lower derivative are left out of the compiled program
  where only the result is asked for. An unprepared call runs without compilation.
* 64-bit inputs are computed in 64 bits through JAX's scoped setting, at preparation and at every
  call; the global setting is never touched. 32-bit inputs run as the user's JAX is set.
* NumPy arrays go straight to the compiled function, which takes them faster than ``jnp.asarray``.
* JAX conjugates neither seeds nor results; polyad's convention does both (see ``base``).
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from polyad.arrays.libraries import ArraySpec
from polyad.errors import ArgumentError, OperationNotSupportedError
from polyad.systems.base import Backend
from polyad.systems.contract import (
    Call,
    Executable,
    Kernel,
    Leaves,
    Linearized,
    Problem,
    Selection,
    Variant,
    strategy,
    strategy_of,
)
from polyad.systems.derive import operators
from polyad.systems.jax.batches import checked, each
from polyad.systems.jax.finish import (
    STRAYS,
    WAY_OUT,
    Told,
    as_traced,
    assembled,
    eagerly,
    exported,
    imported,
    outside,
    traceable,
)
from polyad.systems.jax.precision import is_wide, precision

__all__ = ["JAX"]


@dataclasses.dataclass(frozen=True, repr=False)
class JAX(Backend):
    """Differentiation by JAX and XLA.

    Parameters
    ----------
    jit : bool or "auto"
        Compile prepared kernels. False runs the operations one by one, for code that branches on
        values, and for debugging; "auto" does so where the function cannot be compiled, which is found
        out at preparation, and shown.
    chunk_size : int, optional
        Directions per batch in Jacobians and Hessians; None bounds the memory of a batch.
    sharding : sequence of devices or jax.sharding.NamedSharding, optional
        Over which devices the directions of a batch are spread, in Jacobians and Hessians (``jax.devices()``:
        all). A sharding is one of the first axis. Arrays put on one device by hand must be on all of these.
    mode : {None, "forward", "reverse"}
        Force one mode.
    lift : bool, optional
        Whether the function is NumPy code (True) or written for JAX (False); None finds out.

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> ad.gradient(lambda x: (x**3).sum(), np.array([1.0, 2.0]), backend=ad.JAX())
    array([ 3., 12.])
    """

    mode: str | None = None
    jit: bool | str = True
    chunk_size: int | None = None
    sharding: Any = None

    name: ClassVar[str] = "jax"
    library: ClassVar[str] = "jax"
    requires: ClassVar[tuple[str, ...]] = ("jax",)
    extra: ClassVar[str] = "jax"
    supports: ClassVar[frozenset[str]] = frozenset({"forward", "reverse"})
    takes_tables: ClassVar[bool] = True
    compared_sparse: ClassVar[bool] = True
    # up to about so many inputs one pass with all tangents costs less than a sweep back
    variants: ClassVar[Mapping[str, Variant]] = {
        "forward": Variant({"mode": "forward"}, compared=True, most_inputs=16)
    }

    @property
    def freezes(self) -> bool:  # type: ignore[override]
        return self.jit is True

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (isinstance(self.jit, bool) or self.jit == "auto"):
            raise ArgumentError(f"jit is True, False or 'auto', not {self.jit!r}")
        object.__setattr__(self, "sharding", checked(self.sharding))

    @property
    def refusals(self) -> Mapping[str, str]:
        if self.jit is not True:
            return {}
        return {"branch": f"compiled code cannot branch on values: use xp.where, or {WAY_OUT}"}

    @property
    def xp(self) -> Any:
        import jax.numpy

        return jax.numpy

    # -- primitives -------------------------------------------------------------------------

    def jvp(self, problem: Problem) -> Kernel:
        import jax

        @strategy("jax.jvp")
        def kernel(x: Leaves, c: Leaves, v: Leaves) -> Any:
            y, dy, aux = jax.jvp(lambda x: problem.f(x, c), (x,), (v,), has_aux=True)
            return dy, y, aux

        return kernel

    def vjp(self, problem: Problem) -> Kernel:
        import jax

        @strategy("jax.vjp")
        def kernel(x: Leaves, c: Leaves, w: Leaves) -> Any:
            y, pull, aux = jax.vjp(lambda x: problem.f(x, c), x, has_aux=True)
            return _conj(pull(_conj(w))[0]), y, aux

        return kernel

    def jvp_batched(self, problem: Problem) -> Kernel:
        import jax

        @strategy("vmap of jax.jvp")
        def kernel(x: Leaves, c: Leaves, v: Leaves) -> Any:
            y, push, aux = jax.linearize(lambda x: problem.f(x, c), x, has_aux=True)
            return each(push, v, self.sharding), y, aux

        return kernel

    def vjp_batched(self, problem: Problem) -> Kernel:
        import jax

        @strategy("vmap of jax.vjp")
        def kernel(x: Leaves, c: Leaves, w: Leaves) -> Any:
            y, pull, aux = jax.vjp(lambda x: problem.f(x, c), x, has_aux=True)
            return _conj(each(lambda w: pull(w)[0], _conj(w), self.sharding)), y, aux

        return kernel

    # -- overrides ----------------------------------------------------------------------------

    def gradient(self, problem: Problem) -> Kernel:
        import jax

        if not self.reverse:
            return operators.gradient(self, problem)

        @strategy("reverse, jax.vjp")
        def kernel(x: Leaves, c: Leaves) -> Any:
            y, pull, aux = jax.vjp(lambda x: problem.f(x, c), x, has_aux=True)
            one = jax.numpy.ones_like(y[0])
            return _conj(pull((one,))[0]), y, aux

        return kernel

    def jacobian(self, problem: Problem) -> Kernel:
        from polyad.systems.jax import batches

        found = batches.jacobian(self, problem, columns=operators.forward_wins(self, problem))
        return found or operators.jacobian(self, problem)

    def hessian(self, problem: Problem) -> Kernel:
        from polyad.systems.jax import batches

        return batches.hessian(self, problem) or operators.hessian(self, problem)

    def taylor(self, problem: Problem, order: int) -> Kernel:
        from polyad.systems.jax.taylor import taylor

        return taylor(self, problem, order)

    def taylor_batched(self, problem: Problem, order: int) -> Kernel:
        import jax

        single = self.taylor(problem, order)
        return strategy(f"{strategy_of(single)}, jax.vmap")(
            jax.vmap(single.call, (None, None, 0), (0, None, None))
        )

    def laplacian(self, problem: Problem, order: int) -> Kernel:
        from polyad.systems.jax.laplacian import laplacian

        return laplacian(self, problem, order)

    def linearize(self, problem: Problem, x: Leaves, c: Leaves) -> Linearized:
        import jax

        wide = is_wide((*problem.x, *problem.c))
        with precision(wide):
            y, push, aux = jax.linearize(lambda x: problem.f(x, c), x, has_aux=True)
            # JAX may share the memory of NumPy arrays, which their owner may write to
            push = jax.tree_util.tree_map(lambda a: jax.numpy.array(a, copy=True), push)
            transposed = jax.linear_transpose(push, x)

        def pull(w: Leaves) -> Leaves:
            return _conj(transposed(_conj(w))[0])

        def scoped(product: Call) -> Call:
            product = jax.jit(product) if self.jit else product

            def call(seeds: Leaves) -> Leaves:
                with precision(wide):
                    return product(seeds)

            return call

        return Linearized(
            y,
            aux,
            scoped(push),
            scoped(pull),
            scoped(jax.vmap(push)),
            scoped(jax.vmap(pull)),
            "jax.linearize and its transpose",
        )

    def take(self, a: Any, index: Any) -> Any:
        return a.at[index].get(mode="promise_in_bounds")

    def folded(self, a: Any, places: Any) -> Any:
        count = a.shape[0] - len(places)
        return a[:count].at[places].add(a[count:], mode="promise_in_bounds")

    def table(self, a: Any, problem: Problem) -> Any:
        with precision(is_wide((*problem.x, *problem.c))):
            return self.xp.asarray(a)

    def portable(self, kernel: Kernel, problem: Problem, seeds: Any, *, once: bool = False) -> Kernel:
        from polyad.systems.jax.replay.graph import portable

        return portable(self, kernel, problem, seeds)

    # -- patterns -----------------------------------------------------------------------------

    def jacobian_sparsity(
        self, problem: Problem, *, local: bool = False, dense: bool = False
    ) -> tuple[Any, Any]:
        from polyad.systems.jax import sparsity

        found = sparsity.jacobian_sets(problem, local=local, dense=dense)
        return super().jacobian_sparsity(problem, local=local) if found is None else found.csr()

    def hessian_sparsity(
        self, problem: Problem, *, local: bool = False, dense: bool = False
    ) -> tuple[Any, Any]:
        from polyad.systems.jax import sparsity

        found = sparsity.hessian_sets(problem, local=local, dense=dense)
        return super().hessian_sparsity(problem, local=local) if found is None else found.csr()

    def directed(self, problem: Problem) -> Backend:
        return self.replace(mode="reverse") if self.mode is None and problem.backward else self

    def selection(self, problem: Problem, most: int) -> Selection | None:
        from polyad.systems.jax.sparsity.selection import selection

        return selection(problem, most) if self.jit is True else None

    # -- surroundings -------------------------------------------------------------------------

    def outputs(self, problem: Problem) -> tuple[ArraySpec, ...]:
        import jax

        with precision(is_wide((*problem.x, *problem.c))):
            try:
                y = jax.eval_shape(lambda x, c: problem.f(x, c)[0], problem.x, problem.c)
            except (jax.errors.ConcretizationTypeError, OperationNotSupportedError):
                # a branch on a value: right where nothing is compiled, and ``finish`` traces the rest
                x, c = (tuple(map(jax.numpy.asarray, leaves)) for leaves in (problem.x, problem.c))
                y = tuple(map(jax.numpy.asarray, problem.f(x, c)[0]))
        return tuple(ArraySpec(tuple(leaf.shape), np.dtype(leaf.dtype)) for leaf in y)

    def output(self, leaf: Any) -> Any:
        import jax.numpy

        if isinstance(leaf, jax.Array):
            return leaf
        STRAYS.count += 1
        return leaf if hasattr(leaf, "shape") else jax.numpy.asarray(leaf)

    def finish(
        self, kernel: Kernel, problem: Problem, seeds: tuple[Leaves, ...], *, prepared: bool
    ) -> Executable:
        import jax

        examples = (problem.x, problem.c, *seeds)
        given = [leaf for leaves in examples for leaf in leaves]
        wide = is_wide(given)
        words = strategy_of(kernel)
        kept: dict[int, Any] = {}
        image = getattr(kernel, "image", None)
        if prepared and self.jit and image is not None:
            run, words, told = imported(kernel, examples)
            made = assembled(run, told, problem, seeds, wide=wide, words=words)
            anew = dataclasses.replace(kernel, image=None)
            counts = tuple(map(len, examples))
            return outside(made, image, lambda: self.finish(anew, problem, seeds, prepared=True), counts)
        if prepared and self.jit:
            try:
                with precision(wide):
                    closed, shape = jax.make_jaxpr(traceable(kernel, kept), return_shape=True)(*examples)
            except (jax.errors.ConcretizationTypeError, OperationNotSupportedError):
                if self.jit != "auto":
                    raise
                found = eagerly(kernel, problem, wide, f"{words}, not compiled, as it asks for values")
                found.full(*examples)  # tells now whether that goes
                return found
            # what a trace around this one follows is no constant of a program, and no example to run one on
            prepared = not any(isinstance(a, jax.core.Tracer) for a in (*closed.consts, *given))
        if not (prepared and self.jit):
            return eagerly(kernel, problem, wide, f"{words}, not compiled")
        run = as_traced(closed, traceable(kernel, kept), jax.tree_util.tree_structure(examples))
        passed = {id(var) for var in (*closed.jaxpr.invars, *closed.jaxpr.constvars)}
        own = id(closed.jaxpr.outvars[0]) not in passed if closed.jaxpr.outvars else False
        told = Told(jax.tree_util.tree_structure(shape), len(shape[0]), kept, own)
        words = f"{words}, compiled by XLA"
        made = assembled(run, told, problem, seeds, wide=wide, words=words)
        keep = functools.partial(exported, run, told, examples, words, whole=self.sharding is None, wide=wide)
        return dataclasses.replace(made, image=keep)

    def source(self, error: Exception) -> Exception:
        from polyad.systems.jax.delegated import raised

        return raised(error) or error

    def explain(self, error: Exception) -> str | None:
        import jax

        errors = jax.errors
        if isinstance(error, ValueError) and isinstance(error.__cause__, errors.ConcretizationTypeError):
            return (
                "a traced value was written into a plain NumPy array: create it with np.zeros_like(x) "
                "instead of np.zeros(n)"
            )
        if isinstance(error, errors.TracerArrayConversionError):
            return (
                "a NumPy function met a traced JAX array: write the function on "
                "xp = polyad.namespace(x) instead of np"
            )
        if isinstance(error, errors.TracerBoolConversionError):
            return (
                "a Python branch depends on the value of a traced array: use xp.where (xp.maximum and "
                f"xp.minimum for max and min), or backend={WAY_OUT}"
            )
        if isinstance(error, errors.UnexpectedTracerError):
            return None  # the library says what to do with a leak
        if isinstance(error, NotImplementedError) and "ifferentiation rule" in str(error):
            return f"JAX has no derivative of this order ({error}): use backend='finite'"
        if isinstance(error, ValueError) and "lax.while_loop" in str(error):
            return (
                "JAX has no reverse mode of a loop whose number of steps is not known: give "
                "polyad.while_loop a limit, max_steps=1000, or use 'jax:forward'"
            )
        if isinstance(error, TypeError) and "custom_vjp" in str(error):
            return "the function has a custom_vjp, which knows no forward mode: use 'jax:reverse'"
        if isinstance(error, TypeError) and "tracer" in f"{type(error).__name__} {error}".lower():
            return "a Python number was asked of a traced array: keep to array operations"
        return None


def _conj(leaves: Leaves) -> Leaves:
    import jax.numpy as jnp

    return tuple(jnp.conj(a) if jnp.iscomplexobj(a) else a for a in leaves)
