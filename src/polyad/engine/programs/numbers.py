"""A graph of numbers as Python code in local variables.

* A number that is used once is written into the expression that uses it, up to a depth the parser accepts.
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
OPERATORS = {
    **SIGNS,
    "logical_and": "and",
    "logical_or": "or",
    "bitwise_and": "and",
    "bitwise_or": "or",
}
# what is written more than once in the text of these must be a name
TWICE = {"square": 0, "power": 0, "maximum": (0, 1), "minimum": (0, 1)}
SMALL_POWERS = {
    1.0: "{0}",
    2.0: "{0} * {0}",
    3.0: "{0} * {0} * {0}",
    -1.0: "1.0 / {0}",
    -2.0: "1.0 / ({0} * {0})",
}
TEXTS = {
    "negative": "-{0}",
    "square": "{0} * {0}",
    "reciprocal": "1.0 / {0}",
    "where": "{1} if {0} else {2}",
    "maximum": "{0} if {0} >= {1} or {0} != {0} else {1}",
    "minimum": "{0} if {0} <= {1} or {0} != {0} else {1}",
    "logical_not": "not {0}",
    "invert": "not {0}",
    "positive": "{0}",
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
        uses: dict[int, int] = {}
        for entry in self.outputs:
            if type(entry) is ScalarNode:
                uses[entry.id] = uses.get(entry.id, 0) + 1
        for node in reversed(self.graph.nodes):
            if node.id not in uses or node.name == "input":
                continue
            twofold = TWICE.get(node.name, ())
            for k, a in enumerate(node.args):
                if type(a) is ScalarNode:
                    more = 1 + (k == twofold or (type(twofold) is tuple and k in twofold))
                    uses[a.id] = uses.get(a.id, 0) + more
        self.uses = uses

    def _split(self) -> None:
        """Which nodes get a line of their own, and which nodes each line reads."""
        depth: dict[int, int] = {}
        reads: dict[int, list[int]] = {}
        self.own: list[ScalarNode] = []
        outputs = {entry.id for entry in self.outputs if type(entry) is ScalarNode}
        self.last: dict[int, int] = {}
        named: set[int] = set()
        for node in self.graph.nodes:
            n = node.id
            if n not in self.uses:
                continue
            if node.name == "input":
                named.add(n)
                continue
            deep, found = 0, []
            for a in node.args:
                if type(a) is ScalarNode:
                    if a.id in named:
                        found.append(a.id)
                    else:
                        deep = max(deep, depth[a.id])
                        found += reads.pop(a.id)
            if self.uses[n] > 1 or deep >= DEEPEST or n in outputs:
                for r in found:
                    self.last[r] = len(self.own)
                self.own.append(node)
                named.add(n)
            else:
                depth[n], reads[n] = deep + 1, found
        for n in outputs:
            self.last[n] = len(self.own)
        self.named = named

    def _assign(self) -> None:
        """Names and text."""
        names: dict[int, str] = {}
        ending: dict[int, list[tuple[int, int]]] = {}
        free: tuple[list[int], list[int]] = ([], [])
        counts = [0, 0]
        texts: dict[int, str] = {}

        def take(n: int, place: int) -> str:
            last = self.last.get(n, -1)
            node = self.graph.nodes[n]
            if node.name == "input" and node.args[0] in self._lasting:
                last = len(self.graph.nodes)
            long = int(last - place > SOON)
            if free[long]:
                number = heapq.heappop(free[long])
            else:
                number, counts[long] = counts[long], counts[long] + 1
            names[n] = f"{'st'[long]}{number}"
            ending.setdefault(last, []).append((long, number))
            return names[n]

        def release(place: int) -> None:
            for long, number in ending.pop(place, ()):
                heapq.heappush(free[long], number)

        inputs = [node for node in self.graph.nodes if node.name == "input"]
        self.entries: dict[int, list[str]] = {}
        for node in inputs:
            name = take(node.id, 0) if node.id in self.uses else "_"
            self.entries.setdefault(node.args[0], []).append(name)
        place = 0
        for node in self.graph.nodes:
            n = node.id
            if n not in self.uses or node.name == "input":
                continue
            args = []
            for a in node.args:
                if type(a) is not ScalarNode:
                    args.append(literal(a))
                elif a.id in self.named:
                    args.append(names[a.id])
                else:
                    args.append(texts[a.id] if self.uses[a.id] > 1 else texts.pop(a.id))
            text = self._text(node, args)
            if n not in self.named:
                texts[n] = f"({text})"
                continue
            release(place)
            self.lines.append(f"{take(n, place)} = {text}")
            place += 1
        self.results = [names[e.id] if type(e) is ScalarNode else literal(e) for e in self.outputs]
        # the names that come first are the near ones
        near = sum(counts) > NEAR and counts[0]
        self.declared = [" = ".join(f"s{k}" for k in range(counts[0])) + " = 0.0"] if near else []

    def _text(self, node: ScalarNode, args: list[str]) -> str:
        name = node.name
        sign = OPERATORS.get(name)
        if sign is not None:
            return f"{args[0]} {sign} {args[1]}"
        if name == "power":
            small = SMALL_POWERS.get(node.args[1]) if type(node.args[1]) is float else None
            return small.format(args[0]) if small else f"power({', '.join(args)})"
        form = TEXTS.get(name)
        if form is not None:
            return form.format(*args)
        if name == "absolute":
            return f"abs({args[0]})"
        if name not in MATH:
            self.functions[f"np_{name}"] = PRIMITIVES[name].compute
            return f"item(np_{name}({', '.join(args)}))"
        return f"{name}({', '.join(args)})"


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
