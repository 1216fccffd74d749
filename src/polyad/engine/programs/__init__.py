"""Functions recorded, simplified and written as Python code, for prepared calls of compiled backends."""
