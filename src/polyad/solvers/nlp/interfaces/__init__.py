"""One file for each contract: how a program is given to the solver, and what it gives back.

Each has ``run(program, caught, hessian, options)``, which returns a ``Solution``, and ``modes``, the
forms of the Hessian that it takes.
"""
