"""Primitives and their rules: one line each."""
