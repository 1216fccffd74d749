"""polyad's own automatic differentiation over the NumPy protocols.

* ``core``: values, primitives, levels: how an operation finds the interpretation that handles it;
* ``dual``, ``tape``: forward and reverse mode; ``proxy``, ``libraries``: another library's arrays;
* ``kinds``: the few shapes of rules (elementwise, linear, multilinear, constant), and ``rules_*``:
  the table itself, one line per primitive;
* ``numpy_*``: NumPy's functions in terms of primitives, written once, free of rules;
* ``box``, ``views``, ``dispatch``: the ndarray that user code sees, and the way from NumPy's
  functions to the table;
* ``run``: a function on leaves, differentiated.

The floor imports from ``arrays`` and ``errors`` only, and no framework before one of its arrays
arrives.
"""
