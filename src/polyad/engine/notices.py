"""The engine's door for whoever explains an error or a result: what it refused, and what it was asked.

Nothing of the engine is loaded by it but the refusals and the counts.
"""

import re
import sys

from polyad.engine.core.refusals import ELSE, in_place_of, instead_of, plain_only, swallowed
from polyad.engine.core.values import LOOKED, SEEN

__all__ = ["ELSE", "LOOKED", "SEEN", "in_place_of", "instead_of", "names_boxes", "plain_only", "swallowed"]


def names_boxes(text: str) -> bool:
    """Whether a message speaks of a stand-in by the name of its class, as compiled code's do."""
    boxing = sys.modules.get("polyad.engine.boxes.boxing")
    words = set(re.findall(r"\w+", text))
    return boxing is not None and any(kind.__name__ in words for kind in boxing.BOXES)
