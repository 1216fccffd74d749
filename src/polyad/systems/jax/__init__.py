"""JAX: its backend and adapter, its precision and its Taylor mode."""
