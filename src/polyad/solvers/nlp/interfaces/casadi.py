"""CasADi's ``nlpsol`` with the Ipopt that it bundles.

The functions of Ipopt's oracle are given as callbacks, so that CasADi differentiates nothing. Buffers are
passed, not CasADi's matrices, which cost more to make than most functions to compute.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from polyad.arrays.types import Array
from polyad.solvers.nlp.interfaces.solution import Solution

if TYPE_CHECKING:
    from polyad.solvers.caught import Caught
    from polyad.solvers.nlp.program import Program

__all__ = ["modes", "run"]

modes = ("exact", "approximate")
_NONE = np.zeros(0)


def _callback(
    name: str, inputs: list[Any], outputs: list[Any], parts: list[Callable[..., Any]], caught: Caught
) -> Any:
    """A function of CasADi's; of ``parts`` there is one for each output, which gives its nonzeros."""
    import casadi

    class Oracle(casadi.Callback):
        def __init__(self) -> None:
            casadi.Callback.__init__(self)
            self.construct(name, {})

        def get_n_in(self) -> int:
            return len(inputs)

        def get_n_out(self) -> int:
            return len(outputs)

        def get_sparsity_in(self, k: int) -> Any:
            return inputs[k]

        def get_sparsity_out(self, k: int) -> Any:
            return outputs[k]

        def has_eval_buffer(self) -> bool:
            return True

        def eval_buffer(self, arguments: Any, results: Any) -> int:
            # what is empty, and what nobody wants, has no memory
            given = [_NONE if a is None else np.frombuffer(a, dtype=np.float64) for a in arguments]
            try:
                fill(given, results)
            except BaseException:  # it is remembered, and CasADi would print it
                return 1
            return 0

    def fill(given: list[Array], results: Any) -> None:
        for result, part in zip(results, parts, strict=True):
            if result is not None:
                np.frombuffer(result, dtype=np.float64)[:] = part(*given)

    fill = caught.watched(fill)
    return Oracle()


def run(p: Program, caught: Caught, hessian: str, options: dict[str, Any]) -> Solution:
    """Solve a program by ``casadi.nlpsol``; ``options`` are Ipopt's."""
    import casadi

    dense = casadi.Sparsity.dense
    x, one, none, m = dense(p.n), dense(1), dense(0), dense(p.m)
    objective = [lambda x, *_: p.objective(x)]
    with_gradient = [*objective, lambda x, _: p.gradient(x)]
    symbol = casadi.MX.sym("x", p.n)
    # CasADi holds no reference to its callbacks: these names keep them until it has returned
    values = {"f": _callback("f", [x], [one], objective, caught)}
    oracle: dict[str, Any] = {"grad_f": _callback("grad_f", [x, none], [one, x], with_gradient, caught)}
    if p.m:
        # CasADi's matrices are stored by columns
        transposed, places = p.jacobian_pattern.transposed()
        jac = casadi.Sparsity(p.m, p.n, transposed.indptr.tolist(), transposed.indices.tolist())
        constraints = [lambda x, *_: p.constraints(x)]
        with_jacobian = [*constraints, lambda x, _: p.jacobian(x)[places]]
        values["g"] = _callback("g", [x], [m], constraints, caught)
        oracle["jac_g"] = _callback("jac_g", [x, none], [m, jac], with_jacobian, caught)
    settings = {"print_level": 0, "sb": "yes", **options}
    if hessian == "exact":
        # the lower triangle row by row is the upper one column by column
        rows, columns = p.hessianstructure()
        starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=p.n))])
        upper = casadi.Sparsity(p.n, p.n, starts.tolist(), columns.tolist())

        def second(x: Array, _: Array, factor: Array, lagrange: Array) -> Array:
            weights = lagrange if lagrange.size or not p.m else np.zeros(p.m)
            return p.hessian(x, weights, float(factor[0]) if factor.size else 0.0)

        oracle["hess_lag"] = _callback("hess_lag", [x, none, one, m], [upper], [second], caught)
    else:
        settings["hessian_approximation"] = "limited-memory"
    own: dict[str, Any] = {
        "print_time": False,
        "no_nlp_grad": True,
        "show_eval_warnings": False,
        "ipopt": settings,
    }
    nlp = {"x": symbol, **{name: function(symbol) for name, function in values.items()}}
    solver = casadi.nlpsol("solver", "ipopt", nlp, {**oracle, **own})
    bounds: dict[str, Any] = {"lbx": p.lower, "ubx": p.upper}
    if p.m:
        bounds |= {"lbg": p.constraint_lower, "ubg": p.constraint_upper}
    found, stats = solver(x0=p.start, **bounds), solver.stats()
    of_bounds = np.asarray(found["lam_x"].full()).reshape(-1)
    return Solution(
        found["x"].full().reshape(-1),
        bool(stats["success"]),
        stats["return_status"],
        found["lam_g"].full().reshape(-1),
        np.maximum(-of_bounds, 0.0),
        np.maximum(of_bounds, 0.0),
        stats["iter_count"],
        stats,
    )
