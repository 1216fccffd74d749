"""The command line: ``polyad compare``, ``backends``, ``check`` and ``sparsity``.

Exit codes: 0 fine, 1 backends disagree or a check failed, 2 a mistake in what was asked, 130
interrupted. Results go to standard output, plain where it is no terminal; progress and errors to
standard error.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polyad.cli import sparsity

if TYPE_CHECKING:
    from polyad.benchmark.table import Table

__all__ = ["check_plot", "check_writable", "main", "positions"]

FINE, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130

# seconds for each backend: a user's function, and each of the built-in ones
LIMIT, BUILT_IN_LIMIT = 60.0, 40.0

ARGS_HELP = (
    "the arguments of the function, separated by spaces: numbers, lists (arrays), tuples and dicts "
    "(trees), np.ones(5), np.linspace(0, 1, 5) and the like, or @file.npy"
)
TARGET_HELP = "the function: module.py:function or package.module:function"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments; by default those of the process.

    Returns
    -------
    int
        The exit code.
    """
    try:
        return _run(argv)
    except KeyboardInterrupt:
        _say("interrupted")
        return INTERRUPTED


def _run(argv: Sequence[str] | None) -> int:
    from polyad.errors import PolyadError

    parser = _parser()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal without a micro sign still gets its table
    options = parser.parse_args(argv)
    if not hasattr(options, "run"):
        parser.print_help(sys.stderr)
        return USAGE
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        code = run(options)
        if sys.stdout is not None:  # closed before the start
            sys.stdout.flush()
        return code
    except BrokenPipeError:
        # the reader has seen enough
        _forget(sys.stdout)
        return FINE
    except (PolyadError, OSError) as error:
        _say(" ".join(str(error).split()))
        if isinstance(error, OSError):
            _forget(sys.stdout)  # a full disk is full at exit as well
        return USAGE


def _say(text: str) -> None:
    """A line on standard error, if somebody reads it."""
    try:
        print(f"polyad: {text}", file=sys.stderr, flush=True)
    except BrokenPipeError:
        _forget(sys.stderr)


def _forget(stream: Any) -> None:
    """Keep the interpreter from complaining when it flushes at exit what cannot be written."""
    if stream is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _parser() -> argparse.ArgumentParser:
    from polyad import __version__

    parser = argparse.ArgumentParser(
        prog="polyad", description="One interface to every way of differentiating a Python program."
    )
    parser.add_argument("--version", action="version", version=f"polyad {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")

    compare = commands.add_parser(
        "compare",
        help="run every backend on a function, check them against each other, recommend one",
        description="Run every installed backend on a function, each in a process of its own, check "
        "the results against each other, time them, and recommend one. Without a function: on "
        "built-in problems. Exit code 1 if backends disagree.",
    )
    compare.add_argument("function", nargs="?", help=TARGET_HELP)
    compare.add_argument("--args", nargs="+", default=[], metavar="ARG", help=ARGS_HELP)
    compare.add_argument("--argnums", type=positions, default=0, help="active arguments, as 0 or 0,2")
    compare.add_argument(
        "--operator", action="append", metavar="NAME", help="gradient, hvp, jacobian, ...; may be repeated"
    )
    compare.add_argument(
        "--backend", action="append", metavar="NAME", help="jax, torch:forward, ...; may be repeated"
    )
    compare.add_argument(
        "--limit",
        type=_positive,
        metavar="S",
        help=f"seconds for each backend, all of its operators together (default {LIMIT:g}; "
        f"{BUILT_IN_LIMIT:g} for each built-in problem)",
    )
    compare.add_argument(
        "--seconds", type=_positive, default=0.5, metavar="S", help="seconds of timing per operator"
    )
    compare.add_argument("--rtol", type=_positive, help="tolerance of the agreement")
    compare.add_argument(
        "--calls", type=_whole, metavar="N", help="recommend for so many calls, preparation included"
    )
    compare.add_argument(
        "--workers",
        type=_whole,
        metavar="N",
        help="so many backends side by side; times are rougher",
    )
    compare.add_argument("--plot", type=Path, metavar="FILE", help="save the run times as violins")
    compare.add_argument("--csv", type=Path, metavar="FILE", help="save the rows")
    compare.add_argument("--scan", action="store_true", help="without a function: the forms with ad.scan too")
    compare.set_defaults(run=_compare)

    backends = commands.add_parser("backends", help="what is registered, installed, and what each can do")
    backends.set_defaults(run=_backends)

    check = commands.add_parser(
        "check",
        help="check the derivatives of a function against finite differences",
        description="Check the derivatives of a function against finite differences. Exit code 1 if "
        "one is wrong.",
    )
    check.add_argument("function", help=TARGET_HELP)
    check.add_argument("--args", nargs="+", required=True, metavar="ARG", help=ARGS_HELP)
    check.add_argument("--argnums", type=positions, default=0, help="active arguments, as 0 or 0,2")
    check.add_argument(
        "--backend", action="append", metavar="NAME", help="whom to check; by default all that are installed"
    )
    check.add_argument(
        "--limit", type=_positive, metavar="S", help=f"seconds for each backend (default {LIMIT:g})"
    )
    check.set_defaults(run=_check)

    sparsity.add(commands, TARGET_HELP, ARGS_HELP)
    return parser


def _positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from None
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not positive")
    return number


def _whole(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of calls, 1 or more")
    return int(text)


def positions(text: str) -> int | tuple[int, ...]:
    """Numbers of arguments: ``0`` or ``0,2``."""
    try:
        positions = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: write 0 or 0,2") from None
    return positions if "," in text else positions[0]


# -- commands -----------------------------------------------------------------------------------


def _compare(options: argparse.Namespace) -> int:
    from polyad.benchmark import compare

    for path in (options.plot, options.csv):
        check_writable(path)
    if options.plot is not None:
        check_plot(options.plot)
    tables: list[Table] = []
    problems = _problems(options)
    for f, args, title, operators in problems:
        table = compare(
            f,
            *args,
            operators=operators,
            backends=options.backend,
            argnums=options.argnums,
            limit=options.limit or (LIMIT if options.function else BUILT_IN_LIMIT),
            seconds=options.seconds,
            rtol=options.rtol,
            calls=options.calls,
            workers=options.workers,
            title=title,
        )
        if tables:
            print()
        _show(table, legend=len(tables) == len(problems) - 1)
        tables.append(table)
    everything = sum(tables[1:], tables[0])
    if options.csv is not None:
        everything.to_csv(options.csv)
        _say(f"rows written to {options.csv}")
    if options.plot is not None:
        everything.plot(options.plot)
        _say(f"plot written to {options.plot}")
    settled = len(everything.recommendations) == len(everything.groups())
    return FINE if settled and not everything.disagreements else FAILED


def _problems(options: argparse.Namespace) -> list[tuple[Any, tuple[Any, ...], str, Any]]:
    """What to compare: functions with arguments, title and operators."""
    from polyad.benchmark import PROBLEMS, built_in
    from polyad.benchmark.address import Address
    from polyad.cli.arguments import check_numbers, parse_argument
    from polyad.errors import ArgumentError

    if options.function is None:
        if options.args:
            raise ArgumentError("--args without a function: write polyad compare FUNCTION --args ...")
        problems = [built_in(name) for name in PROBLEMS if options.scan or not name.endswith("_scan")]
        return [(p.f, p.args, p.title, options.operator or p.operators) for p in problems]
    f = Address(options.function)
    args = tuple(parse_argument(text) for text in options.args)
    if not args:
        raise ArgumentError(f"where to differentiate {options.function}? Add --args, as --args '[1.0, 2.0]'")
    check_numbers(options.args, args, options.argnums)
    return [(f, args, "", options.operator)]


def _show(table: Table, *, legend: bool) -> None:
    """Print a table: in colour on a terminal that takes it, plain elsewhere."""
    from polyad.benchmark.layout import lines, terminal_width

    width = terminal_width(sys.stdout)
    if sys.stdout is not None and sys.stdout.isatty() and not os.environ.get("NO_COLOR"):
        try:
            from rich.console import Console
            from rich.text import Text
        except ImportError:
            pass  # rich is a convenience
        else:
            console = Console(highlight=False)
            for line in lines(table, width, legend=legend):
                console.print(Text.assemble(*line), soft_wrap=True)
            return
    print(table.to_text(width, legend=legend), flush=True)


def check_writable(path: Path | None) -> None:
    """Refuse before the work what would fail after it."""
    from polyad.errors import ArgumentError

    if path is None:
        return
    folder = path.absolute().parent
    if path.is_dir():
        raise ArgumentError(f"{path} cannot be written: it is a folder")
    if not folder.is_dir():
        raise ArgumentError(f"{path} cannot be written: no such folder")
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise ArgumentError(f"{path} cannot be written: permission denied")


def check_plot(path: Path) -> None:
    """Refuse a plot that could not be drawn or saved."""
    import importlib.util

    from polyad.benchmark.plot import check_ending
    from polyad.errors import OptionalPackageError, how_to_install

    if importlib.util.find_spec("matplotlib") is None:
        raise OptionalPackageError(
            f"--plot needs matplotlib, which is not installed: {how_to_install('plot')}"
        )
    check_ending(path)


def _backends(options: argparse.Namespace) -> int:
    from polyad.benchmark.layout import terminal_width
    from polyad.systems.overview import backends

    at_terminal = sys.stdout is not None and sys.stdout.isatty()
    print(backends().to_text(terminal_width(sys.stdout) if at_terminal or "COLUMNS" in os.environ else None))
    return FINE


def _check(options: argparse.Namespace) -> int:
    from polyad.benchmark.address import Address
    from polyad.benchmark.comparison import Process, first_look
    from polyad.benchmark.events import Task
    from polyad.cli.arguments import check_numbers, parse_argument
    from polyad.errors import ArgumentError
    from polyad.systems.overview import backends
    from polyad.systems.registry import resolve
    from polyad.workers.progress import Progress

    f = Address(options.function)
    args = tuple(parse_argument(text) for text in options.args)
    check_numbers(options.args, args, options.argnums)
    ready = [b for b in backends() if b.installed and b.cls is not None and b.cls.exact]
    names = options.backend or [b.name for b in ready]
    for name in names:
        resolve(name)  # mistakes in a name show before anything runs
    # each in a process of its own: the function may hang, print or end it
    process = Process(f.label, options.limit or LIMIT, Progress(), "")
    task = Task(f, args, ("jacobian",), argnums=options.argnums, checks=True)
    found, why = first_look(task, process)
    if not {"plain", "failed"} & set(found):  # what fails alone may run inside a framework
        more = ": give it more time (--limit)" if why.startswith("stopped") else ""
        raise ArgumentError(f"{f.label} cannot be checked: {why}{more}")
    confirmed, wrong = 0, 0
    for k, name in enumerate(names):
        words = f"[{k + 1}/{len(names)}] {f.label}, {name}"
        for event in process.work(dataclasses.replace(task, backend=name), words)[0]:
            if event.kind == "wrong":
                wrong += 1
                print(f"{name}: WRONG\n{textwrap.indent(event.data, '  ')}", flush=True)
            elif event.kind == "failed":
                print(f"{name}: no result: {event.data}", flush=True)
            elif event.kind == "measured":
                confirmed += 1
                print(f"{name}: right, within {event.data:.1e} of finite differences", flush=True)
    return FINE if confirmed and not wrong else FAILED


if __name__ == "__main__":
    sys.exit(main())
