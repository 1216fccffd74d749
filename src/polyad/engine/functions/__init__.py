"""NumPy's functions on values, made of primitives."""
