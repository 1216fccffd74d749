"""Descriptions of a prepared object: ``repr``, strategy and formula."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from polyad.call.checked import looking
from polyad.call.formed import Sparsity
from polyad.call.function.flat import label_of
from polyad.call.travel import Travels
from polyad.errors import UnsupportedOperatorError

if TYPE_CHECKING:
    from collections.abc import Callable

    from polyad.call.function.flat import FlatFunction
    from polyad.call.function.following import Follower
    from polyad.call.inputs.signature import Signature
    from polyad.call.results import Delivery
    from polyad.systems.base import Backend
    from polyad.systems.contract import Executable

__all__ = ["Described"]


class Described(Sparsity, Travels):
    """Words about a prepared object."""

    operator: ClassVar[str]
    gives: ClassVar[str]
    f: Callable[..., Any]
    backend: Backend
    signature: Signature
    batched: bool
    has_aux: bool
    _flat: FlatFunction
    _follower: Follower | None
    # what computes, and for a single call what was so before its preparation, to be compared with after it
    _ready: Executable
    _begun: tuple[int, int, int] | None
    _delivery: Delivery
    _others: dict[Any, Any]

    @property
    def _executable(self) -> Executable:
        """What computes and looks at results; for a single call it is made when it is needed.

        It refers to the object, and kept in it both would live on until Python looks for cycles, and the
        caller's arrays with them.
        """
        return self._ready if self._begun is None else looking(self, self._ready, self._begun)  # type: ignore[arg-type]

    @property
    def strategy(self) -> str:
        """How the derivative is computed, in words."""
        lifted = f", NumPy lifted to {self.backend.lifts_to}" if self._flat.lifted else ""
        followed = () if self._follower is None else self._follower.packages
        through = f", followed through {', '.join(followed)}" if followed else ""
        replayed = f", {self._flat.replay.words}" if self._flat.replay is not None else ""
        return self._executable.strategy + lifted + replayed + through + self._arrival

    @property
    def expression(self) -> Any:
        """The formula of the result: SymPy's expressions in arrays of objects, structured like the result.

        Raises
        ------
        polyad.errors.UnsupportedOperatorError
            If the backend is not SymPy, which alone has one.
        """
        found = getattr(self._executable, "expression", None)
        if found is None:
            raise UnsupportedOperatorError(
                f"{self.backend!r} has no expression of this {self.operator}: prepare it with backend='sympy'"
            )
        return self._delivery.arranged(self.gives, found)

    @property
    def repreparations(self) -> int:
        """How many other preparations ``on_mismatch="reprepare"`` has made."""
        return len(self._others)

    def __repr__(self) -> str:
        extras = "".join(
            f", {name}" for name, on in (("batched", self.batched), ("has_aux", self.has_aux)) if on
        )
        return (
            f"<prepared {self.operator} of {label_of(self.f)} by {self.backend!r}: "
            f"{self.strategy}{extras}; for {self.signature.describe()}>"
        )
