"""The way of a call: check and convert, run the kernel, convert back.

* All that can be decided once is decided in ``__init__``; the call itself touches as little as
  possible, because polyad's own share of it is to stay under a microsecond.
* A prepared object never changes after ``__init__`` and holds no buffers, so threads share it.
  What is built later (the executable with the value, a re-preparation) is a cache behind a lock.
* ``out`` is checked before anything runs, and written only after everything succeeded.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from polyad.arrays.libraries import ArraySpec, leaving, library, library_of
from polyad.arrays.trees import LEAF, Structure, flatten
from polyad.backends.base import Backend, Executable, Kernel, Leaves, Problem
from polyad.backends.registry import resolve
from polyad.errors import (
    ArgumentError,
    FunctionNotSupportedError,
    HolomorphicError,
    NonScalarOutputError,
    OutMismatchError,
    PolyadError,
    PreparationMismatchError,
)
from polyad.operators.function import FlatFunction, label_of, user_line
from polyad.operators.signature import Mismatch, Seeds, Signature

__all__ = ["Prepared"]


class Prepared:
    """A derivative ready to be computed at many points.

    Parameters
    ----------
    f : callable
        The function.
    args : tuple
        Examples of its arguments.
    backend : Backend, str or None
        Who differentiates.
    argnums : int or tuple of int
        The active arguments.
    has_aux : bool
        Whether ``f`` returns ``(output, aux)``.
    on_mismatch : {"raise", "reprepare"}
        What to do when called with other structures, shapes or dtypes.
    seed : object
        Example of the direction of a product.
    batched : bool
        Whether the direction has a leading axis.
    once : bool
        Made for a single call: nothing is traced or compiled.
    """

    operator: ClassVar[str]
    # what the result is like: "input", "output", or blocks "jacobian", "hessian"
    gives: ClassVar[str]
    # what the lower derivative is like, for second order
    lower: ClassVar[str | None] = None
    # the keyword of a product and what it pairs with
    seed_name: ClassVar[str | None] = None
    scalar_input: ClassVar[bool] = False
    scalar_output: ClassVar[bool] = False

    def __init__(
        self,
        f: Callable[..., Any],
        args: tuple[Any, ...],
        *,
        backend: Backend | str | None = None,
        argnums: int | tuple[int, ...] = 0,
        has_aux: bool = False,
        on_mismatch: str = "raise",
        seed: Any = None,
        batched: bool = False,
        once: bool = False,
    ) -> None:
        _check_call(self.operator, f, args, on_mismatch)
        self.f = f
        self.argnums = argnums
        self.has_aux = has_aux
        self.batched = batched
        self.on_mismatch = on_mismatch
        self.signature = Signature(args, argnums)
        self.backend = resolve(backend, self.signature.library.name)
        self._source = library(self.backend.library)
        # results out of immutable arrays are copies already, or cannot be written to at all
        self._immutable = self._source.immutable
        self._check_input()
        self._enter = self.signature.enter(self._source)
        self._flat = FlatFunction(
            f,
            self.signature,
            self.backend,
            has_aux=has_aux,
            operator=self.operator,
            scalar=self.scalar_output,
        )
        self._lock = threading.Lock()
        self._others: dict[Any, Prepared] = {}
        try:
            x, c = self._enter(args)
            self.problem = Problem(self._flat, x, c, self.backend.outputs, label_of(f))
            if not once or self._is_complex():
                self._check_outputs()
            self._seeds = self._make_seeds()
            seeds = () if self._seeds is None else (self._example_seed(seed),)
            kernel = self._kernel(self.backend, self.problem)
            self._executable: Executable = self.backend.finish(kernel, self.problem, seeds, prepared=not once)
        except Exception as error:
            raise self._explained(error) from error.__cause__
        self._run = self._executable.result
        self._leave_x = self._leavers_x(self.signature.x_scalars)
        # the common case, one array in and one array of a result out, avoids every loop
        self._simple: Callable[[Any], Any] | None = None
        if not has_aux and self.signature.x_structure is LEAF:
            if self.gives == "input" and not batched:
                self._simple = self._leave_x[0]
            elif self._flat.y_structure is LEAF and self.gives in ("jacobian", "output"):
                self._simple = leaving(
                    self._source, self.signature.library, scalar=self.gives == "output" and not batched
                )
            elif self.gives == "hessian":
                self._simple = leaving(self._source, self.signature.library, scalar=False)

    # -- what a subclass says -------------------------------------------------------------------

    def _kernel(self, backend: Backend, problem: Problem) -> Kernel:
        """The backend's kernel for this operator."""
        raise NotImplementedError

    # -- the call -------------------------------------------------------------------------------

    def _call(self, args: tuple[Any, ...], out: Any, *seed: Any) -> Any:
        """The result alone."""
        try:
            x, c = self._enter(args)
            if out is None and self._simple is not None:
                if seed:
                    leaf = self._run(x, c, self._seeds.enter(seed[0]))[0]  # type: ignore[union-attr]
                else:
                    leaf = self._run(x, c)[0]
                if self._immutable:
                    return self._simple(leaf)
                return self.signature.library.fresh(self._simple(leaf), (*args, *seed))
            seeds = tuple(self._seeds.enter(s) for s in seed)  # type: ignore[union-attr]
            target = None if out is None else self._out(out)
            if self.has_aux:
                outcome = self._executable.full(x, c, *seeds)
                result = self._deliver(outcome[0], target, x, c, seed, out)
                return result, self._aux(outcome[2])
            return self._deliver(self._run(x, c, *seeds), target, x, c, seed, out)
        except Mismatch:
            return self._mismatched(args)._call(args, out, *seed)
        except PolyadError:
            raise
        except Exception as error:
            raise self._explained(error) from error.__cause__

    def _value_and(self, args: tuple[Any, ...], out: Any, *seed: Any, drop: int = 0) -> Any:
        """Value, lower derivative where there is one, and result; ``drop`` leaves out the first."""
        try:
            x, c = self._enter(args)
            seeds = tuple(self._seeds.enter(s) for s in seed)  # type: ignore[union-attr]
            target = None if out is None else self._out(out)
            outcome = self._executable.full(x, c, *seeds)
            y: Any = self._structure("output").unflatten(self._leave_y(outcome[1], x, c))
            parts: list[Any] = [(y, self._aux(outcome[2])) if self.has_aux else y]
            if self.lower is not None:
                parts.append(self._like(self.lower, outcome[3], x, c, seed))
            parts.append(self._deliver(outcome[0], target, x, c, seed, out))
        except Mismatch:
            return self._mismatched(args)._value_and(args, out, *seed, drop=drop)
        except PolyadError:
            raise
        except Exception as error:
            raise self._explained(error) from error.__cause__
        return tuple(parts[drop:])

    # -- results --------------------------------------------------------------------------------

    def _deliver(
        self, leaves: Leaves, target: Any, x: Leaves, c: Leaves, seed: tuple[Any, ...], out: Any
    ) -> Any:
        """The result as the caller's arrays, or written into ``out``."""
        if target is None:
            return self._like(self.gives, leaves, x, c, seed, batched=self.batched)
        results = flatten(self._like(self.gives, leaves, x, c, seed, batched=self.batched))[0]
        for place, result in zip(target, results, strict=True):
            if tuple(place.shape) != np.shape(result):
                raise OutMismatchError(f"out has shape {tuple(place.shape)}, the result {np.shape(result)}")
        for place, result in zip(target, results, strict=True):
            library_of(place).copy_into(place, result)  # type: ignore[union-attr]
        return out

    def _like(
        self,
        kind: str,
        leaves: Leaves,
        x: Leaves,
        c: Leaves,
        seed: tuple[Any, ...],
        *,
        batched: bool = False,
    ) -> Any:
        """Leaves as the caller's tree of the caller's arrays."""
        if kind == "input":
            leavers = self._leavers_x((False,) * len(leaves)) if batched else self._leave_x
        elif kind == "output" and not batched:
            leavers = self._leavers((True,) * len(leaves))
        else:
            leavers = self._leavers((False,) * len(leaves))
        others = (*x, *c, *(leaf for s in seed for leaf in flatten(s)[0]))
        arrays = [
            self.signature.library.fresh(leave(leaf), others)
            for leave, leaf in zip(leavers, leaves, strict=True)
        ]
        if kind in ("input", "output"):
            return self._structure(kind).unflatten(arrays)
        inner = self.signature.x_structure
        outer = inner if kind == "hessian" else self._structure("output")
        rows = [arrays[k : k + inner.count] for k in range(0, len(arrays), inner.count)]
        return outer.unflatten(inner.unflatten(row) for row in rows)

    def _leavers_x(self, scalars: tuple[bool, ...]) -> list[Callable[[Any], Any]]:
        return [
            leaving(self._source, self.signature.library, scalar=scalar, dtype=spec.dtype)
            for scalar, spec in zip(scalars, self.signature.x_specs, strict=True)
        ]

    def _leavers(self, scalars: tuple[bool, ...]) -> list[Callable[[Any], Any]]:
        return [leaving(self._source, self.signature.library, scalar=s) for s in scalars]

    def _leave_y(self, leaves: Leaves, x: Leaves, c: Leaves) -> list[Any]:
        leave = leaving(self._source, self.signature.library, scalar=True)
        return [self.signature.library.fresh(leave(leaf), (*x, *c)) for leaf in leaves]

    def _aux(self, leaves: Leaves) -> Any:
        structure = self._flat.aux_structure
        assert structure is not None
        leave = leaving(self._source, self.signature.library, scalar=True)
        return structure.unflatten(
            leave(leaf) if library_of(leaf) is self._source else leaf for leaf in leaves
        )

    def _structure(self, kind: str) -> Structure:
        structure = self.signature.x_structure if kind == "input" else self._flat.y_structure
        assert structure is not None
        return structure

    def _is_complex(self) -> bool:
        return any(spec.is_complex for spec in self.signature.x_specs)

    # -- checks ---------------------------------------------------------------------------------

    def _check_input(self) -> None:
        if self.scalar_input:
            shapes = [spec.shape for spec in self.signature.x_specs]
            if shapes != [()]:
                shape = shapes[0] if len(shapes) == 1 else f"a tree of {len(shapes)} leaves"
                raise ArgumentError(
                    f"input has shape {shape}, {self.operator} needs a scalar input: use "
                    f"{'jacobian or gradient' if self.lower is None else 'hessian'}"
                )
        if not self.backend.complex_inputs and any(s.is_complex for s in self.signature.x_specs):
            raise ArgumentError(f"{self.backend!r} takes no complex inputs: use backend='jax' or 'torch'")

    def _check_outputs(self) -> None:
        """Learn the output at preparation, so that mistakes show here and not at the tenth call."""
        outputs = self.problem.outputs
        if self.scalar_output and any(spec.is_complex for spec in outputs):
            raise NonScalarOutputError(
                f"output is complex, {self.operator} needs a real scalar: return its real part"
            )
        if self.gives == "hessian" and any(spec.is_complex for spec in self.problem.inputs):
            raise HolomorphicError(
                "a real function of complex arguments has no Hessian of shape input.shape * 2: "
                "use hvp, or differentiate with respect to real and imaginary parts"
            )

    def _make_seeds(self) -> Seeds | None:
        if self.seed_name is None:
            return None
        if self.seed_name == "v":
            structure, specs = self.signature.x_structure, self.signature.x_specs
            pairs_with = "the active argument"
        else:
            specs, pairs_with = self.problem.outputs, "the output"
            structure = self._structure("output")
        return Seeds(self.seed_name, structure, specs, pairs_with, batched=self.batched, target=self._source)

    def _example_seed(self, seed: Any) -> Leaves:
        assert self._seeds is not None
        if seed is not None:
            return self._seeds.enter(seed)
        if self.batched:
            raise ArgumentError(
                f"prepare_{self.operator} with batched=True needs an example of {self.seed_name}="
            )
        zeros = [np.zeros(spec.shape, dtype=spec.dtype) for spec in self._seeds.specs]
        return self._seeds.enter(self._seeds.structure.unflatten(zeros))

    def _out(self, out: Any) -> Leaves:
        """The leaves of ``out`` after every check that can be made before running."""
        places, _ = flatten(out)
        expected = self._expected()
        if expected is not None and len(places) != len(expected):
            raise OutMismatchError(f"out has {len(places)} leaves, the result has {len(expected)}")
        for k, place in enumerate(places):
            owner = library_of(place)
            if owner is None or not hasattr(place, "shape") or not owner.writeable(place):
                kind = f"a {type(place).__module__}.{type(place).__name__}"
                raise OutMismatchError(f"out is {kind} that cannot be written to: pass a writable array")
            if expected is None:
                continue
            found, wanted = owner.spec(place), expected[k]
            if found.shape != wanted.shape:
                raise OutMismatchError(f"out has shape {found.shape}, the result has shape {wanted.shape}")
            if not np.can_cast(wanted.dtype, found.dtype, "same_kind"):
                raise OutMismatchError(f"out has dtype {found.dtype}, the result has dtype {wanted.dtype}")
        return places

    def _expected(self) -> list[ArraySpec] | None:
        """Specs of the result's leaves."""
        x = list(self.signature.x_specs)
        lead: tuple[int, ...] = ()
        if self.batched:
            return None  # the number of directions is the call's
        if self.gives == "input":
            return [ArraySpec(lead + s.shape, s.dtype) for s in x]
        y = x if self.gives == "hessian" else list(self.problem.outputs)
        if self.gives == "output":
            return [ArraySpec(s.shape, s.dtype) for s in y]
        return [ArraySpec(a.shape + b.shape, np.result_type(a.dtype, b.dtype)) for a in y for b in x]

    def _mismatched(self, args: tuple[Any, ...]) -> Prepared:
        """Another preparation for these arguments, or the error that says what changed."""
        if self.on_mismatch == "raise":
            raise PreparationMismatchError(
                f"this {self.operator} was prepared for other arguments:\n"
                f"{self.signature.report(self.f, args)}\n"
                f"prepare again, or pass on_mismatch='reprepare' to prepare_{self.operator}"
            )
        fresh = Signature(args, self.argnums)
        key = fresh.describe()
        with self._lock:
            if key not in self._others:
                self._others[key] = self._again(args)
            return self._others[key]

    def _again(self, args: tuple[Any, ...]) -> Prepared:
        return type(self)(
            self.f,
            args,
            backend=self.backend,
            argnums=self.argnums,
            has_aux=self.has_aux,
            batched=self.batched,
        )

    def _explained(self, error: Exception) -> Exception:
        """The public error for one out of a framework; the user's own errors stay as they are."""
        if isinstance(error, PolyadError | Mismatch):
            return error
        remedy = self.backend.explain(error)
        if remedy is None:
            return error
        line = user_line(error)
        explained = FunctionNotSupportedError(
            f"{self.backend!r} cannot follow {label_of(self.f)}{f' at {line}' if line else ''}: {remedy}"
        )
        explained.__cause__ = error
        return explained

    @property
    def strategy(self) -> str:
        """How the derivative is computed, in words."""
        return self._executable.strategy

    @property
    def repreparations(self) -> int:
        """How many other preparations ``on_mismatch="reprepare"`` has made."""
        return len(self._others)

    def __repr__(self) -> str:
        extras = "".join(
            f", {name}" for name, on in (("batched", self.batched), ("has_aux", self.has_aux)) if on
        )
        return (
            f"<prepared {self.operator} of {label_of(self.f)} by {self.backend!r}: "
            f"{self.strategy}{extras}; for {self.signature.describe()}>"
        )


def _check_call(operator: str, f: Any, args: tuple[Any, ...], on_mismatch: str) -> None:
    if not callable(f):
        raise ArgumentError(f"{operator} takes the function first, then its arguments: f is {f!r}")
    if not args:
        raise ArgumentError(f"{operator} needs the arguments of the function: {operator}(f, x, ...)")
    if on_mismatch not in ("raise", "reprepare"):
        raise ArgumentError(f"on_mismatch is 'raise' or 'reprepare', not {on_mismatch!r}")
