"""Sparse derivatives: patterns, colorings, and the backend that computes by them."""

from polyad.sparse.detection import DenseDetector, ProbingDetector, TracingDetector
from polyad.sparse.pattern import Pattern

__all__ = ["DenseDetector", "Pattern", "ProbingDetector", "TracingDetector"]
