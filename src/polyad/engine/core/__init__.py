"""What everything in the engine stands on: values, primitives, tables, refusals."""
