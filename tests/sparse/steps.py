"""Random programs of everything that array code does: each step takes two arrays of what there is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import polyad as ad

Step = Callable[[Any, Any, Any], Any]
# entries of what a step gives
LARGEST = 48


def put(xp: Any, a: Any, key: Any, v: Any) -> Any:
    if xp is not np:
        return a.at[key].set(v)
    out = a.copy()
    out[key] = v
    return out


def add(xp: Any, a: Any, key: Any, v: Any) -> Any:
    if xp is not np:
        return a.at[key].add(v)
    out = a.copy()
    np.add.at(out, key, v)
    return out


def entrywise(r: np.random.Generator, s: Any, t: Any) -> list[Step]:
    shape = np.broadcast_shapes(s, t)
    mask, powers = r.random(shape) < 0.5, r.integers(0, 4, shape)
    one = "sin abs sign floor square arctan rint sinh sinc trunc nan_to_num".split()
    two = "add subtract multiply maximum minimum arctan2 hypot copysign logaddexp fmax".split()
    return [
        *(lambda xp, a, b, name=name: getattr(xp, name)(a) for name in one),
        *(lambda xp, a, b, name=name: getattr(xp, name)(a, b) for name in two),
        lambda xp, a, b: a**3,
        lambda xp, a, b: xp.clip(a, -0.5, 0.5),
        lambda xp, a, b: a * a.astype(int),
        lambda xp, a, b: xp.mod(a, 0.3) + 1 / (2 + xp.square(a)),
        lambda xp, a, b: xp.where(a > b, a, 2 * b),
        lambda xp, a, b: xp.where(mask, a, b),
        lambda xp, a, b: xp.where(mask, xp.where(b > 0, a, 0.0), b * mask),
        lambda xp, a, b: xp.power(xp.abs(a) + 0.5, b),
        lambda xp, a, b: xp.power(a + 0 * b, powers),
        lambda xp, a, b: a % (1 + xp.abs(b)),
        lambda xp, a, b: a - a // (1 + b * b),
        lambda xp, a, b: xp.select([a > 0.5, mask], [a + b, b], 0.3),
    ]


def gathered(r: np.random.Generator, s: Any, t: Any) -> list[Step]:
    n, axis = s[0], int(r.integers(len(s)))
    index, last, step = r.integers(-n, n, 4), r.integers(-s[-1], s[-1], (2, 3)), int(r.choice([-2, -1, 2, 3]))
    mask, rows = r.random(s) < 0.6, r.random(n) < 0.6
    along = r.integers(0, s[axis], tuple(2 if k == axis else d for k, d in enumerate(s)))
    return [
        lambda xp, a, b: a[index],
        lambda xp, a, b: a[..., last],
        lambda xp, a, b: a[::step],
        lambda xp, a, b: a[..., None, ::step],
        lambda xp, a, b: a[mask],
        lambda xp, a, b: a[rows],
        lambda xp, a, b: a[:, last[0]],
        lambda xp, a, b: a[index[:3], last[0]],
        lambda xp, a, b: a[index[:2, None], last[0]],
        lambda xp, a, b: a[index[0], ..., last[0]],
        lambda xp, a, b: xp.take(a, last % s[axis], axis=axis),
        lambda xp, a, b: xp.take_along_axis(a, along, axis=axis),
        lambda xp, a, b: a[xp.argmax(xp.ravel(b)) % n],
        lambda xp, a, b: a[..., xp.argmax(xp.ravel(b)) % s[-1]],
        lambda xp, a, b: a[(xp.abs(b) * 3).astype(int) % n],
        lambda xp, a, b: a[xp.searchsorted(np.linspace(-1, 1, n - 1), b)],
        lambda xp, a, b: xp.take_along_axis(a, xp.argsort(a, axis=0)[::-1], axis=0),
        lambda xp, a, b: xp.sort(a, axis=-1),
    ]


def written(r: np.random.Generator, s: Any, t: Any) -> list[Step]:
    n, index, k = s[0], r.integers(0, s[0], 3), int(r.integers(s[0]))
    once, mask, step = r.permutation(n)[:2], r.random(s) < 0.5, int(r.choice([-1, 2, -2]))
    part = slice(None, None, step)
    return [
        lambda xp, a, b: put(xp, a, k, xp.sum(b)),
        lambda xp, a, b: put(xp, a, once, 2 * a[once[::-1]]),
        lambda xp, a, b: put(xp, a, mask, 0.3) + a[::-1],
        lambda xp, a, b: put(xp, a, part, a[part][::-1] * xp.sum(b)),
        lambda xp, a, b: put(xp, a, (Ellipsis, -1), xp.mean(a)),
        lambda xp, a, b: put(xp, a, xp.argmax(xp.ravel(a)) % n, xp.sum(b)),
        lambda xp, a, b: add(xp, a, index, a[index[::-1]]),
        lambda xp, a, b: add(xp, xp.zeros(s), index, a[:1] * xp.sum(b)),
    ]


def into(a: np.ndarray, change: Callable[[Any], Any]) -> Any:
    out = a.copy()
    change(out)
    return out


def written_by_numpy(r: np.random.Generator, s: Any, t: Any) -> list[Step]:
    flat, mask = r.integers(0, int(np.prod(s)), 3), r.random(s) < 0.5
    first = lambda b: np.ravel(b)[0]  # noqa: E731
    return [
        lambda xp, a, b: into(a, lambda y: y[1:].__setitem__(Ellipsis, y[1:][::-1] * first(b))),
        lambda xp, a, b: into(a, lambda y: y.T[..., :1].__imul__(first(b))),
        lambda xp, a, b: into(a, lambda y: np.copyto(y, first(b), where=mask)),
        lambda xp, a, b: into(a, lambda y: np.put(y, flat, np.ravel(a)[flat[::-1]])),
        lambda xp, a, b: into(a, lambda y: y.flat.__setitem__(flat, first(b))),
        lambda xp, a, b: into(a, lambda y: np.multiply(y, first(b), out=y, where=mask)),
        lambda xp, a, b: into(a, lambda y: np.putmask(y, mask, a * first(b))),
        lambda xp, a, b: into(a, lambda y: y.reshape(-1)[::2].__iadd__(first(b))),
    ]


def shaped(r: np.random.Generator, s: Any, t: Any) -> list[Step]:
    n, axis = int(np.prod(s)), int(r.integers(len(s)))
    axes, widths = [int(k) for k in r.permutation(len(s))], r.integers(0, 3, (len(s), 2))
    counts, shift, k = r.integers(0, 3, s[axis]), int(r.integers(-3, 4)), int(r.integers(-1, 2))
    mode = str(r.choice(["constant", "edge", "reflect", "wrap", "symmetric"]))
    return [
        lambda xp, a, b: xp.reshape(a, (-1, 2)),
        lambda xp, a, b: xp.reshape(a, (3, -1), order="F"),
        lambda xp, a, b: xp.transpose(a, axes),
        lambda xp, a, b: xp.ravel(a, order="F")[::-1],
        lambda xp, a, b: xp.concatenate([xp.ravel(a), xp.ravel(b)]),
        lambda xp, a, b: xp.stack([a, a * a, xp.ones(s)], axis=-1),
        lambda xp, a, b: xp.tile(a, (2,) + (1,) * (len(s) - 1)),
        lambda xp, a, b: xp.repeat(a, counts, axis=axis),
        lambda xp, a, b: xp.roll(a, shift, axis=axis),
        lambda xp, a, b: xp.flip(a, axis=axis),
        lambda xp, a, b: xp.pad(a, widths, mode=mode),
        lambda xp, a, b: xp.tril(a, k),
        lambda xp, a, b: xp.diag(a, k),
        lambda xp, a, b: xp.diagonal(a, k),
        lambda xp, a, b: xp.trace(a),
        lambda xp, a, b: xp.kron(xp.ravel(a)[:3], xp.ravel(b)[:4]),
        lambda xp, a, b: xp.broadcast_to(a, (2, *s)) * 2,
        lambda xp, a, b: xp.rot90(a),
        lambda xp, a, b: xp.diff(a, axis=axis),
        lambda xp, a, b: xp.insert(xp.ravel(a), min(1, n), xp.sum(b)),
        lambda xp, a, b: xp.delete(a, 0, axis=axis),
        lambda xp, a, b: xp.moveaxis(a, axis, 0)[None],
    ]


def reduced(r: np.random.Generator, s: Any, t: Any) -> list[Step]:
    axis: Any = int(r.integers(-len(s), len(s))) if r.random() < 0.7 else None
    given: Any = {"axis": axis, "keepdims": bool(r.random() < 0.3)}
    mask, weights = r.random(s) < 0.6, r.random(s if axis is None else s[axis])
    names = "sum mean max min var median ptp".split()
    return [
        *(lambda xp, a, b, name=name: getattr(xp, name)(a, **given) for name in names),
        lambda xp, a, b: xp.prod(1.2 + 0.3 * a, **given),
        lambda xp, a, b: xp.cumsum(a, axis=axis),
        lambda xp, a, b: xp.cumprod(1 + 0.2 * a, axis=axis),
        lambda xp, a, b: xp.sum(a, where=mask, **given),
        lambda xp, a, b: xp.max(a, where=mask, initial=-0.3, **given),
        lambda xp, a, b: xp.average(a, axis=axis, weights=weights),
        lambda xp, a, b: xp.quantile(a, 0.3, **given),
        lambda xp, a, b: xp.linalg.norm(a + 0.1, axis=-1),
        lambda xp, a, b: xp.maximum.accumulate(a, axis=0),
        lambda xp, a, b: xp.trapezoid(a, axis=-1),
        lambda xp, a, b: xp.logaddexp.reduce(a, axis=-1),
        lambda xp, a, b: xp.gradient(a, axis=0),
    ]


def multiplied(r: np.random.Generator, s: Any, t: Any) -> list[Step]:
    fixed = r.standard_normal((s[-1], 4)) * (r.random((s[-1], 4)) < 0.5)

    def of(step: Callable[..., Any]) -> Step:
        """Of two vectors, a dense matrix, a positive definite and an upper bidiagonal one."""

        def on(xp: Any, a: Any, b: Any) -> Any:
            u, v = xp.ravel(a)[:3], xp.ravel(b)[-3:]
            m = xp.outer(u, v) * 0.2 + xp.diag(2 + v * v)
            return step(xp, u, v, m, m @ m.T + xp.eye(3), xp.diag(2 + v * v) + xp.diag(0.3 * u[:2], 1))

        return on

    return [
        lambda xp, a, b: a @ fixed,
        lambda xp, a, b: xp.einsum("...i,ij->j...", a, fixed),
        of(lambda xp, u, v, m, p, band: xp.linalg.solve(m, u)),
        of(lambda xp, u, v, m, p, band: xp.linalg.solve(band, xp.outer(u, u)[:, :2])),
        of(lambda xp, u, v, m, p, band: xp.linalg.inv(band)),
        of(lambda xp, u, v, m, p, band: xp.linalg.det(band) * u),
        of(lambda xp, u, v, m, p, band: xp.linalg.slogdet(p)[1] * u),
        of(lambda xp, u, v, m, p, band: xp.linalg.cholesky(p)),
        of(lambda xp, u, v, m, p, band: xp.linalg.eigvalsh(p)),
        of(lambda xp, u, v, m, p, band: xp.linalg.svd(m, compute_uv=False)),
        of(lambda xp, u, v, m, p, band: xp.linalg.qr(m)[1]),
        of(lambda xp, u, v, m, p, band: xp.linalg.matrix_power(band, 3)),
        of(lambda xp, u, v, m, p, band: xp.einsum("i,j,ij->i", u, v, m)),
        of(lambda xp, u, v, m, p, band: xp.tensordot(m, band, axes=([0], [1]))),
        of(lambda xp, u, v, m, p, band: xp.cross(u, v)),
        of(lambda xp, u, v, m, p, band: xp.einsum("ii->i", m) * xp.vdot(u, v) + xp.inner(band, u)),
    ]


def waves(r: np.random.Generator, s: Any, t: Any) -> list[Step]:
    c = np.where(r.random(4) < 0.5, r.standard_normal(4), 0.0)
    c[0] = 1
    return [
        lambda xp, a, b: xp.abs(xp.fft.fft(a, axis=0) + 0.5),
        lambda xp, a, b: xp.fft.irfft(xp.fft.rfft(xp.ravel(a)) * 2, n=a.size),
        lambda xp, a, b: xp.convolve(xp.ravel(a), c, mode="same"),
        lambda xp, a, b: xp.interp(a, np.linspace(-1, 1, 5), np.arange(5.0) ** 2),
        lambda xp, a, b: xp.polyval(c, a),
        lambda xp, a, b: xp.real((a + 1j * a[::-1]) ** 2),
        lambda xp, a, b: xp.angle(1.5 + a + 1j * xp.flip(a)),
        lambda xp, a, b: xp.imag(xp.conj(a + 2j) * (a * 1j + 1)),
        lambda xp, a, b: xp.abs(xp.exp(1j * a) + a),
        lambda xp, a, b: xp.fft.fftshift(a),
    ]


def steered(r: np.random.Generator, s: Any, t: Any) -> list[Step]:
    n, k, count, index = s[0], int(r.integers(s[0])), int(r.integers(0, 4)), r.integers(0, s[0], 4)
    return [
        lambda xp, a, b: ad.scan(lambda c, z: (c * 0.5 + z, c * z), a[0], a)[1],
        lambda xp, a, b: ad.scan(lambda c, i: (c + a[i], c * a[i]), 0.0 * a[0], index)[1],
        lambda xp, a, b: ad.scan(lambda c, z: (put(xp, c, index[0], c[k] + xp.sum(z)), c[index[1]]), a, a)[1],
        lambda xp, a, b: ad.fori_loop(0, count, lambda i, c: xp.roll(c, 1, axis=0) * 0.9 + a, a),
        lambda xp, a, b: ad.while_loop(
            lambda c: c[0] < 2, lambda c: (c[0] + 1, xp.roll(c[1], 1, axis=0) + c[1] * 0.1), (0, a)
        )[1],
        lambda xp, a, b: ad.cond(xp.sum(b) > 0.1, lambda z: z[::-1] * xp.sum(b), lambda z: z + 1, a),
        lambda xp, a, b: ad.switch(index[0] % 2, [lambda z: z[::-1], lambda z: z * xp.sum(b)], a),
        lambda xp, a, b: put(xp, put(xp, a, k, a[0] * a[k]), n - 1, a[k] ** 2),
    ]


FAMILIES = (entrywise, gathered, written, shaped, reduced, multiplied, waves, steered)


def random_program(seed: int, *, numpy_only: bool = False) -> tuple[Any, Callable[[Any, Any], Any]]:
    """The shape of the argument, and a function of a namespace and an array."""
    r = np.random.default_rng(seed)
    n = int(r.choice([1, 2, 3, 6, 8, 12]))
    shape = (2, n // 2) if n % 2 == 0 and r.random() < 0.5 else (n,)
    known, steps = [0.8 * r.standard_normal(shape)], []
    families = (*FAMILIES, written_by_numpy) if numpy_only else FAMILIES
    wanted = int(r.integers(2, 7))
    for _ in range(60):
        # what came last is most likely taken up
        i, j = (max(0, len(known) - 1 - abs(int(1.2 * r.standard_normal()))) for _ in range(2))
        try:
            found = families[r.integers(len(families))](r, known[i].shape, known[j].shape)
            step = found[r.integers(len(found))]
            y = np.asarray(step(np, known[i], known[j]))
        except (ValueError, IndexError, TypeError, ad.errors.PolyadError):
            continue  # not of these shapes
        if y.size > LARGEST or y.dtype.kind != "f" or not np.isfinite(y).all():
            continue
        steps.append((step, i, j))
        known.append(np.tanh(y))
        if len(steps) == wanted:
            break

    def f(xp: Any, x: Any) -> Any:
        pool = [x]
        for step, i, j in steps:
            pool.append(xp.tanh(step(xp, pool[i], pool[j])))
        return pool[-1]

    return shape, f
