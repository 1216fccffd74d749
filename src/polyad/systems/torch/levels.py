"""Forward mode within forward mode, for functions whose rules polyad gives.

torch runs the ``jvp`` of an ``autograd.Function`` with its forward mode off, so that of two nested
pushforwards the outer one would get zeros from it, in silence. Such a rule is computed one level down, as
torch computes the function itself, with forward mode on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from polyad.engine.core.refusals import refuse

__all__ = ["pushed_below"]


def pushed_below(compute: Callable[..., Any], label: str, *args: Any) -> Any:
    """``compute(*args)`` within the ``jvp`` of a function, seen by the pushforwards around it.

    Parameters
    ----------
    compute : callable
        Takes tensors, None and whatever else, and gives a tensor or a tuple of them.
    label : str
        What it is, for errors.
    *args : any
        Tangents, and what the function has saved.
    """
    import torch

    functorch = torch._C._functorch
    stack = functorch.get_interpreter_stack() or ()
    if sum(level.key() == functorch.TransformType.Jvp for level in stack) < 2:
        return compute(*args)
    try:
        from torch._functorch.pyfunctorch import retrieve_current_functorch_interpreter
        from torch.autograd.forward_ad import _set_fwd_grad_enabled

        here = retrieve_current_functorch_interpreter()
        unwrap, wrap = functorch._unwrap_for_grad, functorch._wrap_for_grad
    except (ImportError, AttributeError):  # another torch keeps these elsewhere
        raise refuse(
            f"{label} in forward mode within forward mode of torch",
            "use reverse mode for one of the two, or backend='numpy' or 'jax'",
        ) from None
    level = here.level()
    below = [unwrap(a, level) if isinstance(a, torch.Tensor) else a for a in args]
    with torch.enable_grad(), _set_fwd_grad_enabled(True), here.lower():
        out = compute(*below)
    return tuple(wrap(part, level) for part in out) if isinstance(out, tuple) else wrap(out, level)
