"""What a prepared object knows besides what it was made of: its compiled program, and the form of its output.

With that, nothing is traced or compiled again where it is loaded, and the caller's function is not run. Where
there is no program that a file can hold, or it is not to be used, the object is prepared again, and ``repr``
says why.
"""

from __future__ import annotations

import dataclasses
import pickle
from typing import TYPE_CHECKING, Any

from polyad.arrays.trees import flatten
from polyad.arrays.types import Leaves
from polyad.call.saved.fingerprint import fingerprint
from polyad.systems.contract import Executable, Kernel, Unkept

if TYPE_CHECKING:
    from polyad.call.prepared import Prepared

__all__ = ["knowledge", "recall", "remembered"]

CHANGED = "the function, or what it takes from around it, is not what it was when it was saved"


def knowledge(prepared: Prepared) -> bytes:
    """What goes into the file; a text that says why there is nothing, in its place."""
    flat, image = prepared._flat, prepared._executable.image
    if prepared.once:
        return pickle.dumps("it belongs to a point")
    if image is None:
        return pickle.dumps(f"{prepared.backend!r} has no program of it that a file can hold")
    try:
        known = {
            "image": image(),
            "y": _example(flat.y_structure),
            "aux": _example(flat.aux_structure),
            "outputs": tuple(prepared.problem.outputs),
            "lifted": None if flat._lifting is None else flat._lifting.lifted,
            "code": fingerprint(flat.origins),
        }
        return pickle.dumps(known)
    except Unkept as why:
        return pickle.dumps(str(why))
    except Exception as error:  # an aux that holds what cannot be sent, say
        return pickle.dumps(f"its program cannot be written ({type(error).__name__}: {error})")


def _example(structure: Any) -> Any:
    """A tree of that structure, which can be sent where the structure cannot."""
    return None if structure is None else [structure.unflatten(range(structure.count))]


def _structure(example: Any) -> Any:
    return None if example is None else flatten(example[0])[1]


def recall(prepared: Prepared) -> None:
    """Take up what a file has said, before the function is run."""
    kept, prepared._kept = prepared._kept, None
    if isinstance(kept, str):
        _again(prepared, kept)
        return
    flat = prepared._flat
    if fingerprint(flat.origins) != kept["code"]:
        _again(prepared, CHANGED)
        return
    flat.y_structure, flat.aux_structure = _structure(kept["y"]), _structure(kept["aux"])
    if flat._lifting is not None:
        flat._lifting.lifted = kept["lifted"]
    prepared.problem.__dict__["outputs"] = kept["outputs"]
    prepared._image = kept["image"]


def remembered(prepared: Prepared, kernel: Kernel, seeds: tuple[Leaves, ...]) -> Executable | None:
    """The executable out of a file; None where it is to be made again."""
    image, prepared._image = prepared._image, None
    kernel = kernel if isinstance(kernel, Kernel) else Kernel(kernel)
    try:
        made = prepared.backend.finish(
            dataclasses.replace(kernel, image=image), prepared.problem, seeds, prepared=True
        )
    except Unkept as why:
        flat = prepared._flat
        flat.y_structure = flat.aux_structure = None
        prepared.problem.__dict__.pop("outputs", None)
        _again(prepared, str(why))
        return None
    prepared._arrival = "; its program out of a file"
    return made


def _again(prepared: Prepared, why: str) -> None:
    prepared._arrival = f"; prepared again out of a file, as {why}"
