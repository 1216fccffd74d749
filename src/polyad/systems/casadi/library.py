"""CasADi's symbols, which are met in the boxes of lifted functions only."""

from __future__ import annotations

from polyad.arrays.library import Host

__all__ = ["CasADiLibrary"]


class CasADiLibrary(Host):
    """CasADi's columns of symbols, with a shape as NumPy's arrays have it."""

    name = module = "casadi"
    packages = ("casadi",)
    adapter = "polyad.systems.casadi.adapter:CasADiAdapter"
    symbolic = True
