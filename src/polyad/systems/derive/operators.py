"""Every operator from one primitive.

* A backend with ``jvp`` gets ``vjp`` by one tangent per input entry, and one with ``vjp`` gets ``jvp`` by
  one cotangent per output entry; both are exact, only slower.
* Jacobians sweep a basis through a batched product, in the direction with fewer seeds.
* Second order applies the backend to its own gradient: forward over reverse where it has both.
* Bases are taken over the real numbers (``1`` and ``1j`` for complex entries) where a map need not
  be complex-linear, so that the derivations hold for every function of complex arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from polyad.arrays.libraries import ArraySpec
from polyad.errors import UnsupportedOperatorError
from polyad.systems.contract import Call, Kernel, Leaves, Problem, strategy, strategy_of
from polyad.systems.derive.basis import (
    Stack,
    as_block,
    as_dtype,
    basis,
    chunk_of,
    conj,
    device,
    dtype,
    is_complex,
    size,
    swept,
)

if TYPE_CHECKING:
    from polyad.systems.base import Backend

# -- products ---------------------------------------------------------------------------------


def pushforward(backend: Backend, problem: Problem, *, batched: bool = False) -> Kernel:
    """The backend's own ``jvp`` where its mode allows, else one pullback per output entry."""
    if backend.forward:
        return backend.jvp_batched(problem) if batched else backend.jvp(problem)
    product = backend.vjp_batched(problem)
    kernel = _adjoint(backend, problem, product, problem.outputs, problem.inputs, batched)
    return strategy("one pullback per output entry")(kernel)


def pullback(backend: Backend, problem: Problem, *, batched: bool = False) -> Kernel:
    """The backend's own ``vjp`` where its mode allows, else one pushforward per input entry."""
    if backend.reverse or backend.sweeps:
        return backend.vjp_batched(problem) if batched else backend.vjp(problem)
    product = backend.jvp_batched(problem)
    kernel = _adjoint(backend, problem, product, problem.inputs, problem.outputs, batched)
    return strategy("one pushforward per input entry")(kernel)


def _adjoint(
    backend: Backend,
    problem: Problem,
    product: Kernel,
    rows: Sequence[ArraySpec],
    columns: Sequence[ArraySpec],
    batched: bool,
) -> Call:
    """The adjoint of a batched product, whose seeds are like ``rows`` and images like ``columns``."""
    xp = backend.xp
    chunk = chunk_of(backend, size(rows), size(rows) + size(columns))

    def kernel(x: Leaves, c: Leaves, seed: Leaves) -> Any:
        flat = tuple(
            xp.reshape(s, (s.shape[0] if batched else 1, spec.size))
            for s, spec in zip(seed, columns, strict=True)
        )
        parts: list[list[Any]] = [[] for _ in rows]
        y: Leaves | None = None
        aux: Leaves = ()
        for k, seeds in basis(xp, rows, x[:1] * len(rows), chunk, real=True):
            images, y, aux = product(x, c, seeds)
            # one array per seed of the outer batch and unit of this one
            parts[k].append(sum(_pair(xp, a, b) for a, b in zip(flat, images, strict=True)))
        if y is None:
            y, aux = problem.f(x, c)
        result = tuple(
            _assemble(xp, spec, part, flat[0].shape[0]) for spec, part in zip(rows, parts, strict=True)
        )
        return (result if batched else tuple(r[0] for r in result)), y, aux

    return kernel


def _pair(xp: Any, a: Any, b: Any) -> Any:
    """``Re(sum(conj(a) * b))`` for each pair of a row of ``a`` and a leading index of ``b``."""
    b = xp.reshape(b, (b.shape[0], a.shape[1]))
    product = conj(xp, a) @ xp.moveaxis(b, 0, 1)
    return xp.real(product) if is_complex(product) else product


def _assemble(xp: Any, spec: ArraySpec, parts: list[Any], count: int) -> Any:
    """Coordinates along the real basis as one array like ``spec`` with a leading axis."""
    if not parts:
        return xp.zeros((count, *spec.shape), dtype=dtype(xp, spec))
    flat = parts[0] if len(parts) == 1 else xp.concat(parts, axis=1)
    if spec.is_complex:
        # 1j and a real array make a complex one in some libraries only
        flat = as_dtype(xp, flat, spec.dtype)
        flat = flat[:, : spec.size] + 1j * flat[:, spec.size :]
    return as_dtype(xp, xp.reshape(flat, (count, *spec.shape)), spec.dtype)


def jvp_batched(backend: Backend, problem: Problem) -> Kernel:
    """One direction after the other."""
    return _looped(backend, backend.jvp(problem), problem, lambda p: p.outputs)


def vjp_batched(backend: Backend, problem: Problem) -> Kernel:
    """One direction after the other."""
    return _looped(backend, backend.vjp(problem), problem, lambda p: p.inputs)


def hvp_batched(backend: Backend, problem: Problem) -> Kernel:
    """Batched pushforward of the gradient, or one direction after the other."""
    if not backend.nestable:
        return _looped(backend, backend.hvp(problem), problem, lambda p: p.inputs)
    return _of_gradient(backend, problem, batched=True)


def _looped(
    backend: Backend,
    single: Kernel,
    problem: Problem,
    like: Callable[[Problem], Sequence[ArraySpec]],
) -> Kernel:
    xp = backend.xp

    @strategy(f"{strategy_of(single)}, one direction after the other")
    def kernel(x: Leaves, c: Leaves, seeds: Leaves) -> Any:
        count = int(seeds[0].shape[0])
        outcomes = [single(x, c, tuple(s[k] for s in seeds)) for k in range(count)]
        if not outcomes:
            empty = single(x, c, tuple(xp.zeros(s.shape[1:], dtype=s.dtype) for s in seeds))
            none = tuple(xp.zeros((0, *s.shape), dtype=dtype(xp, s)) for s in like(problem))
            return (none, *empty[1:])
        stacked = tuple(xp.stack(leaf) for leaf in zip(*(o[0] for o in outcomes), strict=True))
        return (stacked, *outcomes[-1][1:])

    return kernel


# -- first order --------------------------------------------------------------------------------


def value(backend: Backend, problem: Problem) -> Kernel:
    """The function itself."""

    @strategy("evaluation")
    def kernel(x: Leaves, c: Leaves) -> Any:
        y, aux = problem.f(x, c)
        return y, y, aux

    return kernel


def derivative(backend: Backend, problem: Problem) -> Kernel:
    """A pushforward with the unit tangent, or the Jacobian by rows."""
    if not backend.forward:
        return jacobian(backend, problem)
    push = pushforward(backend, problem)

    @strategy("pushforward of 1")
    def kernel(x: Leaves, c: Leaves) -> Any:
        return push(x, c, tuple(backend.xp.ones_like(leaf) for leaf in x))

    return kernel


def gradient(backend: Backend, problem: Problem) -> Kernel:
    """A pullback with the unit cotangent; forward-only backends sweep the basis in ``vjp``."""
    pull = pullback(backend, problem)
    xp = backend.xp
    (out,) = problem.outputs

    @strategy("pullback of 1" if backend.reverse else strategy_of(pull))
    def kernel(x: Leaves, c: Leaves) -> Any:
        one = xp.ones((), dtype=dtype(xp, out), **device(x, 0))
        return pull(x, c, (one,))

    return kernel


def forward_wins(backend: Backend, problem: Problem, bias: float = 1.0) -> bool:
    """Whether a Jacobian takes fewer seeds by columns, a reverse seed costing ``bias`` of one."""
    if not (backend.forward and backend.reverse):
        return backend.forward
    return size(problem.inputs) <= bias * size(problem.outputs)


def jacobian(backend: Backend, problem: Problem) -> Kernel:
    """Columns by pushforwards or rows by pullbacks, whichever are fewer."""
    if forward_wins(backend, problem):
        return jacobian_by_columns(backend, problem)
    return jacobian_by_rows(backend, problem)


def jacobian_by_columns(backend: Backend, problem: Problem, product: Kernel | None = None) -> Kernel:
    """One pushforward per input entry, batched; by another product than the backend's where one is given."""
    xp, ins, outs = backend.xp, problem.inputs, problem.outputs
    product = product or backend.jvp_batched(problem)
    total = size(ins)
    chunk = chunk_of(backend, total, total + size(outs))

    @strategy(f"{total} pushforwards{_batches(total, chunk)}, by columns")
    def kernel(x: Leaves, c: Leaves) -> Any:
        columns: list[Any] = [Stack(spec.size) if chunk < spec.size else [] for spec in ins]
        y = aux = None
        for i, outcome in swept(product, x, c, basis(xp, ins, x, chunk)):
            dy, y, aux = outcome
            columns[i].append(dy)
        if y is None:
            y, aux = problem.f(x, c)
        blocks = tuple(
            block_of_columns(xp, out, spec, [part[j] for part in columns[i]])
            for j, out in enumerate(outs)
            for i, spec in enumerate(ins)
        )
        return blocks, y, aux

    return kernel


def block_of_columns(xp: Any, out: ArraySpec, spec: ArraySpec, parts: list[Any]) -> Any:
    """A block of a Jacobian of the products with the units of an input leaf."""
    shape = out.shape + spec.shape
    if not parts:
        return xp.zeros(shape, dtype=dtype(xp, out))
    stacked = parts[0] if len(parts) == 1 else xp.concat(parts)
    if stacked.ndim == 1:  # of a scalar, which is in order already
        return as_block(xp, stacked if stacked.shape == shape else xp.reshape(stacked, shape), out, spec)
    last = stacked.T if stacked.ndim == 2 else xp.moveaxis(stacked, 0, -1)
    return as_block(xp, last if last.shape == shape else xp.reshape(last, shape), out, spec)


def jacobian_by_rows(backend: Backend, problem: Problem) -> Kernel:
    """One pullback per output entry, batched."""
    xp, ins, outs = backend.xp, problem.inputs, problem.outputs
    product = backend.vjp_batched(problem)
    # A real input's cotangent is a real part: the imaginary one takes the seeds times 1j as well.
    turned = any(not spec.is_complex for spec in ins)
    total = size(outs) + sum(out.size for out in outs if turned and out.is_complex)
    chunk = chunk_of(backend, total, total + size(ins))

    @strategy(f"{total} pullbacks{_batches(total, chunk)}, by rows")
    def kernel(x: Leaves, c: Leaves) -> Any:
        twice = [out.size * (1 + (turned and out.is_complex)) for out in outs]
        rows: list[Any] = [Stack(k) if chunk < k else [] for k in twice]
        y = aux = None
        seeds = basis(xp, outs, (x[0],) * len(outs), chunk, real=turned)
        for j, outcome in swept(product, x, c, seeds):
            dx, y, aux = outcome
            rows[j].append(dx)
        if y is None:
            y, aux = problem.f(x, c)
        blocks = tuple(
            block_of_rows(xp, out, spec, [part[i] for part in rows[j]], turned=turned and out.is_complex)
            for j, out in enumerate(outs)
            for i, spec in enumerate(ins)
        )
        return blocks, y, aux

    return kernel


def block_of_rows(xp: Any, out: ArraySpec, spec: ArraySpec, parts: list[Any], *, turned: bool) -> Any:
    """A block of a Jacobian of the pullbacks of the units of an output leaf."""
    shape = out.shape + spec.shape
    if not parts:
        return xp.zeros(shape, dtype=dtype(xp, spec))
    stacked = parts[0] if len(parts) == 1 else xp.concat(parts)
    if turned:
        straight, across = stacked[: out.size], stacked[out.size :]
        if not spec.is_complex:
            straight = as_dtype(xp, straight, out.dtype) + 1j * as_dtype(xp, across, out.dtype)
        stacked = straight
    stacked = xp.reshape(stacked, shape)
    return as_block(xp, conj(xp, stacked) if spec.is_complex else stacked, out, spec)


def _batches(total: int, chunk: int) -> str:
    count = -(-total // chunk)
    return " in one batch" if count <= 1 else f" in {count} batches"


# -- second order -------------------------------------------------------------------------------


def gradient_problem(backend: Backend, problem: Problem) -> Problem:
    """The gradient as a function; its ``aux`` is the value followed by the user's ``aux``."""
    _require_nesting(backend)
    kernel = backend.gradient(problem)

    def f(x: Leaves, c: Leaves) -> tuple[Leaves, Leaves]:
        g, y, aux = kernel(x, c)
        return g, (*y, *aux)

    return problem.derived(f, problem.inputs)


def _of_gradient(backend: Backend, problem: Problem, *, batched: bool) -> Kernel:
    inner_problem = gradient_problem(backend, problem)
    if backend.forward:
        product = pushforward(backend, inner_problem, batched=batched)
        words = f"forward over {'reverse' if backend.reverse else 'forward'}"
    else:
        # The Hessian is symmetric, so a pullback of the gradient is the product itself.
        product = pullback(backend, inner_problem, batched=batched)
        words = "reverse over reverse"

    @strategy(words)
    def kernel(x: Leaves, c: Leaves, v: Leaves) -> Any:
        hv, g, aux = product(x, c, v)
        return hv, aux[:1], aux[1:], g

    return kernel


def hvp(backend: Backend, problem: Problem) -> Kernel:
    """Pushforward of the gradient where there is a forward mode, else its pullback."""
    return _of_gradient(backend, problem, batched=False)


def hessian(backend: Backend, problem: Problem) -> Kernel:
    """The Jacobian of the gradient."""
    inner_problem = gradient_problem(backend, problem)
    by_columns = jacobian_by_columns if backend.forward else jacobian_by_rows
    product = by_columns(backend, inner_problem)
    words = "forward" if backend.forward else "reverse"
    under = "reverse" if backend.reverse else "forward"

    @strategy(f"{words} over {under}, {strategy_of(product)}")
    def kernel(x: Leaves, c: Leaves) -> Any:
        blocks, g, aux = product(x, c)
        return blocks, aux[:1], aux[1:], g

    return kernel


def second_derivative(backend: Backend, problem: Problem) -> Kernel:
    """The derivative of the derivative."""
    _require_nesting(backend)
    first = backend.derivative(problem)
    count = len(problem.outputs)

    def f(x: Leaves, c: Leaves) -> tuple[Leaves, Leaves]:
        dy, y, aux = first(x, c)
        return dy, (*y, *aux)

    second = backend.derivative(problem.derived(f, problem.outputs))

    @strategy(f"{strategy_of(second)}, twice")
    def kernel(x: Leaves, c: Leaves) -> Any:
        d2y, dy, aux = second(x, c)
        return d2y, aux[:count], aux[count:], dy

    return kernel


# -- guards -------------------------------------------------------------------------------------


def _require_nesting(backend: Backend) -> None:
    if not backend.nestable:
        raise UnsupportedOperatorError(
            f"{backend!r} cannot differentiate its own derivatives: use another backend for "
            "second order (polyad.backends() lists them)"
        )
