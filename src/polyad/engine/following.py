"""The engine's door for following code through packages."""

from polyad.engine.follow.reach import Route

__all__ = ["Route"]
