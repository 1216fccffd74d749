"""What torch's products, solutions and transforms of tangents depend on."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from polyad.engine.patterns.products import contracted
from polyad.engine.patterns.reading import reaches, size_of, triangular
from polyad.engine.patterns.sets import IndexSets
from polyad.engine.patterns.supported import Supported
from polyad.systems.torch.sparsity.rules import Context, plain, rule

__all__: list[str] = []


def _contracted(call: Context, args: list[Any], letters: str) -> Any:
    inputs, output = letters.split("->")
    for k, a in enumerate(args):
        if type(a) is not Supported and getattr(a, "is_sparse", False):
            other = args[1 - k]
            return call.reader.tangent(
                call.shape, _by_places(a, inputs.split(",")[k], other, inputs.split(",")[1 - k], output)
            )
    known = [plain(a) for a in args]
    return call.reader.tangent(call.shape, contracted(known, inputs.split(","), output, call.shape))


def _by_places(matrix: Any, term: str, x: Supported, other: str, output: str) -> IndexSets:
    """What the product with a sparse array depends on: on what its entries meet."""
    entries = matrix.detach().to_sparse_coo().coalesce().indices().numpy()
    places: dict[str, Any] = {c: index[:, None] for c, index in zip(term, entries, strict=True)}
    sizes = dict(zip(term + other, (*matrix.shape, *x.shape), strict=True))
    free = [c for c in other if c not in term]
    count = size_of([sizes[c] for c in free])
    rest = np.unravel_index(np.arange(count), [sizes[c] for c in free]) if free else ()
    places |= {c: index[None, :] for c, index in zip(free, rest, strict=True)}

    def flat(letters: str) -> np.ndarray:
        found: Any = np.zeros((1, 1), dtype=np.int64)
        for c in letters:
            found = found * sizes[c] + places[c]
        return np.broadcast_to(found, (entries.shape[1], count)).reshape(-1)

    assert x.sets is not None
    return x.sets.mapped(flat(output), flat(other), size_of([sizes[c] for c in output]))


@rule("mm", "bmm", "mv", "dot", "vdot", "linear", "ger", "outer", "matmul")
def _product(call: Context) -> Any:
    name = call.target._schema.name.split("::")[-1]
    letters = {
        "mm": "ij,jk->ik",
        "bmm": "bij,bjk->bik",
        "mv": "ij,j->i",
        "dot": "i,i->",
        "vdot": "i,i->",
        "ger": "i,j->ij",
        "outer": "i,j->ij",
    }.get(name)
    return None if letters is None else _contracted(call, list(call.args[:2]), letters)


@rule("addmm", "addmv", "baddbmm", "addbmm", "addr")
def _added_product(call: Context) -> Any:
    name = call.target._schema.name.split("::")[-1]
    letters = {"addmm": "ij,jk->ik", "addmv": "ij,j->i", "baddbmm": "bij,bjk->bik", "addr": "i,j->ij"}.get(
        name
    )
    if letters is None:
        return None
    parts = [a for a in (call.args[0],) if reaches(a)]
    if any(map(reaches, call.args[1:3])):
        parts.append(_contracted(call, list(call.args[1:3]), letters))
    return dataclasses.replace(call, args=tuple(parts), kwargs={}).elementwise()


@rule("_cdist_backward")
def _cdist_backward(call: Context) -> Any:
    """A point of the first set from its distances to all of the second."""
    grad = call.args[0]
    if any(map(reaches, call.args[1:])):
        return call.reader.everything(call.args, call.shapes)[0]
    return call.reader.along(grad, (-1,), call.shape)


@rule("linalg_matrix_exp", "linalg_inv_ex", "inverse")
def _of_matrices(call: Context) -> Any:
    """Of all of each matrix."""
    x = call.args[0]
    found = call.reader.along(x, (-2, -1), call.shape)
    return [found, *(call.reader.unknown(s) for s in call.shapes[1:])] if call.several else found


@rule("linalg_lu_solve", "_linalg_solve_ex", "lu_solve", "cholesky_solve")
def _solve(call: Context) -> Any:
    """Of all of the same column on the right; the matrix is known or not, but no tangent reaches it."""
    name = call.target._schema.name.split("::")[-1]
    place = {"linalg_lu_solve": 2, "_linalg_solve_ex": 1}.get(name, 0)
    b = call.args[place]
    if any(reaches(a) for k, a in enumerate(call.args) if k != place) or not reaches(b):
        return None
    left = bool(call.argument("left", True))
    vector = len(call.shape) == 1 or (
        name == "_linalg_solve_ex" and len(call.args[0].shape) == len(b.shape) + 1
    )
    axis = -1 if vector or not left else -2
    if len(b.shape) != len(call.shape):
        return call.reader.everything([b], call.shapes)[0] if not call.several else None
    found = call.reader.along(b, (axis,), call.shape)
    return [found, *(call.reader.unknown(s) for s in call.shapes[1:])] if call.several else found


@rule("linalg_solve_triangular", "triangular_solve")
def _triangular(call: Context) -> Any:
    if call.several or call.target._schema.name != "aten::linalg_solve_triangular":
        return None
    a, b = call.args[:2]
    if reaches(a) or not reaches(b):
        return None
    upper, left = bool(call.argument("upper")), bool(call.argument("left", True))
    shape = tuple(call.shape)
    if b.shape != shape:  # the matrices are a stack that b is not
        spread = np.broadcast_to(np.arange(b.size).reshape(b.shape), shape)
        b = call.reader.tangent(shape, b.sets.gathered(spread))
    return call.reader.tangent(shape, triangular(b.sets, shape, left=left, lower=not upper))


@rule("_fft_c2c", "_fft_r2c", "_fft_c2r")
def _fft(call: Context) -> Any:
    return call.reader.along(call.args[0], call.args[1], call.shape)
