"""Writing random programs: fill a template, try the statement at every point, keep what runs.

* The generator runs every statement it writes, in plain NumPy, at all points. What raises, warns, or leaves
  the range of ordinary numbers is thrown away, so the program that comes out is one that a user
  could have written: it runs, and its numbers are finite.
* Nothing but the seed decides.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import CodeType
from typing import Any

import numpy as np

from polyad.testing.fuzz.complex_numbers import COMPLEX
from polyad.testing.fuzz.filling import Filling, Unfit
from polyad.testing.fuzz.program import IMPORTS, Program, strict
from polyad.testing.fuzz.templates import BRANCHES, FAMILIES

__all__ = ["generate"]

LARGEST, ENTRIES, AXES = 30.0, 64, 4
NAMES = ("u", "w", "y", "z", "g", "h", "m", "r", "q", "s")
_SHAPES: tuple[tuple[int, ...], ...] = (
    (3,),
    (4,),
    (5,),
    (2, 3),
    (3, 3),
    (2, 2),
    (1, 3),
    (2, 2, 2),
    (1,),
    (3, 2),
)


def generate(seed: int, *, branches: bool | None = None) -> Program:
    """Write the program of a seed.

    Parameters
    ----------
    seed : int
        The same one gives the same program.
    branches : bool, optional
        Whether statements may decide by values; by default four programs in ten may.

    Returns
    -------
    Program
        A function of 10 to 30 statements with three points.

    Examples
    --------
    >>> program = generate(3)
    >>> program.statements == generate(3).statements
    True
    """
    return _Writer(seed, branches).program()


class _Writer:
    """One program while it is written."""

    def __init__(self, seed: int, branches: bool | None) -> None:
        self.seed = seed
        self.rng = rng = np.random.default_rng([seed, 20])
        # a stream of its own: the other programs of these seeds stay what they are
        self.complex = bool(np.random.default_rng([seed, 21]).random() < 0.25)
        self.branches = bool(rng.random() < 0.4) if branches is None else branches
        self.codes: list[CodeType] = []
        self.statements: list[str] = []
        self.count = 0
        shapes = [_SHAPES[k] for k in rng.integers(0, len(_SHAPES), 4)]
        self.active = ("x", "t")[: int(rng.choice([1, 1, 2]))]
        self.constant = ("c", "n")[: int(rng.choice([0, 1, 1, 2]))]
        t_shape = shapes[1] if rng.random() < 0.5 else ()

        def values() -> dict[str, Any]:
            given: dict[str, Any] = {
                "x": rng.uniform(-1.5, 1.5, shapes[0]).round(3),
                "t": rng.uniform(-1.5, 1.5, t_shape).round(3),
                "c": rng.uniform(-1.0, 2.0, shapes[2]).round(2),
                "n": rng.integers(0, 3, shapes[0][-1:]),
            }
            given["t"] = given["t"] if t_shape else float(given["t"])
            return {name: given[name] for name in (*self.active, *self.constant)}

        first = values()
        others = [
            values(),
            {k: -0.7 * v for k, v in first.items()},
        ]
        if "n" in first:
            for other in others:
                other["n"] = first["n"]  # integers are part of a compiled program
        self.points = (first, *others)
        self.captured: dict[str, Any] = {}
        if rng.random() < 0.6:
            self.captured["K"] = rng.uniform(-1.0, 1.0, shapes[3]).round(2)
        if rng.random() < 0.2:
            self.captured["P"] = rng.integers(0, 3, shapes[0][0])
        self.spaces: list[dict[str, Any]] = []
        self.restart()

    # -- the state ----------------------------------------------------------------------------------

    def restart(self) -> None:
        """Run all that is written, at every point, from fresh arguments."""
        self.spaces = []
        for point in self.points:
            space: dict[str, Any] = {}
            exec(IMPORTS, space)
            space.update({k: np.array(v) for k, v in self.captured.items()})
            space.update({k: np.array(v) if isinstance(v, np.ndarray) else v for k, v in point.items()})
            with strict():
                for code in self.codes:
                    exec(code, space)
            self.spaces.append(space)

    def attempt(self, text: str) -> bool:
        """Add a statement if it runs at every point and leaves ordinary numbers."""
        code = compile(text, "<statement>", "exec")
        try:
            with strict():
                for space in self.spaces:
                    exec(code, space)
            fine = all(map(self.ordinary, self.spaces))
        except Exception:  # whatever it raises, the statement is no good
            fine = False
        if not fine:
            self.restart()
            return False
        self.codes.append(code)
        self.statements.append(text)
        return True

    def ordinary(self, space: Mapping[str, Any]) -> bool:
        for name, value in space.items():
            if name in self.captured:
                if not np.array_equal(value, self.captured[name]):
                    return False  # a function that changes what it captures has no one value
            elif isinstance(value, list):
                return False
            elif isinstance(value, np.ndarray | np.generic | float):
                a = np.asarray(value)
                if a.dtype.kind not in "fib" or not a.size or a.size > ENTRIES or a.ndim > AXES:
                    return False
                if not np.all(np.isfinite(a)) or np.max(np.abs(a * 1.0)) > LARGEST:
                    return False
        return True

    # -- variables ----------------------------------------------------------------------------------

    def names(self, fits: Callable[[Any], bool], kind: str = "f") -> list[str]:
        """The variables of a kind, oldest first."""
        return [
            name
            for name, value in self.spaces[0].items()
            if isinstance(value, np.ndarray | np.generic | float | int)
            and name[0] != "_"
            and np.asarray(value).dtype.kind == kind
            and fits(value)
        ]

    def pick(self, fits: Callable[[Any], bool], kind: str = "f") -> str:
        """A variable, with a liking for young ones and for what depends on the active arguments."""
        found = self.names(fits, kind)
        if not found:
            raise Unfit
        weights = np.array([(1.0 + k) * (8.0 if self.depends(name) else 1.0) for k, name in enumerate(found)])
        return str(self.rng.choice(found, p=weights / weights.sum()))

    def depends(self, name: str) -> bool:
        a, b = (np.asarray(space[name]) for space in self.spaces[:2])
        return a.shape != b.shape or bool(np.any(a != b))

    def fresh(self) -> str:
        self.count += 1
        k = self.count - 1
        return NAMES[k % len(NAMES)] + (str(k // len(NAMES)) if k >= len(NAMES) else "")

    # -- filling templates ----------------------------------------------------------------------------

    def fill(self, template: str) -> str:
        """The template with every hole filled."""
        return Filling(self).text(template)

    def line(self) -> str:
        rng = self.rng
        if self.branches and rng.random() < 0.15:
            return self.fill(str(rng.choice(BRANCHES)))
        if self.complex and rng.random() < 0.3:
            return f"{self.fresh()} = {self.fill(str(rng.choice(COMPLEX)))}"
        weights = np.array([weight for weight, _ in FAMILIES.values()])
        family = list(FAMILIES)[int(rng.choice(len(weights), p=weights / weights.sum()))]
        templates = FAMILIES[family][1]
        template = templates[int(rng.integers(len(templates)))]
        if family == "write" or "{new}" in template or template.startswith("np.sum({mat}, axis=0, out"):
            return self.fill(template)
        if family == "elementwise" and rng.random() < 0.15:
            template = f"{template} + np.sin({{b}})"
        text = self.fill(template)
        floats = self.names(lambda v: True)
        if rng.random() < 0.12 and len(floats) > 2:
            return f"{floats[-1]} = {text}"  # an old name for a new value
        return f"{self.fresh()} = {text}"

    def program(self) -> Program:
        """The finished program."""
        wanted = int(self.rng.integers(10, 31))
        for _ in range(wanted * 12):
            if len(self.statements) >= wanted:
                break
            count = self.count
            try:
                text = self.line()
            except Unfit:
                text = ""
            if not text or not self.attempt(text):
                self.count = count
        return Program(
            seed=self.seed,
            active=self.active,
            constant=self.constant,
            points=self.points,
            captured={
                k: v for k, v in self.captured.items() if re.search(rf"\b{k}\b", "\n".join(self.statements))
            },
            statements=tuple(self.statements),
            result=self.result(),
        )

    def result(self) -> str:
        """An expression of the last variables and of those that nothing used."""
        rng = self.rng
        text = "\n".join(self.statements)
        active = [n for n in self.names(lambda v: True) if n not in self.captured and self.depends(n)]
        unused = [n for n in active if len(re.findall(rf"\b{n}\b", text)) < 2]
        chosen = list(dict.fromkeys([*active[-2:], *unused[-4:]])) or ["x"]
        if rng.random() < 0.5:
            forms = ("np.sum(np.sin({}))", "np.mean({} * {})", "np.sum({})", "np.sum({} ** 2)", "np.max({})")
            terms = []
            for name in chosen:
                form = forms[int(rng.integers(len(forms)))]
                terms.append(form.replace("{}", name))
            return " + ".join(terms)
        alias = rng.random()
        if alias < 0.35:
            return str(
                rng.choice([active[-1] if active else "x", f"{chosen[0]}.T", "x", f"np.ravel({chosen[-1]})"])
            )
        return f"np.concatenate([{', '.join(f'np.ravel({n})' for n in chosen)}])"
