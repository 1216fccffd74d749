"""Results of solvers as functions of what they depend on: implicit functions, integrals, what is captured."""
