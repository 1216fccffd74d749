"""Calls that are made for one: what is usual about them is found out once for an operator and a backend."""
