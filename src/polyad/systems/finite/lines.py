"""Straight lines through a point, along which a function is sampled.

A line knows its step, how far its samples really are from the point after rounding, and how to
move a copy of the point there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from polyad.arrays.silence import SILENT, get_state, quiet, set_state
from polyad.systems.contract import Leaves
from polyad.systems.finite.sampling import Point

__all__ = ["Coordinates", "Directions", "Lines"]

Array = np.ndarray[Any, Any]


class Lines:
    """Straight lines through a point, along which the function is sampled.

    Attributes
    ----------
    steps : array of shape (lines,)
        Distance to the nearest sample, in multiples of the line's direction.
    spread : array of shape (lines,)
        Size of the moving entries themselves, the largest of them, in the same units.
    resolution : array of shape (lines,)
        The smallest of them.
    """

    steps: Array
    spread: Array
    resolution: Array

    def __len__(self) -> int:
        return len(self.steps)

    def displacements(self, which: Array, offsets: tuple[int, ...], scale: float) -> Array:
        """How far the samples of the lines are from the point, ``(lines, offsets)``."""
        raise NotImplementedError

    def points(self, point: Point, which: Array, d: Array) -> Iterator[Leaves]:
        """The point moved along each line by each of its displacements."""
        for k, row in zip(which.tolist(), d.tolist(), strict=True):
            for distance in row:
                yield point.moved(((self, k, distance),))

    def vanishing(self) -> Array:
        """Which lines have a step that rounding swallows."""
        raise NotImplementedError

    def shift(self, leaves: list[Array], line: int, distance: Any) -> None:
        """Move the leaves, in place, along a line."""
        raise NotImplementedError

    def shift_all(self, leaves: list[Array], distances: Array) -> None:
        """Move the leaves, in place, along all lines at once."""
        raise NotImplementedError

    def name(self, line: int) -> str:
        """The line, for messages."""
        raise NotImplementedError


class Coordinates(Lines):
    """One line per entry of the active leaves, complex entries along the real axis or along both.

    Parameters
    ----------
    point : Point
        Where.
    step : callable
        From an array of leaf values to the array of steps.
    entries : sequence of (leaf, index, unit), optional
        The entries, ``unit`` being 1 or 1j; None takes all, along ``1``.
    real : bool
        With ``entries`` None: take complex entries along ``1j`` as well, after those along ``1``.
    """

    def __init__(
        self,
        point: Point,
        step: Callable[[Array], Array],
        entries: Sequence[tuple[int, int, complex]] | None = None,
        *,
        real: bool = False,
    ) -> None:
        steps = [np.reshape(step(a), -1) for a in point.x]
        self.shapes = [a.shape for a in point.x]
        if entries is None:
            units = [(1.0, 1j) if real and a.dtype.kind == "c" else (1.0,) for a in point.x]
            self.entries = [
                (i, k, u) for i, us in enumerate(units) for u in us for k in range(point.x[i].size)
            ]
            chosen = [s for i, s in enumerate(steps) for _ in units[i]]
            at = [
                np.real(a).reshape(-1) if u == 1.0 else np.imag(a).reshape(-1)
                for i, a in enumerate(point.x)
                for u in units[i]
            ]
            self.steps, self._at = np.concatenate(chosen), np.concatenate(at)
        else:
            self.entries = list(entries)
            values = [point.x[i].reshape(-1)[k] for i, k, _ in self.entries]
            self.steps = np.array([steps[i][k] for i, k, _ in self.entries])
            self._at = np.array(
                [
                    np.real(a) if u == 1.0 else np.imag(a)
                    for a, (_, _, u) in zip(values, self.entries, strict=True)
                ]
            )

    @property
    def spread(self) -> Array:  # type: ignore[override]
        return abs(self._at)

    @property
    def resolution(self) -> Array:  # type: ignore[override]
        return abs(self._at)

    @quiet  # infinite inputs have no displacement
    def displacements(self, which: Array, offsets: tuple[int, ...], scale: float) -> Array:
        at = self._at[which][:, None]
        moved = at + np.multiply.outer(self.steps[which] * scale, np.asarray(offsets, dtype=at.dtype))
        return moved - at

    def points(self, point: Point, which: Array, d: Array) -> Iterator[Leaves]:
        (x,) = point.x if len(point.x) == 1 else (None,)
        if x is None or x.dtype.kind == "c" or point.sampled.has_scalars or point.lie is not None:
            yield from super().points(point, which, d)
            return
        for k, row in zip(which.tolist(), d.tolist(), strict=True):  # one real array: nothing to ask
            for distance in row:
                moved = x.copy()
                moved.reshape(-1)[k] += distance
                yield (moved,)

    def vanishing(self) -> Array:
        return (self._at + self.steps) - self._at == 0

    def shift(self, leaves: list[Array], line: int, distance: Any) -> None:
        leaf, index, unit = self.entries[line]
        flat = leaves[leaf].reshape(-1)
        flat[index] += distance if unit == 1.0 else unit * distance

    def shift_all(self, leaves: list[Array], distances: Array) -> None:
        moves = [np.zeros(leaf.size, dtype=leaf.dtype) for leaf in leaves]
        leaf, index, unit = (np.array(column) for column in zip(*self.entries, strict=True))
        unit = unit if np.any(unit.imag) else unit.real
        for k, move in enumerate(moves):
            mine = leaf == k
            moved = distances[mine] * unit[mine] if move.dtype.kind == "c" else distances[mine]
            np.add.at(move, index[mine], moved)
            leaves[k] += move.reshape(leaves[k].shape)

    def name(self, line: int) -> str:
        leaf, index, unit = self.entries[line]
        place = tuple(int(k) for k in np.unravel_index(index, self.shapes[leaf])) if self.shapes[leaf] else ()
        which = f" of active leaf {leaf}" if len(self.shapes) > 1 else ""
        axis = ", along 1j" if unit == 1j else ""
        return f"input entry {place}{which}{axis}"


class Directions(Lines):
    """One line per direction, or several where the active entries differ much in scale.

    One step cannot serve entries of 1 and of 1e9 at once: it would be too long for the one or lost
    in the rounding of the other. Such a direction is cut into parts of like scale, whose derivatives
    add up to that along the whole.

    Parameters
    ----------
    point : Point
        Where.
    step : callable
        From an array of leaf values to the array of steps.
    seeds : tuple
        The directions: one array per leaf, with a leading axis.
    cut : bool
        Whether to cut; complex steps lose nothing to rounding.

    Attributes
    ----------
    owner : array of int
        Which direction each line belongs to.
    """

    # Largest ratio of the steps of the entries that move together.
    RATIO = 100.0

    def __init__(
        self, point: Point, step: Callable[[Array], Array], seeds: Leaves, *, cut: bool = True
    ) -> None:
        self._x = point.x
        self._own = [step(a) for a in point.x]
        self.seeds = tuple(np.asarray(s, dtype=d) for s, d in zip(seeds, point.sampled.dtypes, strict=True))
        self.owner = np.arange(len(self.seeds[0]))
        if cut:
            self._cut()
        # the entry that moves most, measured in its own step, moves by its step
        self._rate = np.zeros(len(self.owner))
        for s, own in zip(self.seeds, self._own, strict=True):
            axes = tuple(range(1, s.ndim))
            self._rate = np.maximum(self._rate, np.max(abs(s) / own, axis=axes, initial=0.0))
        self.steps = 1 / np.where(self._rate == 0, 1.0, self._rate)
        heard = get_state()
        try:
            set_state(SILENT)
            sizes = [abs(a) / abs(s) for a, s in zip(point.x, self.seeds, strict=True)]
        finally:
            set_state(heard)
        self.spread, self.resolution = np.zeros(len(self.owner)), np.full(len(self.owner), np.inf)
        for size, s, own in zip(sizes, self.seeds, self._own, strict=True):
            axes = tuple(range(1, s.ndim))
            moves = abs(s) / own >= 0.1 * np.reshape(self._rate, (-1,) + (1,) * (s.ndim - 1))
            moves &= s != 0
            self.spread = np.maximum(self.spread, np.max(np.where(moves, size, 0.0), axis=axes, initial=0.0))
            low = np.min(np.where(moves, size, np.inf), axis=axes, initial=np.inf)
            self.resolution = np.minimum(self.resolution, low)

    def _cut(self) -> None:
        scales = np.concatenate([own.reshape(-1) for own in self._own])
        scales = scales[np.isfinite(scales)]
        if not scales.size or scales.max() <= self.RATIO * scales.min():
            return
        low = scales.min()
        bins = [np.floor(np.log(own / low) / np.log(self.RATIO)) for own in self._own]
        parts = []
        for k in np.unique(np.concatenate([b.reshape(-1) for b in bins])):
            # NaN bins belong to no part of finite scale and stay NaN in all
            parts.append(
                [np.where((b == k) | np.isnan(b), s, 0) for b, s in zip(bins, self.seeds, strict=True)]
            )
        count = len(self.owner)
        stacked = tuple(np.concatenate(leaf) for leaf in zip(*parts, strict=True))
        moving = np.zeros(len(stacked[0]), dtype=bool)
        for leaf in stacked:
            moving |= np.any(leaf != 0, axis=tuple(range(1, leaf.ndim)))
        moving[:count] |= ~moving.reshape(-1, count).any(axis=0)  # a zero direction keeps one part
        self.seeds = tuple(leaf[moving] for leaf in stacked)
        self.owner = np.tile(self.owner, len(parts))[moving]

    def displacements(self, which: Array, offsets: tuple[int, ...], scale: float) -> Array:
        return np.multiply.outer(self.steps[which] * scale, np.asarray(offsets, dtype=self.steps.dtype))

    def vanishing(self) -> Array:
        lost = np.zeros(len(self.owner), dtype=bool)
        for s, a, own in zip(self.seeds, self._x, self._own, strict=True):
            wide = (-1,) + (1,) * a.ndim
            moves = abs(s) / own >= 0.1 * np.reshape(self._rate, wide)
            stays = a + s * np.reshape(self.steps, wide) == a
            lost |= np.any((s != 0) & moves & stays, axis=tuple(range(1, s.ndim)))
        return lost

    def shift(self, leaves: list[Array], line: int, distance: Any) -> None:
        for leaf, seed in zip(leaves, self.seeds, strict=True):
            leaf += distance * seed[line]

    def shift_all(self, leaves: list[Array], distances: Array) -> None:
        for leaf, seed in zip(leaves, self.seeds, strict=True):
            leaf += np.tensordot(distances, seed, axes=1)

    def name(self, line: int) -> str:
        return f"direction {self.owner[line]}" if self.owner.max() else "the direction"

    def joined(self, parts: Array) -> Array:
        """One row per direction from one row per line."""
        count = int(self.owner.max(initial=-1)) + 1
        if len(self.owner) == count:
            return parts
        whole = np.zeros((count, *parts.shape[1:]), dtype=parts.dtype)
        np.add.at(whole, self.owner, parts)
        return whole
