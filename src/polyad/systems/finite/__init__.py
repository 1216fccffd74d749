"""Finite differences: derivatives of any black-box function."""
