"""SymPy: its backend, arrays of expressions, and expressions as compiled code."""
