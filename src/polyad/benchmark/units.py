"""Numbers as the table and the plot show them: three digits and a unit."""

from __future__ import annotations

import math

__all__ = ["bytes_text", "count_text", "number_text", "seconds_text"]


def seconds_text(seconds: float) -> str:
    """A time.

    Examples
    --------
    >>> seconds_text(1.5e-7), seconds_text(0.0123), seconds_text(75.0)
    ('150 ns', '12.3 ms', '75.0 s')
    """
    if not math.isfinite(seconds):
        return "-"
    for unit, scale in (("ns", 1e-9), ("µs", 1e-6), ("ms", 1e-3)):
        if seconds < 999.5 * scale:
            return f"{number_text(seconds / scale)} {unit}"
    return f"{number_text(seconds)} s"


def number_text(x: float) -> str:
    """A number with three significant digits.

    Examples
    --------
    >>> number_text(0.01234), number_text(1.234), number_text(99.96), number_text(4321.0)
    ('0.0123', '1.23', '100', '4321')
    """
    if not math.isfinite(x):
        return "-"
    if x == 0.0:
        return "0"
    rounded = float(f"{x:.2e}")
    digits = max(0, 2 - math.floor(math.log10(abs(rounded))))
    return f"{x:.{digits}f}"


def bytes_text(size: int) -> str:
    """An amount of memory, in powers of 1000.

    Examples
    --------
    >>> bytes_text(900), bytes_text(1_640_000), bytes_text(129_000_000)
    ('< 0.1 MB', '1.6 MB', '129 MB')
    """
    if size < 50_000:
        return "< 0.1 MB"
    for unit, scale in (("MB", 1e6), ("GB", 1e9)):
        amount = size / scale
        if amount < 999.5 or unit == "GB":
            return f"{amount:.1f} {unit}" if amount < 9.95 else f"{amount:.0f} {unit}"
    raise AssertionError


def count_text(n: int) -> str:
    """A count, rounded to two digits where it is an estimate of some size.

    Examples
    --------
    >>> count_text(7), count_text(1234), count_text(98765)
    ('7', '1,200', '99,000')
    """
    if n < 100:
        return str(n)
    scale = 10 ** (len(str(n)) - 2)
    return f"{round(n / scale) * scale:,}"
