"""PyTorch: reverse mode over kept graphs, batched by ``torch.func.vmap``.

* Derivatives are taken by ``torch.autograd.grad`` on detached copies of the inputs, so that no
  ``requires_grad``, ``.grad`` or grad mode of the user's is ever touched.
* Forward products are the pullback of the pullback: as fast as torch's forward mode or faster,
  without a lock, and with a formula wherever double backward has one. torch's own forward mode
  runs only where it is asked for.
* Batches of seeds go through ``torch.func.vmap`` of ``torch.autograd.grad``. The older
  ``is_grads_batched=True`` is right as well and up to 20 times slower.
* Results are detached, except inside of another derivative (or with ``create_graph=True``).
* torch's convention for complex numbers is polyad's: nothing is conjugated but Jacobian rows.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from polyad.arrays.libraries import ArraySpec
from polyad.errors import ArgumentError
from polyad.systems.base import Backend
from polyad.systems.contract import (
    Call,
    Executable,
    Kernel,
    Leaves,
    Linearized,
    Problem,
    Variant,
    strategy_of,
)
from polyad.systems.derive import linearize
from polyad.systems.torch import sparsity
from polyad.systems.torch.finish import as_tensor, compiled, eager, explanation, output_specs
from polyad.systems.torch.functional import TorchFunc
from polyad.systems.torch.graph import (
    Choice,
    Graph,
    columns,
    pull,
    push,
    push_by_rows,
    record,
    rows,
    sweep,
    transposed,
    twice,
)
from polyad.systems.torch.linearize import linearized
from polyad.systems.torch.shortest import bare_gradient, bare_hvp, direct_gradient, direct_hvp
from polyad.systems.torch.state import STATE, functional, guarded

__all__ = ["Torch"]

# Below this many rows the passes for the transposed graph cost more than they save.
FEW_ROWS = 64
SECOND_ORDER = frozenset({"hvp", "hvp_batched", "hessian", "second_derivative"})


@dataclasses.dataclass(frozen=True, repr=False)
class Torch(Backend):
    """Differentiation by PyTorch.

    Parameters
    ----------
    mode : {None, "forward", "reverse"}
        Force one mode; None takes reverse mode for everything, pushforwards included, which are
        pullbacks of pullbacks. Forward mode runs under one lock, because torch's own is not
        safe across threads, and only as the outermost derivative (second order is forward over
        reverse), because derivatives of torch's forward mode are not always right.
    compile : bool
        Trace prepared derivatives and compile them with ``torch.compile`` (seconds, and no Python
        branches on values). Unprepared calls are never compiled.
    chunk_size : int, optional
        Directions per batch; None bounds the memory of a batch.
    create_graph : bool
        Keep results attached to torch's graph, so that torch can differentiate through them with
        respect to whatever requires grad; otherwise they are detached.
    lift : bool, optional
        Whether the function is NumPy code to be run on the framework's arrays (True), or is written
        for these (False); None finds out at preparation.

    Examples
    --------
    >>> import torch, polyad as ad
    >>> x = torch.tensor([1.0, 2.0], dtype=torch.float64)
    >>> ad.gradient(lambda x: (x**3).sum(), x, backend=ad.Torch())
    tensor([ 3., 12.], dtype=torch.float64)
    """

    mode: str | None = None
    compile: bool = False
    chunk_size: int | None = None
    create_graph: bool = False

    # vmap keeps more than the sum of its operands
    live: ClassVar[tuple[int, int]] = (14, 36)
    name: ClassVar[str] = "torch"
    library: ClassVar[str] = "torch"
    requires: ClassVar[tuple[str, ...]] = ("torch",)
    extra: ClassVar[str] = "torch"
    supports: ClassVar[frozenset[str]] = frozenset({"forward", "reverse"})
    prefers_pullbacks: ClassVar[bool] = True
    variants: ClassVar[Mapping[str, Variant]] = {"compiled": Variant({"compile": True}, compared=True)}
    by_value: ClassVar[bool] = True
    fast_path: ClassVar[bool] = True

    @property
    def freezes(self) -> bool:  # type: ignore[override]
        return bool(self.compile)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.create_graph and (self.compile or self.mode == "forward"):
            other = "compile=True" if self.compile else "mode='forward'"
            raise ArgumentError(
                f"create_graph=True cannot go with {other}: torch cannot differentiate compiled programs, "
                "and gets derivatives of its forward mode wrong"
            )

    @property
    def xp(self) -> Any:
        import array_api_compat.torch

        return array_api_compat.torch

    # -- routes -----------------------------------------------------------------------------

    def _route(
        self,
        operator: str,
        problem: Problem,
        native: Call,
        choice: Choice,
        *,
        direct: Call | None = None,
        bare: Callable[[Problem, Call], Call] | None = None,
    ) -> Kernel:
        """The native kernel, and inside ``torch.func``'s transforms the one that works there."""
        # second order forced forward is forward over reverse: forward mode cannot be differentiated
        mode = "reverse" if self.mode != "forward" else None if operator in SECOND_ORDER else "forward"
        found: list[Kernel] = []  # made when it is asked for, which is seldom

        def other() -> Kernel:
            if not found:
                general = TorchFunc(mode=mode, chunk_size=self.chunk_size)
                found.append(getattr(general, operator)(problem))
            return found[0]

        def kernel(*args: Leaves) -> Any:
            if functional():
                return other()(*args)
            return native(*args)

        if self.mode == "forward":
            problem.outputs  # noqa: B018  (learned under the watch, which forward mode cannot have)
            return other()
        return Kernel(kernel, choice, direct=direct, own=bare)

    def _attached(self) -> bool:
        return self.create_graph or STATE.depth > 0

    # -- first order --------------------------------------------------------------------------

    def jvp(self, problem: Problem) -> Kernel:
        return self._push("jvp", problem, batched=False)

    def jvp_batched(self, problem: Problem) -> Kernel:
        return self._push("jvp_batched", problem, batched=True)

    def _push(self, operator: str, problem: Problem, *, batched: bool) -> Kernel:
        choice = Choice("pullback of the pullback" + ", batched" * batched, self.chunk_size)

        def kernel(x: Leaves, c: Leaves, v: Leaves) -> Any:
            create = self._attached()
            graph = record(problem, x, c, create)
            dy = twice(
                choice, lambda: push(transposed(graph, choice), v, choice, batched=batched, create=create)
            )
            if dy is None:
                dy = push_by_rows(graph, v, choice, batched=batched, create=create)
            return dy, graph.y, graph.aux

        return self._route(operator, problem, kernel, choice)

    def vjp(self, problem: Problem) -> Kernel:
        def kernel(x: Leaves, c: Leaves, w: Leaves) -> Any:
            create = self._attached()
            graph = record(problem, x, c, create)
            return pull(graph.y, graph.x, w, create=create), graph.y, graph.aux

        return self._route("vjp", problem, kernel, Choice("torch.autograd.grad", None))

    def vjp_batched(self, problem: Problem) -> Kernel:
        choice = Choice("torch.autograd.grad, batched", self.chunk_size)

        def kernel(x: Leaves, c: Leaves, w: Leaves) -> Any:
            create = self._attached()
            graph = record(problem, x, c, create)
            product = functools.partial(_pull_star, graph, create)
            return sweep(product, w, graph.x, choice), graph.y, graph.aux

        return self._route("vjp_batched", problem, kernel, choice)

    def gradient(self, problem: Problem) -> Kernel:
        def kernel(x: Leaves, c: Leaves) -> Any:
            create = self._attached()
            graph = record(problem, x, c, create)
            return pull(graph.y, graph.x, None, create=create), graph.y, graph.aux

        choice = Choice("reverse, torch.autograd.grad", None)
        return self._route(
            "gradient", problem, kernel, choice, direct=direct_gradient(problem), bare=bare_gradient
        )

    def derivative(self, problem: Problem) -> Kernel:
        return self._jacobian("derivative", problem)

    def jacobian(self, problem: Problem) -> Kernel:
        return self._jacobian("jacobian", problem)

    def _jacobian(self, operator: str, problem: Problem) -> Kernel:
        choice = Choice("Jacobian", self.chunk_size)

        def kernel(x: Leaves, c: Leaves) -> Any:
            create = self._attached()
            graph = record(problem, x, c, create)
            m, n = (sum(a.numel() for a in leaves) for leaves in (graph.y, graph.x))
            if m >= FEW_ROWS and 2 * n <= m:
                choice.words = f"{n} pullbacks of the pullback in a batch, by columns"
                blocks = twice(choice, lambda: columns(graph, choice, create=create))
                if blocks is not None:
                    return _flat(blocks), graph.y, graph.aux
            choice.words = f"{m} pullback{'s in a batch' * (m > 1)}, by rows"
            blocks = rows(graph.y, graph.x, choice, create=create)
            return tuple(a.conj().resolve_conj() for a in _flat(blocks)), graph.y, graph.aux

        return self._route(operator, problem, kernel, choice)

    # -- second order -------------------------------------------------------------------------

    def _gradient_graph(self, problem: Problem, x: Leaves, c: Leaves, choice: Choice) -> tuple[Graph, Graph]:
        """The graph of the function and that of its gradient."""
        graph = record(problem, x, c, self._attached())
        # the first time through the transposed graph, which shows a backward pass without derivative
        plain = choice.checked
        g = pull(graph.y, graph.x, None, create=True) if plain else transposed(graph, choice).y
        return graph, Graph(graph.x, g, graph.aux)

    def hvp(self, problem: Problem) -> Kernel:
        choice = Choice("double backward", None)

        def kernel(x: Leaves, c: Leaves, v: Leaves) -> Any:
            graph, second = self._gradient_graph(problem, x, c, choice)
            hv = pull(second.y, second.x, v, create=self._attached())
            return hv, graph.y, graph.aux, second.y

        return self._route("hvp", problem, kernel, choice, direct=direct_hvp(problem), bare=bare_hvp)

    def hvp_batched(self, problem: Problem) -> Kernel:
        choice = Choice("double backward, batched", self.chunk_size)

        def kernel(x: Leaves, c: Leaves, v: Leaves) -> Any:
            graph, second = self._gradient_graph(problem, x, c, choice)
            product = functools.partial(_pull_star, second, self._attached())
            return sweep(product, v, second.x, choice), graph.y, graph.aux, second.y

        return self._route("hvp_batched", problem, kernel, choice)

    def hessian(self, problem: Problem) -> Kernel:
        total = sum(spec.size for spec in problem.inputs)
        choice = Choice(f"double backward, {total} row{'s in a batch' * (total > 1)}", self.chunk_size)

        def kernel(x: Leaves, c: Leaves) -> Any:
            graph, second = self._gradient_graph(problem, x, c, choice)
            blocks = rows(second.y, second.x, choice, create=self._attached())
            return _flat(blocks), graph.y, graph.aux, second.y

        return self._route("hessian", problem, kernel, choice)

    def second_derivative(self, problem: Problem) -> Kernel:
        choice = Choice("pushforward of the pushforward, each the pullback of a pullback", None)

        def kernel(x: Leaves, c: Leaves) -> Any:
            graph = record(problem, x, c, self._attached())
            ones = tuple(a.new_ones(a.shape) for a in graph.x)
            dy = push(transposed(graph, choice), ones, choice, batched=False, create=True)
            first = transposed(Graph(graph.x, dy, ()))
            d2y = push(first, ones, choice, batched=False, create=self._attached())
            return d2y, graph.y, graph.aux, dy

        return self._route("second_derivative", problem, kernel, choice)

    # -- patterns -----------------------------------------------------------------------------

    def jacobian_sparsity(
        self, problem: Problem, *, local: bool = False, dense: bool = False
    ) -> tuple[Any, Any]:
        problem.outputs  # noqa: B018  (under the watch, and says whether it is NumPy code)
        if getattr(problem.f, "lifted", False):
            return super().jacobian_sparsity(problem, local=local, dense=dense)
        return sparsity.jacobian_sets(problem, local=local, dense=dense).csr()

    def hessian_sparsity(
        self, problem: Problem, *, local: bool = False, dense: bool = False
    ) -> tuple[Any, Any]:
        problem.outputs  # noqa: B018  (as above)
        if getattr(problem.f, "lifted", False):
            return super().hessian_sparsity(problem, local=local, dense=dense)
        return sparsity.hessian_sets(problem, local=local, dense=dense).csr()

    def portable(
        self, kernel: Kernel, problem: Problem, seeds: tuple[Leaves, ...], *, once: bool = False
    ) -> Kernel:
        if once:
            return super().portable(kernel, problem, seeds)
        from polyad.systems.torch.replay.graph import portable

        return portable(self, kernel, problem, seeds)

    # -- surroundings -------------------------------------------------------------------------

    def table(self, a: Any, problem: Problem) -> Any:
        import torch

        # torch indexes by 64-bit integers
        wide = a.astype("int64") if a.dtype.kind == "i" else a  # NumPy's
        return torch.as_tensor(wide, device=problem.x[0].device)

    def linearize(self, problem: Problem, x: Leaves, c: Leaves) -> Linearized:
        if self.mode == "forward" or functional():
            general = TorchFunc(mode=self.mode or "reverse", chunk_size=self.chunk_size)
            return linearize.linearize(general, problem, x, c)
        return linearized(problem, x, c, chunk=self.chunk_size, attached=self._attached())

    def outputs(self, problem: Problem) -> tuple[ArraySpec, ...]:
        return output_specs(problem)

    def natively(self, call: Call, x: Leaves, c: Leaves, label: str) -> Any:
        return guarded(call, (x, c), x, label) if STATE.watch else call(x, c)

    def output(self, leaf: Any) -> Any:
        return leaf if hasattr(leaf, "requires_grad") else as_tensor(leaf)

    def finish(
        self, kernel: Kernel, problem: Problem, seeds: tuple[Leaves, ...], *, prepared: bool
    ) -> Executable:
        kernel = kernel if isinstance(kernel, Kernel) else Kernel(kernel)
        call, bare = kernel.call, kernel.own
        full, result = eager(call, attached=self.create_graph, watch=not prepared, direct=kernel.direct)
        if prepared and self.compile:
            return compiled(call, full, (problem.x, problem.c, *seeds))
        if prepared:
            full(problem.x, problem.c, *seeds)  # finds out what works, and says now what does not
        shortest = None
        if bare is not None and prepared and not self.create_graph and len(problem.x) == 1:
            shortest = bare(problem, result)
        return Executable(full, result, strategy_of(kernel), shortest)

    def explain(self, error: Exception) -> str | None:
        return explanation(error)


def _pull_star(graph: Graph, create: bool, *w: Any) -> Leaves:
    return pull(graph.y, graph.x, w, create=create, retain=True)


def _flat(blocks: list[list[Any]]) -> Leaves:
    return tuple(block for row in blocks for block in row)
