"""A function for other processes: packed by value where that can be, and unpacked there once.

A worker keeps what it has unpacked, by its bytes. So what a function makes at its first call (a prepared
derivative) is there for all later pieces, and a function that has changed since is another one.
"""

from __future__ import annotations

import hashlib
import pickle
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from polyad.errors import NotPicklableError

__all__ = ["Sent"]

# functions that a worker keeps
MOST = 16

_ARRIVED: OrderedDict[bytes, Any] = OrderedDict()
_LOCK = threading.Lock()


class Sent:
    """A function that other processes can be sent.

    In this process it is the function itself. By the first pickling it is packed, with cloudpickle where that
    is installed (so that a lambda can be sent), and never again: it is made for one run.
    """

    def __init__(self, function: Callable[[Any], Any], label: str) -> None:
        self._function, self._label = function, label
        self._lock = threading.Lock()
        self._parcel: tuple[bytes, bytes] | None = None

    def __call__(self, item: Any) -> Any:
        """What the function gives."""
        return self._function(item)

    def __reduce__(self) -> Any:
        with self._lock:
            if self._parcel is None:
                data = _packed(self._function, self._label)
                self._parcel = hashlib.sha256(data).digest(), data
        return _arrive, self._parcel


def _packed(function: Any, label: str) -> bytes:
    try:
        import cloudpickle as pickler
    except ImportError:
        pickler = pickle
    try:
        data: bytes = pickler.dumps(function)
    except Exception as error:
        if isinstance(error, NotPicklableError):
            raise
        hint = "" if pickler is not pickle else ", or install cloudpickle, which sends lambdas as well"
        raise NotPicklableError(
            f"{label} cannot be sent to the workers ({type(error).__name__}: {error}): define the function "
            f"at module level (no lambda, no function inside another){hint}, or pass the map of a thread pool"
        ) from error
    return data


def _arrive(key: bytes, data: bytes) -> Any:
    with _LOCK:
        if key in _ARRIVED:
            _ARRIVED.move_to_end(key)
            return _ARRIVED[key]
    arrived = pickle.loads(data)
    with _LOCK:
        arrived = _ARRIVED.setdefault(key, arrived)
        while len(_ARRIVED) > MOST:
            _ARRIVED.popitem(last=False)
    return arrived
