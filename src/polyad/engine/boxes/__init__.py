"""What the user's code sees: arrays that speak NumPy's protocols."""
