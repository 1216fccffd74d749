"""``polyad sparsity``: the pattern of a Jacobian or Hessian, its colors, and what they save."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["add", "report"]


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser], target: str, arguments: str) -> None:
    """Enter the command."""
    command = commands.add_parser(
        "sparsity",
        help="the pattern of a Jacobian or Hessian, its colors, and what they save",
        description="Find the pattern of the Jacobian (of the Hessian where the function gives one number), "
        "color it, and say how many products it takes compressed.",
    )
    command.add_argument("function", help=target)
    command.add_argument("--args", nargs="+", required=True, metavar="ARG", help=arguments)
    command.add_argument("--argnums", type=_positions, default=0, help="active arguments, as 0 or 0,2")
    command.add_argument("--operator", choices=("jacobian", "hessian"), help="which of them")
    command.add_argument("--backend", metavar="NAME", help="who differentiates (default: by the argument)")
    command.add_argument("--plot", type=Path, metavar="FILE", help="save a picture with the colors")
    command.set_defaults(run=report)


def _positions(text: str) -> int | tuple[int, ...]:
    from polyad.cli.main import positions

    return positions(text)


def report(options: argparse.Namespace) -> int:
    """Print it."""
    import polyad
    from polyad.benchmark.address import Address
    from polyad.cli.arguments import check_numbers, parse_argument
    from polyad.cli.main import check_plot, check_writable
    from polyad.systems.registry import resolve

    check_writable(options.plot)
    if options.plot is not None:
        check_plot(options.plot)
    address = Address(options.function)
    f = address.find()
    args = tuple(parse_argument(text) for text in options.args)
    check_numbers(options.args, args, options.argnums)
    operator = options.operator or ("hessian" if _is_scalar(f, args) else "jacobian")
    prepare = polyad.prepare_hessian if operator == "hessian" else polyad.prepare_jacobian
    backend = polyad.Sparse(resolve(options.backend), flat=True)
    prepared = prepare(f, *args, argnums=options.argnums, backend=backend)
    pattern, coloring = prepared.pattern, prepared.coloring
    m, n = pattern.shape
    share = f" ({100 * pattern.nnz / (m * n):.3g} %)" if m * n else ""
    print(f"{operator} of {address.label}: {m} x {n}, {pattern.nnz} entries{share}")
    print(pattern.spy())
    count = prepared.ncolors
    if count is None:
        print(f"{backend.backend!r} compresses by itself")
    else:
        selects = "pullbacks of what comes after the selection of input entries"
        print(f"{coloring!r}" if coloring is not None else selects)
        full = n if operator == "hessian" else min(m, n)
        products = "Hessian-vector products" if operator == "hessian" else "products"
        saved = f", {full / count:.3g} times fewer" if 0 < count < full else ""
        print(f"{count} {products} in place of {full}{saved}")
    if options.plot is not None:
        prepared.plot(options.plot)
        print(f"plot written to {options.plot}")
    return 0


def _is_scalar(f: Callable[..., Any], args: tuple[Any, ...]) -> bool:
    import numpy as np

    from polyad.call.inputs.arguments import Static

    value = f(*(a.value if isinstance(a, Static) else a for a in args))
    return not isinstance(value, tuple | list | dict) and np.shape(value) == ()
