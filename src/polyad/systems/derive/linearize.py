"""The function at one point by its dense Jacobian, for backends that keep nothing of a call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from polyad.arrays.libraries import ArraySpec
from polyad.systems.contract import Call, Kernel, Leaves, Linearized, Problem
from polyad.systems.derive.basis import conj, is_complex

if TYPE_CHECKING:
    from polyad.systems.base import Backend

__all__ = ["linearize"]


def linearize(backend: Backend, problem: Problem, x: Leaves, c: Leaves) -> Linearized:
    """Products with the Jacobian computed once; for backends that keep nothing of a call."""
    xp, ins, outs = backend.xp, problem.inputs, problem.outputs

    def scoped(call: Call) -> Call:
        """Run within the context (precision, locks) that the backend's computations need."""
        kernel = call if isinstance(call, Kernel) else Kernel(call)
        return backend.finish(kernel, problem, (), prepared=False).full

    blocks, y, aux = scoped(backend.jacobian(problem))(x, c)

    def block(j: int, i: int) -> Any:
        return xp.reshape(blocks[j * len(ins) + i], (outs[j].size, ins[i].size))

    @scoped
    def push(x: Leaves, c: Leaves, v: Leaves) -> Any:
        flat = [xp.reshape(leaf, (-1, spec.size)) for leaf, spec in zip(v, ins, strict=True)]
        products = tuple(
            xp.reshape(sum(flat[i] @ block(j, i).T for i in range(len(ins))), (-1, *out.shape))
            for j, out in enumerate(outs)
        )
        return products, (), ()

    @scoped
    def pull(x: Leaves, c: Leaves, w: Leaves) -> Any:
        flat = [xp.reshape(leaf, (-1, spec.size)) for leaf, spec in zip(w, outs, strict=True)]
        products = tuple(
            _match(
                xp,
                xp.reshape(sum(flat[j] @ conj(xp, block(j, i)) for j in range(len(outs))), (-1, *spec.shape)),
                spec,
            )
            for i, spec in enumerate(ins)
        )
        return products, (), ()

    def batched(product: Call) -> Call:
        return lambda seeds: product(x, c, seeds)[0]

    def single(product: Call) -> Call:
        return lambda seed: tuple(leaf[0] for leaf in product(x, c, tuple(s[None] for s in seed))[0])

    return Linearized(
        y, aux, single(push), single(pull), batched(push), batched(pull), "products with the dense Jacobian"
    )


def _match(xp: Any, a: Any, spec: ArraySpec) -> Any:
    """Real inputs have real cotangents, whatever the output."""
    return xp.real(a) if is_complex(a) and not spec.is_complex else a
