"""TensorFlow under polyad: tensors (``library``), NumPy code on them (``adapter``), the ``backend``."""
