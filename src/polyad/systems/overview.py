"""What backends there are: registered, installed, and what each can do."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Iterator, Sequence
from typing import overload

from polyad.errors import how_to_install
from polyad.systems.base import Backend
from polyad.systems.operations import operations
from polyad.systems.registry import GROUP, describe, names

__all__ = ["BackendInfo", "Overview", "backends"]


@dataclasses.dataclass(frozen=True)
class BackendInfo:
    """One registered backend.

    Parameters
    ----------
    name : str
        The word that selects it.
    cls : type or None
        Its class; None where the package that registered it is broken.
    installed : bool
        Whether its framework can be imported.
    version : str or None
        Version of the framework; None where it needs none or it is missing.
    library : str
        Array library it computes with.
    modes : tuple of str
        ``"forward"``, ``"reverse"``; empty for a symbolic one.
    operators : tuple of str
        What it can do. ``"taylor"`` is to any order where it is native, and to order 3 elsewhere.
    native : tuple of str
        Those that it does natively; the others are derived from these.
    problem : str
        What keeps it from working, with the remedy; empty where nothing does.
    variants : tuple of str
        Words that may follow the name besides the modes: ``"compiled"`` for ``"numpy:compiled"``.
    """

    name: str
    cls: type[Backend] | None
    installed: bool
    version: str | None
    library: str
    modes: tuple[str, ...]
    operators: tuple[str, ...]
    native: tuple[str, ...]
    problem: str = ""
    variants: tuple[str, ...] = ()


class Overview(Sequence[BackendInfo]):
    """A list of backends that prints as a table."""

    def __init__(self, infos: Sequence[BackendInfo]) -> None:
        self._infos = tuple(infos)

    @overload
    def __getitem__(self, index: int) -> BackendInfo: ...
    @overload
    def __getitem__(self, index: slice) -> Overview: ...
    def __getitem__(self, index: int | slice) -> BackendInfo | Overview:
        return Overview(self._infos[index]) if isinstance(index, slice) else self._infos[index]

    def __len__(self) -> int:
        return len(self._infos)

    def __iter__(self) -> Iterator[BackendInfo]:
        return iter(self._infos)

    def __repr__(self) -> str:
        return self.to_text()

    def to_text(self, width: int | None = None) -> str:
        """The table as plain text.

        Parameters
        ----------
        width : int, optional
            Characters in a line; where they do not suffice, cells go on in further lines. By default
            a row is one line, however long.
        """
        if not self._infos:
            return f"no backend is registered in the entry-point group {GROUP!r}"
        rows = [("backend", "version", "modes", "variants", "operators", "of them native")]
        for info in self:
            operators = _span(info.operators)
            version = (info.version or "built in") if info.installed else "missing"
            native = " ".join(info.native) if info.installed else info.problem
            modes = " ".join(info.modes) or ("symbolic" if info.cls is not None else "")
            rows.append((info.name, version, modes, " ".join(info.variants), operators, native))
        widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
        before = sum(widths[:-1]) + 2 * len(widths[:-1])
        room = None if width is None else width - before
        if room is not None and room < LEAST:
            assert width is not None
            return "\n".join(_stacked(rows[0], row, width) for row in rows[1:])
        lines = []
        for row in rows:
            tail = [row[-1]] if room is None else textwrap.wrap(row[-1], room) or [""]
            cells = (*row[:-1], tail[0])
            lines.append("  ".join(cell.ljust(w) for cell, w in zip(cells, widths, strict=True)).rstrip())
            lines += [" " * before + part for part in tail[1:]]
        return "\n".join(lines)


# room for the last column below which each backend gets a paragraph
LEAST = 16


def _stacked(names: tuple[str, ...], row: tuple[str, ...], width: int) -> str:
    """A backend as a paragraph, for narrow terminals."""
    parts = [f"{name} {cell}" for name, cell in zip(names[2:], row[2:], strict=True) if cell]
    text = f"{row[0]} {row[1]}: {'; '.join(parts)}"
    return "\n".join(textwrap.wrap(text, width, subsequent_indent="  "))


def _span(operators: tuple[str, ...]) -> str:
    lacking = [name for name in (*operations(), *operations(0)) if name not in operators]
    if not lacking or lacking == list(operations(0)):
        return " ".join(["all", *(f"but {name}" for name in lacking)])
    return "first order" if operators == tuple(operations(1)) else " ".join(operators)


def backends() -> Overview:
    """All registered backends, installed or not; imports no framework.

    Returns
    -------
    Overview
        A sequence of ``BackendInfo`` that prints as a table.

    Examples
    --------
    >>> from polyad.systems.overview import backends
    >>> [info.modes for info in backends() if info.name == "jax"]
    [('forward', 'reverse')]
    """
    return Overview([_info(name) for name in names()])


def _info(name: str) -> BackendInfo:
    try:
        known = describe(name)
    except Exception as error:  # a third party's broken module must not hide the others
        return BackendInfo(
            name, None, False, None, "", (), (), (), f"broken: {type(error).__name__}: {error}"
        )
    cls: type[Backend] = known["class"]
    every = (*operations(), *operations(0))
    native = tuple(op for op in every if getattr(cls, op, None) is not getattr(Backend, op, None))
    first = operations(1)
    offered = tuple(op for op in every if op in first or cls.nestable or op in native)
    remedy = how_to_install(cls.extra) if cls.extra else f"pip install {' '.join(cls.requires)}"
    return BackendInfo(
        name=name,
        cls=cls,
        installed=known["installed"],
        version=known["version"],
        library=known["library"],
        modes=known["modes"],
        operators=offered,
        native=native,
        problem="" if known["installed"] else remedy,
        variants=known["variants"],
    )
