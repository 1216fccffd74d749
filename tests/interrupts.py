"""Ctrl-C at a place of a call that a test chooses."""

from __future__ import annotations

import gc
import sys

import pytest


def interrupted(call, count, kind):
    """Run ``call``; Ctrl-C comes at the event of a number. Whether it came."""
    seen = 0

    def look(frame, event, argument):
        nonlocal seen
        if event == kind:
            seen += 1
            if seen == count:
                raise KeyboardInterrupt

    set_ = sys.settrace if kind == "call" else sys.setprofile
    set_(look)
    try:
        call()
    except KeyboardInterrupt:
        pass
    finally:
        set_(None)
    return seen >= count


@pytest.fixture
def uncollected():
    """No collection of garbage: Python drops an interrupt that comes in a callback of it (JAX has one)."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


# one that comes while a generator or a weak reference is taken down is dropped by Python as well
DROPPED = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
