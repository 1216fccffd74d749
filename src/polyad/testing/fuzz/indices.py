"""Indices as text: basic, negative, strided, new axes, ellipses, booleans, integers, computed and mixed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["basic", "first_axis", "index"]


def index(rng: np.random.Generator, name: str, shape: Sequence[int], ints: Sequence[str]) -> str:
    """Any index of an array; ``ints`` are names of integer arrays, which are taken modulo the length."""
    if not shape:
        return str(rng.choice(["()", "...", "None", "..., None"]))
    style = rng.choice(["basic", "mask", "integers", "mixed"], p=[0.45, 0.1, 0.2, 0.25])
    if style == "basic":
        return basic(rng, shape)
    if style == "mask":
        flags = [bool(b) for b in rng.integers(0, 2, shape[0])]
        flags[int(rng.integers(shape[0]))] = True
        return str(rng.choice([f"np.array({flags})", f"{flags}", f"{name} == {name}"]))
    if style == "integers":
        count = int(rng.integers(1, len(shape) + 1))
        parts = [_integers(rng, n, ints, form) for n in shape[:count] for form in [int(rng.integers(5))]]
        if count > 1:  # their shapes have to fit together
            parts = [str(_numbers(rng, n, 2)) for n in shape[:count]]
        return ", ".join(parts)
    parts = [_slice(rng, n) for n in shape]
    places = rng.permutation(len(shape))[: int(rng.integers(1, 3))]
    for place in places:
        parts[place] = str(_numbers(rng, shape[place], 2))
    for place in range(len(shape)):
        if place not in places and rng.random() < 0.3:
            parts[place] = str(int(rng.integers(-shape[place], shape[place])))
    if rng.random() < 0.3:
        parts.insert(int(rng.integers(len(parts) + 1)), "None")
    return _with_ellipsis(rng, parts)


def basic(rng: np.random.Generator, shape: Sequence[int]) -> str:
    """An index that gives a view."""
    if not shape:
        return "..."
    count = int(rng.integers(1, len(shape) + 1))
    parts = [str(int(rng.integers(-n, n))) if rng.random() < 0.35 else _slice(rng, n) for n in shape[:count]]
    if rng.random() < 0.2:
        parts.insert(int(rng.integers(len(parts) + 1)), str(rng.choice(["None", "np.newaxis"])))
    return _with_ellipsis(rng, parts)


def first_axis(rng: np.random.Generator, length: int) -> str:
    """An array of integers, with repeats, that selects along the first axis."""
    return str(_numbers(rng, length, 3))


def _with_ellipsis(rng: np.random.Generator, parts: list[str]) -> str:
    if rng.random() < 0.2:
        if parts.count(":") and rng.random() < 0.5:
            parts[parts.index(":")] = "..."
        else:
            parts.insert(int(rng.integers(len(parts) + 1)), "...")
    return ", ".join(parts)


def _slice(rng: np.random.Generator, n: int) -> str:
    choices = [":", ":", "::-1", "::2", "1:", ":-1", "-2:", f":{max(1, n - 1)}", "::-2", "-1:", "0:1"]
    return str(rng.choice(choices))


def _numbers(rng: np.random.Generator, n: int, count: int) -> list[int]:
    return [int(k) for k in rng.integers(-n, n, count)]


def _integers(rng: np.random.Generator, n: int, ints: Sequence[str], form: int) -> str:
    if form == 0 and ints:
        return f"{rng.choice(list(ints))} % {n}"
    if form == 1:
        return f"np.array({_numbers(rng, n, 3)})"
    if form == 2:
        return f"np.array([{_numbers(rng, n, 2)}, {_numbers(rng, n, 2)}])"
    if form == 3:
        return f"np.arange({n})[::-1]"
    return str(_numbers(rng, n, 2))
