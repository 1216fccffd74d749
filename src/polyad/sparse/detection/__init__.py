"""Detectors: objects that find the pattern of a derivative.

A detector has ``jacobian_sparsity(problem)`` and ``hessian_sparsity(problem)``, which give a ``Pattern``. One
that needs to know who differentiates has ``bound(backend)``, which gives such an object.
"""

from polyad.sparse.detection.numeric import DenseDetector, ProbingDetector
from polyad.sparse.detection.tracing import TracingDetector, detector_of

__all__ = ["DenseDetector", "ProbingDetector", "TracingDetector", "detector_of"]
