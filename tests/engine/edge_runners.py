"""Value and three derivatives of an elementwise function of one array, in every mode and framework."""

from __future__ import annotations

import functools

import numpy as np

import polyad as ad
from polyad.engine import run


def _function(f):
    return lambda boxes: ((f(boxes[0]),), ())


def _pushed(f, x):
    (dy,), _, _ = run.push(_function(f), (x,), (run.as_row(np.ones(x.shape)),))
    return run.first_row(dy)


def _pulled(f, x):
    recorded = run.record(_function(f), (x,))
    return recorded.pull((np.ones(x.shape),))[0]


def _orders(f, x, *steps):
    """The function, then one derivative after another, the first step innermost."""
    found = [f(x)]
    for step in steps:
        f = functools.partial(step, f)
        found.append(f(x))
    return found


def forward(f, x):
    return _orders(f, x, _pushed, _pushed, _pushed)


def reverse(f, x):
    return _orders(f, x, _pulled, _pulled, _pulled)


def mixed(f, x):
    return _orders(f, x, _pulled, _pushed, _pulled)


def taylor(f, x):
    rows = ad.taylor(f, x, v=np.ones(x.shape), order=3)
    return [c * k for c, k in zip(rows, (1, 1, 2, 6), strict=True)]


def compiled(f, x):
    backend = ad.NumPy(compile=True)
    ones = np.ones(x.shape)
    first = ad.jvp(f, x, v=ones, backend=backend)
    second = ad.hvp(lambda x: np.sum(f(x)), x, v=ones, backend=backend)
    third = ad.hvp(lambda x: np.sum(_pushed(f, x)), x, v=ones, backend=backend)
    return [f(x), first, second, third]


def _lifted(library, f):
    return lambda a: run.unlift(f(run.lift(library, a)))


def jax_forward(f, x):
    import jax

    def step(g, a):
        return jax.jvp(g, (a,), (jax.numpy.ones_like(a),))[1]

    with jax.enable_x64(True):
        return [np.asarray(v) for v in _orders(_lifted("jax", f), jax.numpy.asarray(x), step, step)]


def jax_reverse(f, x):
    import jax

    def step(g, a):
        y, back = jax.vjp(g, a)
        return back(jax.numpy.ones_like(y))[0]

    with jax.enable_x64(True):
        return [np.asarray(v) for v in _orders(_lifted("jax", f), jax.numpy.asarray(x), step)]


def torch_reverse(f, x):
    import torch

    a = torch.tensor(x, requires_grad=True)
    y = _lifted("torch", f)(a)
    found = [y]
    for _ in range(3):
        if not y.requires_grad:
            found.append(torch.zeros_like(a))
            continue
        (y,) = torch.autograd.grad(y.sum(), a, create_graph=True, allow_unused=True)
        y = torch.zeros_like(a) if y is None else y
        found.append(y)
    return [(v.detach() + torch.zeros(x.shape)).numpy() for v in found]


def torch_nested(f, x, steps):
    import torch

    def push(g, a):
        return torch.func.jvp(g, (a,), (torch.ones_like(a),))[1]

    def pull(g, a):
        y, back = torch.func.vjp(g, a)
        return back(torch.ones_like(y))[0]

    def values(v):
        return (v.detach() + torch.zeros(x.shape)).numpy()  # torch's symbolic zeros have none

    return [values(v) for v in _orders(_lifted("torch", f), torch.tensor(x), *steps(pull, push))]


def torch_forward(f, x):
    return torch_nested(f, x, lambda pull, push: (push,))


def torch_mixed(f, x):
    return torch_nested(f, x, lambda pull, push: (pull, push, pull))


def autograd_reverse(f, x):
    import autograd

    with np.errstate(all="ignore"):
        return _orders(_lifted("autograd", f), x, *[lambda g, a: autograd.elementwise_grad(g)(a)] * 3)


def casadi(f, x):
    import casadi

    from polyad.systems.casadi.symbolic import Symbolic

    s = casadi.SX.sym("x", x.size)
    y = _lifted("casadi", f)(Symbolic(s, x.shape, np.float64)).column
    rows = [y]
    for _ in range(3):
        rows.append(casadi.jtimes(rows[-1], s, casadi.DM.ones(x.size)))
    return [np.array(v).ravel() for v in casadi.Function("f", [s], rows)(x)]


def sympy(f, x):
    import sympy

    from polyad.systems.sympy.calculus import tangents
    from polyad.systems.sympy.code import compiled
    from polyad.systems.sympy.expressions import Expressions

    symbols = [sympy.Symbol(f"x{k}", real=True) for k in range(x.size)]
    y = _lifted("sympy", f)(Expressions(np.array(symbols, dtype=object), np.float64))
    rows = [list(y.array.ravel())]
    for _ in range(3):
        rows.append(tangents(rows[-1], dict.fromkeys(symbols, sympy.S.One)))
    found = compiled([symbols], [e for row in rows for e in row])(list(map(float, x)))
    return list(np.array(found, dtype=float).reshape(4, -1))


ENGINE = {"forward": forward, "reverse": reverse, "mixed": mixed, "taylor": taylor, "compiled": compiled}
FRAMEWORKS = {
    "jax forward": jax_forward,
    "jax reverse": jax_reverse,
    "torch reverse": torch_reverse,
    "torch forward": torch_forward,
    "torch mixed": torch_mixed,
    "autograd": autograd_reverse,
    "casadi": casadi,
    "sympy": sympy,
}
