"""optimagic: functions of trees, with gradients of the same form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from polyad.operators.gradient import PreparedGradient

__all__ = ["functions"]


def functions(f: Callable[..., Any], params: Any, *args: Any, **options: Any) -> dict[str, Any]:
    """The arguments ``fun``, ``jac`` and ``fun_and_jac`` of ``optimagic.minimize`` and ``maximize``.

    Parameters
    ----------
    f : callable
        ``f(params, *args)``, one number.
    params : array or tree
        An example of the parameters.
    *args
        Constants.
    **options
        ``backend=`` and ``follow=``, as for ``gradient``.
    """
    made = PreparedGradient(f, (params, *args), on_mismatch="reprepare", **options)

    def fun(params: Any) -> float:
        return float(made.value_and(params, *args)[0])

    def jac(params: Any) -> Any:
        return made(params, *args)

    def fun_and_jac(params: Any) -> tuple[float, Any]:
        value, gradient = made.value_and(params, *args)
        return float(value), gradient

    return {"fun": fun, "jac": jac, "fun_and_jac": fun_and_jac}
