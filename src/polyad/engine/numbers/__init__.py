"""The fast path of scalar code: single numbers under differentiation, without arrays."""
