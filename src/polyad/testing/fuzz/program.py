"""A program as data: parameters with their points, captured constants, statements, what is returned."""

from __future__ import annotations

import dataclasses
import itertools
import linecache
import textwrap
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

__all__ = ["IMPORTS", "Program", "quiet", "strict"]

IMPORTS = "import numpy as np\nimport scipy.special as sp\n"
_NUMBERS = itertools.count()


@contextmanager
def strict() -> Iterator[None]:
    """A warning of NumPy's is an error here: a program that gives one is not worth testing."""
    with np.errstate(all="raise", under="ignore"), warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@contextmanager
def quiet() -> Iterator[None]:
    """No warnings, for the runs whose numbers are looked at anyhow."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@dataclasses.dataclass(frozen=True)
class Program:
    """A NumPy function with points to run it at.

    Parameters
    ----------
    seed : int
        What it was generated from.
    active, constant : tuple of str
        Its parameters: the active ones come first.
    points : tuple of mapping
        For each point the value of every parameter; derivatives are prepared at the first.
    captured : mapping
        The arrays that the function captures.
    statements : tuple of str
        Its body, one statement or block each.
    result : str
        The expression that it returns.
    """

    seed: int
    active: tuple[str, ...]
    constant: tuple[str, ...]
    points: tuple[Mapping[str, Any], ...]
    captured: Mapping[str, Any]
    statements: tuple[str, ...]
    result: str

    @property
    def parameters(self) -> tuple[str, ...]:
        """All parameters in order."""
        return (*self.active, *self.constant)

    @property
    def argnums(self) -> int | tuple[int, ...]:
        """Which arguments are active, as an operator takes it."""
        return 0 if len(self.active) == 1 else tuple(range(len(self.active)))

    @property
    def source(self) -> str:
        """The function as text."""
        body = "\n".join((*self.statements, f"return {self.result}"))
        return f"def f({', '.join(self.parameters)}):\n{textwrap.indent(body, '    ')}\n"

    @property
    def text(self) -> str:
        """The function with its imports and what it captures."""
        kept = "".join(f"{name} = {literal(value)}\n" for name, value in self.captured.items())
        return f"{IMPORTS}\n{kept}\n{self.source}"

    @property
    def size(self) -> int:
        """Lines of the body and entries of the arguments: what shrinking makes less."""
        return len(self.source) + sum(np.size(v) for v in (*self.points[0].values(), *self.captured.values()))

    def compiled(self) -> tuple[Callable[..., Any], dict[str, Any]]:
        """The function, and the names that it captures from."""
        name = f"<program {self.seed}.{next(_NUMBERS)}>"
        text = self.text
        space: dict[str, Any] = {"__name__": "program"}
        exec(compile(text, name, "exec"), space)  # text that this package wrote
        space.update({k: np.array(v) for k, v in self.captured.items()})
        linecache.cache[name] = (len(text), None, text.splitlines(True), name)  # for messages with a line
        return space["f"], space

    def args(self, point: int) -> tuple[Any, ...]:
        """Fresh arguments at a point."""
        given = self.points[point]
        return tuple(_fresh(given[name]) for name in self.parameters)

    def replace(self, **changes: Any) -> Program:
        """Another program with these fields changed."""
        return dataclasses.replace(self, **changes)


def _fresh(value: Any) -> Any:
    return np.array(value) if isinstance(value, np.ndarray) else value


def literal(value: Any) -> str:
    """A value as source text that gives it back bit for bit."""
    if not isinstance(value, np.ndarray | np.generic):
        return repr(value)
    if isinstance(value, np.generic):
        return f"np.{value.dtype.name.replace('bool', 'bool_')}({value.item()!r})"
    dtype = "" if value.dtype in (np.float64, np.int64, np.bool_) else f", dtype=np.{value.dtype.name}"
    return f"np.array({value.tolist()!r}{dtype})"
