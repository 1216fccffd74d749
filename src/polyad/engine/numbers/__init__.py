"""The fast path of scalar code."""
