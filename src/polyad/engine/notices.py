"""The engine's door for whoever explains an error or a result: what it refused, and what it was asked.

Nothing of the engine is loaded by it but the refusals and the counts.
"""

from polyad.engine.core.refusals import ELSE, instead_of, plain_only, swallowed
from polyad.engine.core.values import LOOKED, SEEN

__all__ = ["ELSE", "LOOKED", "SEEN", "instead_of", "plain_only", "swallowed"]
