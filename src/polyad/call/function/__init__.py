"""The user's function as kernels see it: flat, lifted, with constants that it cannot change."""
