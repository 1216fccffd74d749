"""What a call does: check and convert the arguments, run the kernel, convert back.

* All that can be decided once is decided in ``__init__``; the call itself touches as little as
  possible, because polyad's own share of it is to stay under a microsecond.
* A prepared object never changes after ``__init__`` and holds no buffers, so threads share it.
  What is built later (the executable with the value, a re-preparation) is a cache behind a lock.
* What comes back, and how, is in ``results``.
"""

from __future__ import annotations

import operator
import threading
from collections.abc import Callable
from typing import Any, ClassVar, NoReturn

import numpy as np

from polyad.arrays.libraries import ArraySpec, library
from polyad.arrays.memory import keep_pages
from polyad.arrays.trees import LEAF
from polyad.call.checked import checked
from polyad.call.degenerate import finished
from polyad.call.described import Described
from polyad.call.formed import Formed
from polyad.call.function.flat import FlatFunction, label_of
from polyad.call.function.following import Follower, checked_follow
from polyad.call.function.foreign_traces import Guests, admitted, any_followed, guests
from polyad.call.inputs.arguments import Mismatch
from polyad.call.inputs.seeds import Seeds
from polyad.call.inputs.signature import Signature
from polyad.call.requirements import check_call, check_input, check_outputs
from polyad.call.results import Delivery, fills
from polyad.call.shortest import direct
from polyad.call.single.begun import Begun
from polyad.call.translation import translated
from polyad.engine.notices import LOOKED, SEEN
from polyad.errors import ArgumentError, PolyadError, PreparationMismatchError
from polyad.systems.base import Backend
from polyad.systems.contract import Kernel, Leaves, Problem
from polyad.systems.operations import Operation, declare
from polyad.systems.registry import in_use

__all__ = ["Prepared"]


class Prepared(Described):
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
    follow : bool or tuple of str, optional
        Whether the function is followed through packages, or through which; None decides.
    begun : Begun, optional
        What there is of a single call already.
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
    # whether the result has a leading axis of its own
    rows: ClassVar[bool] = False
    # whether a zero result, or lower derivative, means that the output does not depend on the input
    differentiates: ClassVar[bool] = True
    # whether it is one of the operators that backends, benchmarks and scenarios are listed by
    listed: ClassVar[bool] = True
    # made where something may have to be followed
    follow: bool | tuple[str, ...] | None = None
    _follower: Follower | None = None

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if cls.listed and "operator" in vars(cls):
            order = 0 if cls.rows else 1 if cls.lower is None else 2
            declare(Operation(cls.operator, order, cls.gives, cls.lower, cls.seed_name))

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
        follow: bool | tuple[str, ...] | None = None,
        begun: Begun | None = None,
    ) -> None:
        check_call(self.operator, f, args, on_mismatch)
        self.f, self.argnums = f, argnums
        self.has_aux, self.once = has_aux, once
        self.batched, self.on_mismatch = batched, on_mismatch
        self._examples, self._example_of_seed = args, seed
        self.signature = Signature(args, argnums)
        self.backend = in_use(backend, self.signature.library.name)
        self.backend, f, extra = admitted(self.backend, f, args, seed, once=once)
        self._guests = guests(self.backend, (*args, seed, *extra), once=once)
        if self._guests is not None:
            self.once, self._guests.extra = True, extra  # values around us have no meaning after their end
        if self._guests is not None and self._guests.inside:
            args, (seed,) = self._guests.arguments(args), self._guests.enter((seed,))
            self.signature = Signature(args, argnums)
        self._source = library(self.backend.library)
        check_input(self)
        options: Any = {"has_aux": has_aux, "operator": self.operator, "scalar": self.scalar_output}
        self._flat = begun.flat if begun else FlatFunction(f, self.signature, self.backend.runner, **options)
        if follow is not None:
            self.follow = checked_follow(follow)
            self._follower = Follower(follow, self.backend)
        self._flat.inside = self._guests is not None and self._guests.inside
        # of a single call, which comes at once: its leaves, so that it need not look at its arguments again
        self._given: tuple[Leaves, Leaves, tuple[Leaves, ...]] | None = None
        self._delivery = Delivery(
            self.signature, self._flat, self._source, self.gives, batched=batched or self.rows
        )
        self._lock, self._started = threading.Lock(), begun
        self._others: dict[Any, Prepared] = {}
        while True:
            try:
                self._prepare(args, seed)
                if self._flat.caught and self._guests is None and self.backend.hosts:
                    self._guests = Guests(self.backend, boxes=False)
                self._make_fast()  # asks for the form of the output, which may take a run of the function
                break
            except Exception as error:
                if not (self._flat.relents(error) or self._follows(error, args)):
                    self._raise(error)
        if self._follower is not None:
            self._follower.settle(once)

    def _prepare(self, args: tuple[Any, ...], seed: Any) -> None:
        """Problem, kernel and executable."""
        begun, self._started = self._started, None
        before = begun.before if begun else (SEEN.count, LOOKED.so_far(), LOOKED.rules)
        if begun is not None:
            begun.check()
        x, c = (self.signature.as_given(args, self._source) if self.once else None) or self._enter(args)
        if self.follow is not None:
            self._follower.begin(self._flat, x, c)  # type: ignore[union-attr]
        keep_pages(x + c, square=self.gives in ("jacobian", "hessian"))
        self.problem = (begun and begun.problem) or Problem(
            self._flat, x, c, self.backend.outputs, label_of(self.f)
        )
        if not self.once or self.signature.is_complex:
            check_outputs(self)
        self._seeds = self._make_seeds()
        seeds = () if self._seeds is None else (self._example_seed(seed),)
        if begun is None:
            kernel = self._kernel(self.backend, self.problem)
            self._ready = finished(self, kernel, seeds, before[0])
        else:
            self._ready = begun.executable()
        self._form = self._ready.form
        if self._form is not None:
            self._delivery = Formed(self._delivery, self._form)
        looks = self.backend.exact and not (self._guests and self._guests.inside)
        self._begun = before if looks and self.once else None
        if looks and not self.once:
            self._ready = checked(self, self._ready, before)
        # an example of the direction that was made up here stands for none that is called with
        self._given = (x, c, seeds) if self.once and (seed is not None or not seeds) else None

    def _enter(self, args: tuple[Any, ...]) -> tuple[Leaves, Leaves]:
        """Check and convert the arguments of a call; made at the first, as a single call may not need it."""
        entry = self._enter = self.signature.enter(self._source)  # type: ignore[method-assign, assignment]
        return entry(args)

    # -- what a subclass says -------------------------------------------------------------------

    def _kernel(self, backend: Backend, problem: Problem) -> Kernel:
        """The backend's kernel for this operator."""
        raise NotImplementedError

    # -- the call -------------------------------------------------------------------------------

    def _make_fast(self) -> None:
        """Make the calls for one array in and one array of a result out, without loops over leaves."""
        self._fast: Callable[..., Any] | None = None
        self._fast_view: Callable[..., Any] | None = None
        self._out_spec: ArraySpec | None = None
        if self.once or self.has_aux or self._guests is not None or self._form is not None:
            return
        single = self.signature.x_structure is LEAF and (
            self.gives in ("input", "hessian") or self._flat.y_structure is LEAF
        )
        if not single:
            return
        leave = self._delivery.converts(self.gives, 1, batched=self._delivery.batched)[0]
        arrays = self.signature.library.plain and not (
            self.gives == "output" or any(self.signature.x_scalars)
        )
        if self._executable.exclusive and arrays:
            small = self._delivery.nbytes(self.problem) <= 2**11
            # np.array is the quickest copy of what is there at once, and the slowest to wait with
            leave = np.array if small else self._source.take
            if self._source.plain and self.signature.x_specs[0].shape:
                leave = self._source.to_numpy  # it is the caller's array already
        parts = (self.signature, self._source, self._executable, self._seeds)
        self._fast = direct(*parts, leave)
        if self.signature.library.plain and not self._delivery.batched:
            expected = self._delivery.expected(self.problem)
            assert expected is not None
            self._out_spec = expected[0]
            self._fast_view = direct(*parts, self._source.to_numpy, view=True)

    def _leaves(
        self, args: tuple[Any, ...], seed: tuple[Any, ...]
    ) -> tuple[Leaves, Leaves, tuple[Leaves, ...]]:
        """Active and constant leaves of a call, and those of its direction."""
        given, self._given = self._given, None
        if given is not None:
            now, then = (
                (*args, *seed),
                (*self._examples, self._example_of_seed)[: self.signature.count + len(seed)],
            )
            if len(now) == len(then) and all(map(operator.is_, now, then)):
                return given  # of the very objects that it was prepared with, just now
        x, c = self._enter(args)
        return x, c, tuple([self._seeds.enter(s) for s in seed])  # type: ignore[union-attr]

    def _call(self, args: tuple[Any, ...], out: Any, *seed: Any) -> Any:
        """The result alone."""
        if self._guests is not None:
            args, seed = self._guests.arguments(args), self._guests.enter(seed)
        try:
            if out is None:
                if self._fast is not None:
                    return self._fast(args, *seed)
            elif fills(out, self._out_spec, args, seed):
                np.copyto(out, self._fast_view(args, *seed))  # type: ignore[misc]
                return out
            x, c, seeds = self._leaves(args, seed)
            others = (*args, *seed)
            places = None if out is None else self._delivery.places(out, self.problem, others)
            if self.has_aux:
                outcome = self._executable.full(x, c, *seeds)
                result = self._delivery.result(outcome[0], places, others, out)
                both = result, self._delivery.aux(outcome[2])
                return both if self._guests is None else self._guests.leave(both)
            leaves = self._executable.result(x, c, *seeds)
            result = self._delivery.result(leaves, places, others, out)
            return result if self._guests is None else self._guests.leave(result)
        except Exception as error:
            return self._instead(error, args, seed)._call(args, out, *seed)

    def _value_and(self, args: tuple[Any, ...], out: Any, *seed: Any, drop: int = 0) -> Any:
        """Value, lower derivative where there is one, and result; ``drop`` leaves out the first."""
        if self._guests is not None:
            args, seed = self._guests.arguments(args), self._guests.enter(seed)
        try:
            x, c, seeds = self._leaves(args, seed)
            delivery = self._delivery
            others = (*args, *seed)
            places = None if out is None else delivery.places(out, self.problem, others)
            outcome = self._executable.full(x, c, *seeds)
            y = delivery.value(outcome[1])
            parts: list[Any] = [(y, delivery.aux(outcome[2])) if self.has_aux else y]
            if self.lower is not None:
                lower = delivery.tree(self.lower, outcome[3], others, batched=False)
                parts.append(lower)
                others = (*others, lower)
            parts.append(delivery.result(outcome[0], places, others, out))
        except Exception as error:
            return self._instead(error, args, seed)._value_and(args, out, *seed, drop=drop)
        chosen = tuple(parts[drop:])
        return chosen if self._guests is None else self._guests.leave(chosen)

    # -- checks ---------------------------------------------------------------------------------

    def _make_seeds(self) -> Seeds | None:
        if self.seed_name is None:
            return None
        if self.seed_name == "v":
            structure, specs = self.signature.x_structure, self.signature.x_specs
            pairs_with = "the active argument"
        else:
            specs, pairs_with = self.problem.outputs, "the output"
            structure = self._delivery.structure("output")
        return Seeds(
            self.seed_name,
            structure,
            specs,
            pairs_with,
            batched=self.batched,
            target=self._source,
            like=self.problem.x[0] if self.seed_name == "v" else None,
        )

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

    def _instead(self, error: Exception, args: tuple[Any, ...], seed: tuple[Any, ...]) -> Prepared:
        """What makes a failed call again, another preparation or this one; or else the error is raised."""
        inside = self._guests is not None  # made there with plain arguments, maybe
        fits_not = isinstance(error, Mismatch if inside else Mismatch | PolyadError)
        if fits_not and (inside or not self.once) and any_followed((*args, *seed)):
            if self.signature.resembles(args):  # inside a differentiation unknown at preparation
                return self._again(args, seed=seed[0] if seed else None, once=True)
        if isinstance(error, Mismatch):
            return self._mismatched(args, seed)
        if self._flat.relents(error) or self._follows(error, args):
            return self
        self._raise(error)

    def _follows(self, error: Exception, args: tuple[Any, ...]) -> bool:
        """Whether another run gets past an error, followed through packages or farther than before."""
        self._follower = self._follower or Follower(None, self.backend)
        return self._follower.again(error, self._flat, lambda: self._enter(args))

    def _mismatched(self, args: tuple[Any, ...], seed: tuple[Any, ...]) -> Prepared:
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
                self._others[key] = self._again(args, seed=seed[0] if seed else None)
            return self._others[key]

    def _again(self, args: tuple[Any, ...], **options: Any) -> Prepared:
        return type(self)(self.f, args, **{**self._options(), **options})

    def _options(self) -> dict[str, Any]:
        """What it was made with, besides the function and its arguments."""
        chosen: dict[str, Any] = {"backend": self.backend, "argnums": self.argnums, "has_aux": self.has_aux}
        if self.follow is not None:
            chosen["follow"] = self.follow
        return {**chosen, "batched": True} if self.batched else chosen

    def _plain(self) -> Any:
        return self.f(*self.signature.rebuild(self.problem.x, self.problem.c))

    def _raise(self, error: Exception) -> NoReturn:
        """Raise the public error for one out of a framework; the user's own errors stay as they are."""
        if isinstance(error, Mismatch):
            raise  # the exception that is being handled
        error = self.backend.source(error)
        for cause in self._follower.causes(error) if self._follower else [error]:
            explained = translated(cause, self.backend, self.f, self._plain)
            if explained is not None or isinstance(cause, PolyadError):
                break
        if explained is None and self._follower:
            explained = self._follower.explained(cause, self.f)
        found = explained or self.backend.placed(cause)
        if found is cause:
            raise cause  # with the traceback and the causes it has
        raise found from cause
