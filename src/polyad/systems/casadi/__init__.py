"""CasADi: its backend, its symbols as NumPy arrays, and its compiled programs."""
