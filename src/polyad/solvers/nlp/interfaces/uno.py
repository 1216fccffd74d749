"""``unopy``: Uno, which takes matrices or products alone."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from polyad.arrays.types import Array
from polyad.solvers.nlp.interfaces.solution import Solution

if TYPE_CHECKING:
    from polyad.solvers.caught import Caught
    from polyad.solvers.nlp.program import Program

__all__ = ["modes", "run"]

modes = ("exact", "products", "approximate")


def run(p: Program, caught: Caught, hessian: str, options: dict[str, Any]) -> Solution:
    """Solve a program by ``unopy``; the option ``preset`` is one of Uno's."""
    import unopy

    def into(function: Any) -> Any:
        def fill(*args: Any) -> None:
            args[-1][...] = function(*args[:-1])

        return caught.watched(fill)

    model = unopy.Model(
        unopy.PROBLEM_NONLINEAR, p.n, p.lower.tolist(), p.upper.tolist(), unopy.ZERO_BASED_INDEXING
    )
    model.set_objective(unopy.MINIMIZE, caught.watched(p.objective), into(p.gradient))
    model.set_lagrangian_sign_convention(unopy.MULTIPLIER_POSITIVE)
    if p.m:
        rows, columns = p.jacobianstructure()
        model.set_constraints(
            p.m,
            into(p.constraints),
            p.constraint_lower.tolist(),
            p.constraint_upper.tolist(),
            len(rows),
            rows.tolist(),
            columns.tolist(),
            into(p.jacobian),
        )
        model.set_jacobian_operator(into(lambda x, new, v: p.jacobian_product(x, v)))
        model.set_jacobian_transposed_operator(into(lambda x, new, w: p.jacobian_transposed_product(x, w)))

    def matrix(x: Array, factor: float, lagrange: Array) -> Array:
        return p.hessian(x, lagrange, factor)

    def product(x: Array, new: bool, factor: float, lagrange: Array, v: Array) -> Array:
        return p.hessian_product(x, v, lagrange, factor)

    if hessian == "exact":
        rows, columns = p.hessianstructure()
        model.set_lagrangian_hessian(
            len(rows), unopy.LOWER_TRIANGLE, rows.tolist(), columns.tolist(), into(matrix)
        )
    elif hessian == "products":
        model.set_lagrangian_hessian_operator(into(product))
    model.set_initial_primal_iterate(p.start.tolist())
    solver = unopy.UnoSolver()
    options = {"preset": "filtersqp", "logger": "SILENT", "print_solution": False, **options}
    solver.set_preset(options.pop("preset"))
    for name, value in options.items():
        solver.set_option(name, value)
    solver.set_termination_callback(lambda *_: caught.failed)
    solver.set_logger_stream(io.StringIO())
    found = solver.optimize(model)
    good = (unopy.SolutionStatus.FEASIBLE_KKT_POINT,)
    return Solution(
        np.asarray(found.primal_solution, dtype=np.float64),
        found.optimization_status == unopy.OptimizationStatus.SUCCESS and found.solution_status in good,
        f"{found.optimization_status.name}: {found.solution_status.name}",
        np.asarray(found.constraint_dual_solution, dtype=np.float64),
        np.abs(np.asarray(found.lower_bound_dual_solution, dtype=np.float64)),
        np.abs(np.asarray(found.upper_bound_dual_solution, dtype=np.float64)),
        int(found.number_iterations),
        found,
    )
