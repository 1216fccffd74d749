"""Filling the holes of a template with what a program has so far."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from polyad.testing.fuzz.complex_numbers import BEGINNINGS, TURNS
from polyad.testing.fuzz.indices import basic, first_axis, index

__all__ = ["Filling", "Unfit", "Writer"]

_HOLE = re.compile(r"\{(\w+)\}")
# Roots, powers, signs and scales within each other: the engine rewrites each of them, and
# their compositions hide faults that none of them has alone.
_CHAINED: tuple[str, ...] = (
    *("np.abs({})", "abs({})", "np.sqrt({})", "np.square({})", "np.cbrt({})", "np.reciprocal({})"),
    *("(-{})", "(-1.5 * {})", "({} / -2.0)", "(2.0 * {})", "({} * 1)", "np.negative({})"),
    *("({}) ** 2", "({}) ** 3", "({}) ** -1", "({}) ** 0.5", "({}) ** 1.5", "({}) ** -2", "({}) ** 2.0"),
    *(
        "np.power({}, 3)",
        "np.float_power({}, 3)",
        "np.power({}, 2)",
        "np.hypot({}, 0.7)",
        "np.copysign({}, -1.0)",
    ),
    *("np.linalg.norm({})", "np.exp({})", "np.log({})", "np.maximum({}, 0.2)", "np.minimum({}, -0.1)"),
    *("np.sqrt(({}) ** 2)", "np.sqrt(({}) ** 2 + 1.0)", "np.std({})", "np.sum({})", "np.prod({})"),
)


class Unfit(Exception):
    """A template asks for a variable that is not there."""


class Writer(Protocol):
    """A program while it is written: its variables at every point, and names for new ones."""

    rng: np.random.Generator
    spaces: list[dict[str, Any]]

    def names(self, fits: Callable[[Any], bool], kind: str = "f") -> list[str]:
        """The variables of a kind, oldest first."""

    def pick(self, fits: Callable[[Any], bool], kind: str = "f") -> str:
        """One of them."""

    def fresh(self) -> str:
        """A name for a new one."""


class Filling:
    """One template while its holes are filled from left to right."""

    def __init__(self, writer: Writer) -> None:
        self.writer = writer
        self.rng = writer.rng
        self.first: str | None = None
        self.bound: dict[str, str] = {}
        self.last: str | None = None  # the array and index that were filled last

    def text(self, template: str) -> str:
        """The template with every hole filled."""
        return _HOLE.sub(self.hole, template)

    def hole(self, match: re.Match[str]) -> str:
        """What goes into one hole."""
        name = match[1]
        if name in self.bound:
            return self.bound[name]
        if name in _VARIABLES:
            fits = _VARIABLES[name]
            self.bound[name] = self.writer.pick(fits if name != "w" else self.writable)
            self.first = self.first or self.bound[name]
            return self.bound[name]
        if name in ("new", "new2"):
            self.bound[name] = self.writer.fresh()
            return self.bound[name]
        return str(getattr(self, f"_{name}")())

    def writable(self, value: Any) -> bool:
        """Whether a statement may write to it."""
        if not isinstance(value, np.ndarray) or not value.ndim or not all(value.strides):
            return False  # asking a broadcast array for its flag warns
        return value.flags.writeable

    def value(self) -> Any:
        """The array that the other holes go by."""
        return np.asarray(self.writer.spaces[0][self.first or "x"])

    # one method a hole

    def _scalar(self) -> str:
        names = self.writer.names(lambda v: np.ndim(v) == 0)
        if names and self.rng.random() < 0.6:
            return self.writer.pick(lambda v: np.ndim(v) == 0)
        name = self.writer.pick(lambda v: np.ndim(v) > 0)
        shape = np.shape(self.writer.spaces[0][name])
        return f"{name}[{', '.join(str(int(self.rng.integers(-n, n))) for n in shape)}]"

    def _b(self) -> str:
        shape = self.value().shape
        roll = self.rng.random()
        if roll < 0.2:
            return self._c()

        def fits(value: Any) -> bool:
            try:
                return len(np.broadcast_shapes(shape, np.shape(value))) <= 3
            except ValueError:
                return False

        name = self.writer.pick(fits)
        return self.wrapped(name)

    def wrapped(self, name: str) -> str:
        """A variable, or a short expression of it."""
        if self.rng.random() < 0.75:
            return name
        return str(self.rng.choice(["np.sin({})", "np.tanh({})", "({} * 0.5)", "np.exp(-{} ** 2)"])).replace(
            "{}", name
        )

    def _like(self) -> str:
        shape = self.value().shape
        return self.writer.pick(lambda v: np.shape(v) == shape)

    def _mask(self) -> str:
        shape = self.value().shape
        masks = self.writer.names(lambda v: np.shape(v) == shape, "b")
        if masks and self.rng.random() < 0.7:
            return str(self.rng.choice(masks))
        return f"({self.first} {self.rng.choice(['>', '<', '>=', '<='])} {self._c()})"

    def _chain(self) -> str:
        text = self.writer.pick(lambda v: True)
        self.first = self.first or text
        for _ in range(int(self.rng.integers(2, 5))):
            text = str(self.rng.choice(_CHAINED)).replace("{}", text)
        return f"({text})"

    def _turned(self) -> str:
        name = self.writer.pick(lambda v: True)
        self.first = self.first or name
        text = str(self.rng.choice(BEGINNINGS)).replace("{}", name)
        for _ in range(int(self.rng.integers(1, 4))):
            text = str(self.rng.choice(TURNS)).replace("{}", text)
        return f"({text})"

    def _ints(self) -> str:
        if self.first is None:
            return self.writer.pick(lambda v: True, "i")
        return self.writer.pick(lambda v: isinstance(v, np.ndarray) and v.ndim <= 1, "i")

    def _c(self) -> str:
        return str(round(float(self.rng.uniform(-1.0, 1.5)), 2))

    def _p(self) -> str:
        return str(round(float(self.rng.uniform(0.2, 2.0)), 2))

    def _n(self) -> str:
        return str(int(self.rng.integers(2, 4)))

    def _keep(self) -> str:
        return str(self.rng.choice(["True", "False"]))

    def _axis(self) -> str:
        ndim = self.value().ndim
        if not ndim:
            raise Unfit
        return str(int(self.rng.integers(-ndim, ndim)))

    def _axes(self) -> str:
        ndim = self.value().ndim
        if ndim < 2:
            raise Unfit
        return str(tuple(int(k) for k in self.rng.permutation(ndim)[:2]))

    def _perm(self) -> str:
        return str(tuple(int(k) for k in self.rng.permutation(self.value().ndim)))

    def _shape(self) -> str:
        size = self.value().size
        shapes: Sequence[Any] = [(-1,), (size, 1), (1, -1), size]
        if size % 2 == 0:
            shapes = [*shapes, (2, -1), (-1, 2), (2, size // 2, 1)]
        return str(shapes[int(self.rng.integers(len(shapes)))])

    def _idx(self) -> str:
        a = self.value()
        ints = self.writer.names(lambda v: isinstance(v, np.ndarray) and v.ndim == 1, "i")
        self.last = index(self.rng, self.first or "x", a.shape, ints)
        if self.rng.random() < 0.12 and a.ndim == 1:
            self.last = f"np.argsort({self.first})[{first_axis(self.rng, a.shape[0])}]"
        return self.last

    def _idx0(self) -> str:
        return str(index(self.rng, self.first or "x", self.value().shape, ()))

    def _idx1(self) -> str:
        return first_axis(self.rng, self.value().shape[0])

    def _view(self) -> str:
        self.last = basic(self.rng, self.value().shape)
        return self.last

    def _sub(self) -> str:
        """A value for the place that the last index selects."""
        try:
            code = f"{self.first}[{self.last}]"
            shape = np.shape(eval(code, dict(self.writer.spaces[0])))  # text that this module wrote
        except (IndexError, ValueError, TypeError) as error:
            raise Unfit from error

        def fits(value: Any) -> bool:
            try:
                return np.broadcast_shapes(shape, np.shape(value)) == shape
            except ValueError:
                return False

        roll = self.rng.random()
        if roll < 0.2:
            return self._c()
        if roll < 0.4:
            return f"{self.rng.choice(['np.sin', 'np.tanh', 'np.exp'])}({code})"
        return self.wrapped(self.writer.pick(fits))


_VARIABLES: dict[str, Callable[[Any], bool]] = {
    "a": lambda v: True,
    "w": lambda v: True,
    "vec": lambda v: np.ndim(v) == 1,
    "mat": lambda v: np.ndim(v) == 2,
    "sq": lambda v: np.ndim(v) == 2 and len({*np.shape(v)}) == 1 and len(v) > 1,
}
