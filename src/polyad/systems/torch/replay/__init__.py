"""torch's graphs (FX, core ATen) as programs of NumPy code, for frameworks that cannot follow its tensors."""
