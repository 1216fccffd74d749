"""JAX's graphs (jaxprs) as programs of NumPy code, for frameworks that cannot follow its tracers."""
