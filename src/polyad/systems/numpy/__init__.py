"""polyad's own engine on NumPy arrays."""
