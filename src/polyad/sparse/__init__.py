"""Sparse derivatives: patterns, colorings, and the backend that computes by them."""

from polyad.sparse.detection import DenseDetector, ProbingDetector, TracingDetector
from polyad.sparse.known import KnownPattern
from polyad.sparse.pattern import Pattern

__all__ = ["DenseDetector", "KnownPattern", "Pattern", "ProbingDetector", "TracingDetector"]
