"""Functions recorded, simplified and written as Python."""
