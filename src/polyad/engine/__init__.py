"""polyad's own automatic differentiation over the NumPy protocols.

From the ground up:
* ``core``: values, primitives, the tables, the shapes of rules, and the refusals;
* ``interpretations``: what an operation does: forward mode (``dual``), reverse mode (``tape``), expansion
  (``series``), and the lift to another library's arrays (``proxy``, with an ``adapter`` for each);
* ``rules``: the table of primitives, a line for each;
* ``functions``: NumPy's functions in terms of primitives, written once, free of rules;
* ``boxes``: what the user's code sees, and how it meets NumPy;
* ``programs``: functions recorded and written as Python; ``numbers``: the fast path of scalar code;
* ``run``, ``expand``, ``lift``, ``notices``: the doors for whoever differentiates; ``define``, ``stop``: what
  users call. From above the systems the engine is entered by these only.
"""
