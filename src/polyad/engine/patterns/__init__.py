"""Which entries of a result depend on which entries of the input: index sets, and NumPy code run on them."""
