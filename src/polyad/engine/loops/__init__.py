"""Loops and choices as one operation: ``polyad.scan``, ``fori_loop``, ``while_loop``, ``cond``, ``switch``.

Their bodies are NumPy code. Under backends that run on values they are Python's own loops; a framework that
has loops of its own (an adapter with ``loops``) gets the body once, on arrays without values.
"""
