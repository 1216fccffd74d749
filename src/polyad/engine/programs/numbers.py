"""A graph of numbers as Python code in local variables.

* A number that is used once is written into the expression that uses it, up to a depth the parser accepts.
* Brackets stand only where the order of Python's operators needs them: its parser takes as long for a pair as
  for the operation within.
* A name is used again as soon as its number is not needed any more: few names are quick to reach, and the
  memory of a float that is gone serves the next one.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Container, Mapping
from typing import Any

import numpy as np

from polyad.engine.core.names import MATH, SIGNS
from polyad.engine.core.values import PRIMITIVES
from polyad.engine.programs.graph import ScalarGraph, ScalarNode
from polyad.engine.programs.text import twice

__all__ = ["Writer", "compiled", "cost", "executed", "literal", "numbers"]

DEEPEST = 12
# Python's byte code addresses this many local variables by one byte, which is faster. Numbers that are needed
# for fewer lines than ``SOON`` have names of a second kind, which are declared first. Otherwise the numbers
# that are kept until the reverse sweep would take all the fast places.
NEAR, SOON = 256, 200
# How tightly an expression binds: a choice or what is true or not; a sum; a product; a sign; a name
LOOSE, SUM, PRODUCT, SIGN, NAME = range(5)
# name -> the operator, how tightly its operands must bind to stand without brackets, and it does itself
OPERATORS = {
    **{name: (sign, SUM, SUM, LOOSE) for name, sign in SIGNS.items()},
    "add": ("+", SUM, PRODUCT, SUM),
    "subtract": ("-", SUM, PRODUCT, SUM),
    "multiply": ("*", PRODUCT, SIGN, PRODUCT),
    "divide": ("/", PRODUCT, SIGN, PRODUCT),
    "logical_and": ("and", SUM, SUM, LOOSE),
    "logical_or": ("or", SUM, SUM, LOOSE),
    "bitwise_and": ("and", SUM, SUM, LOOSE),
    "bitwise_or": ("or", SUM, SUM, LOOSE),
}
# what is written more than once in the text of these must be a name
TWICE = {"square": (0,), "power": (0,), "maximum": (0, 1), "minimum": (0, 1)}
SMALL_POWERS = {
    1.0: ("{0}", LOOSE),
    2.0: ("{0} * {0}", PRODUCT),
    3.0: ("{0} * {0} * {0}", PRODUCT),
    -1.0: ("1.0 / {0}", PRODUCT),
    -2.0: ("1.0 / ({0} * {0})", PRODUCT),
}
# what is written of operands that bind as tightly as a sign, and how tightly it does itself
TEXTS = {
    "negative": ("-{0}", SIGN),
    "square": ("{0} * {0}", PRODUCT),
    "reciprocal": ("1.0 / {0}", PRODUCT),
    "where": ("{1} if {0} else {2}", LOOSE),
    "maximum": ("{0} if {0} >= {1} or {0} != {0} else {1}", LOOSE),
    "minimum": ("{0} if {0} <= {1} or {0} != {0} else {1}", LOOSE),
    "logical_not": ("not {0}", LOOSE),
    "invert": ("not {0}", LOOSE),
    "positive": ("{0}", LOOSE),
}


def cost(graph: ScalarGraph) -> float:
    """Nanoseconds that the code will take, about."""
    total = 0.0
    for node in graph.nodes:
        name = node.name
        if name in OPERATORS or name in TEXTS or name == "input":
            total += 14
        elif name in MATH or name == "absolute":
            total += 45
        elif name == "power":
            total += 14 if node.args[1] in SMALL_POWERS else 60
        else:
            total += 900
    return total + 30 * sum(map(len, graph.outputs))


class Writer:
    """The lines of one graph.

    Parameters
    ----------
    graph : ScalarGraph
        The graph.
    lasting : container of int
        Inputs whose names are not used again for anything else.

    Attributes
    ----------
    entries : dict
        Of each input, by its number, the names of its entries.
    lines : list of str
        What is computed.
    results : list of str
        The text of each output's entries in a row.
    functions : dict
        What is called by other names than those of ``math``.
    """

    def __init__(self, graph: ScalarGraph, lasting: Container[int] = ()) -> None:
        self.graph = graph
        self._lasting = lasting
        self.functions: dict[str, Any] = {}
        self.lines: list[str] = []
        self.outputs = [entry for leaf in graph.outputs for entry in leaf]
        self._count()
        self._split()
        self._assign()

    def _count(self) -> None:
        """How often each node is used by what is needed."""
        uses = [0] * len(self.graph.nodes)
        for entry in self.outputs:
            if type(entry) is ScalarNode:
                uses[entry.id] += 1
        for node in reversed(self.graph.nodes):
            if not uses[node.id] or node.name == "input":
                continue
            for a in node.args:
                if type(a) is ScalarNode:
                    uses[a.id] += 1
            twofold = TWICE.get(node.name)
            if twofold is not None:
                for k in twofold:
                    a = node.args[k]
                    if type(a) is ScalarNode:
                        uses[a.id] += 1
        self.uses = uses

    def _split(self) -> None:
        """Which nodes get a line of their own, and the last line that reads each."""
        uses = self.uses
        depth: dict[int, int] = {}  # of those without a line, and what they read
        reads: dict[int, list[int]] = {}
        outputs = {entry.id for entry in self.outputs if type(entry) is ScalarNode}
        self.last = last = [-1] * len(uses)
        self.named = named = [False] * len(uses)
        lines = 0
        for node in self.graph.nodes:
            n = node.id
            if not uses[n]:
                continue
            if node.name == "input":
                named[n] = True
                continue
            deep, found = 0, []
            for a in node.args:
                if type(a) is ScalarNode:
                    k = a.id
                    if named[k]:
                        found.append(k)
                    else:
                        deep = max(deep, depth[k])
                        found += reads.pop(k)
            if uses[n] > 1 or deep >= DEEPEST or n in outputs:
                for k in found:
                    last[k] = lines
                lines += 1
                named[n] = True
            else:
                depth[n], reads[n] = deep + 1, found
        for n in outputs:
            last[n] = lines

    def _assign(self) -> None:
        """Names and text."""
        uses, named = self.uses, self.named
        words: list[Any] = [None] * len(uses)  # of each node its name, or its text
        binding = [NAME] * len(uses)
        ending: dict[int, list[tuple[int, int]]] = {}
        free: tuple[list[int], list[int]] = ([], [])
        counts = [0, 0]

        def take(n: int, place: int, last: int) -> str:
            long = int(last - place > SOON)
            if free[long]:
                number = heapq.heappop(free[long])
            else:
                number, counts[long] = counts[long], counts[long] + 1
            words[n] = name = f"{'st'[long]}{number}"
            ending.setdefault(last, []).append((long, number))
            return name

        self.entries: dict[int, list[str]] = {}
        for node in self.graph.nodes:
            if node.name == "input":
                last = len(uses) if node.args[0] in self._lasting else self.last[node.id]
                name = take(node.id, 0, last) if uses[node.id] else "_"
                self.entries.setdefault(node.args[0], []).append(name)
        place = 0
        for node in self.graph.nodes:
            n = node.id
            if not uses[n] or node.name == "input":
                continue
            form = OPERATORS.get(node.name)
            if form is None:
                text, bound = self._text(
                    node,
                    [
                        literal(a)
                        if type(a) is not ScalarNode
                        else (words[a.id] if binding[a.id] >= SIGN else f"({words[a.id]})")
                        for a in node.args
                    ],
                )
            else:
                sign, left, right, bound = form
                a, b = node.args
                if type(a) is ScalarNode:
                    first = words[a.id] if binding[a.id] >= left else f"({words[a.id]})"
                else:
                    first = literal(a)
                if type(b) is ScalarNode:
                    second = words[b.id] if binding[b.id] >= right else f"({words[b.id]})"
                else:
                    second = literal(b)
                text = f"{first} {sign} {second}"
            if named[n]:
                for long, number in ending.pop(place, ()):
                    heapq.heappush(free[long], number)
                self.lines.append(f"{take(n, place, self.last[n])} = {text}")
                place += 1
            else:
                words[n], binding[n] = text, bound
        self.results = [words[e.id] if type(e) is ScalarNode else literal(e) for e in self.outputs]
        # the names that come first are the near ones
        near = sum(counts) > NEAR and counts[0]
        self.declared = [" = ".join(f"s{k}" for k in range(counts[0])) + " = 0.0"] if near else []

    def _text(self, node: ScalarNode, args: list[str]) -> tuple[str, int]:
        """What is written for a node that is no operator, and how tightly it binds."""
        name = node.name
        form = TEXTS.get(name)
        if name == "power":
            form = SMALL_POWERS.get(node.args[1]) if type(node.args[1]) is float else None
            if form is None:
                return f"power({', '.join(args)})", NAME
        if form is not None:
            return form[0].format(*args), form[1]
        if name == "absolute":
            return f"abs({args[0]})", NAME
        if name not in MATH:
            self.functions[f"np_{name}"] = PRIMITIVES[name].compute
            return f"item(np_{name}({', '.join(args)}))", NAME
        return f"{name}({', '.join(args)})", NAME


def literal(a: Any) -> str:
    """The text of a number that is known."""
    if type(a) is bool:
        return repr(a)
    if a != a:
        return "nan"
    if a in (math.inf, -math.inf):
        return "inf" if a > 0 else "(-inf)"
    text = repr(float(a))
    return f"({text})" if text[0] == "-" else text


def numbers(graph: ScalarGraph) -> tuple[str, dict[str, Any]]:
    """The text of a function of the inputs, giving all outputs' entries in a row, and what it calls."""
    writer = Writer(graph)
    args = ", ".join(f"g{k}" for k in range(graph.inputs))
    entering = []
    for k, found in writer.entries.items():
        ndim = graph.ndims[k]
        flat = f"{', '.join(found)}, = flat(g{k}{'' if ndim == 1 else '.ravel()'})"
        entering.append(f"{found[0]} = number(g{k})" if ndim == 0 else flat)
    lines = [*writer.declared, *entering, *writer.lines, f"return [{', '.join(writer.results)}]"]
    return f"def program({args}):\n" + "".join(f"    {line}\n" for line in lines), writer.functions


def compiled(
    source: str, writer: Writer, label: str, convert: Callable[[Any], Any] | None = None
) -> Callable[..., Any]:
    """The function ``program`` of a text that was made of a graph's lines."""
    return executed(source, writer.functions, label, convert)


def executed(
    source: str, functions: Mapping[str, Any], label: str, convert: Callable[[Any], Any] | None = None
) -> Callable[..., Any]:
    """The function ``program`` of a text, which calls these functions and those of ``math``."""
    common = {**functions, "inf": math.inf, "nan": math.nan}
    quick = {n: getattr(math, m, None) or getattr(np, n) for n, m in MATH.items()}
    careful = {n: getattr(np, n) for n in MATH}
    return twice(
        source,
        {**common, **quick, "power": math.pow, "item": _item, "flat": np.ndarray.tolist, "number": float},
        {**common, **careful, "power": np.power, "item": lambda a: a, "flat": list, "number": np.float64},
        label,
        convert,
    )


def _item(a: Any) -> Any:
    return a.item()
