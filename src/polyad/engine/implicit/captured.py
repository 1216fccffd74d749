"""What functions take from around themselves: ``engine.loops.closures``, which solvers use as loops do."""

from polyad.engine.loops.closures import active, replaced, unfollowed

__all__ = ["active", "replaced", "unfollowed"]
