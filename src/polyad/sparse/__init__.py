"""Sparse derivatives: patterns, colorings, and the backend that computes by them."""

from polyad.sparse.coloring.choose import color
from polyad.sparse.coloring.result import Coloring
from polyad.sparse.detection import DenseDetector, ProbingDetector, TracingDetector
from polyad.sparse.known import KnownPattern
from polyad.sparse.pattern import Pattern

__all__ = [
    "Coloring",
    "DenseDetector",
    "KnownPattern",
    "Pattern",
    "ProbingDetector",
    "TracingDetector",
    "color",
]
