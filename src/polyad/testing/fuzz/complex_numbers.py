"""Statements that go through complex numbers, for a quarter of programs: some systems refuse all of it."""

from __future__ import annotations

__all__ = ["BEGINNINGS", "COMPLEX", "TURNS"]

# What a program's real numbers come from and go to.
COMPLEX: tuple[str, ...] = (
    *("np.real({turned})", "np.imag({turned})", "np.abs({turned})", "{turned}.real * {b}", "{turned}.imag"),
    *("np.angle({turned} + 3.0)", "np.linalg.norm({turned})", "np.var({turned})", "abs({turned}) ** 2"),
    *("np.abs(np.linalg.det({sq} + 1j))", "np.real(np.linalg.inv({sq} + 3j * np.eye({sq}.shape[-1])))"),
    *("np.abs(np.fft.fft({vec}))", "np.imag(np.vdot({vec} + 1j, np.exp(1j * {vec})))"),
    *("np.linalg.slogdet({sq} * (1 + 2j))[1]", "np.real(np.vecmat({vec} + 1j, np.diag(1j + {vec})))"),
    *("np.imag(np.linalg.solve({sq} + 2j * np.eye({sq}.shape[-1]), {sq}))", "np.abs(np.fft.rfft({vec}))"),
)
# How a variable becomes complex, and what follows: each has a cut, a conjugate or a rule of its own.
BEGINNINGS: tuple[str, ...] = (
    *("({} + 0.5j)", "np.exp(1j * {})", "(0.8 - 0.6j) * {}", "({} - 1j * np.cos({}))"),
)
TURNS: tuple[str, ...] = (
    *(f"np.{f}({{}})" for f in ("exp", "sin", "cos", "tanh", "sqrt", "log", "conj", "sign", "square")),
    *(f"np.{f}({{}})" for f in ("arcsin", "arccosh", "arctan", "arcsinh", "reciprocal", "negative", "expm1")),
    *("({}) ** 2", "({}) ** 1.5", "({}) ** (0.3 + 0.2j)", "({}) * 1j", "(1 - 2j) / ({})", "({}).conj()"),
    *("np.cumsum({})", "np.sum({})", "np.mean({})", "np.prod({})", "({}) / abs({})", "({}) * ({}).real"),
    *("np.where(np.abs({}) > 1, {}, 1j)", "np.array([{}, 2j * {}])", "(0.7 + 0.1j) ** ({})", "({}) + 1"),
)
