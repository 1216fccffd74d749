"""Arrays that share memory, and indices of every kind, under every backend that runs NumPy code: as in NumPy.

What a function gives is compared with the function on plain arrays. Its gradient is written out, or is the
central difference of a function that is quadratic, of which that is exact.
"""

from __future__ import annotations

import numpy as np
import pytest

import polyad as ad
from backends import EXACT, eager
from polyad.errors import PolyadError

MODES = {name: ("forward", "reverse") if name in ("numpy", "torch") else (None,) for name in EXACT}
BACKENDS = {f"{name}:{mode}" if mode else name: eager(name, mode) for name in EXACT for mode in MODES[name]}
# their graphs are built without values: indices and orders that depend on values are refused there
WITHOUT_VALUES = {"casadi", "sympy"}
WITH_VALUES = [name for name in BACKENDS if name not in WITHOUT_VALUES]


def each(things, backends=tuple(BACKENDS)):
    """Every one of these under polyad's own engine; all of them together, which is cheap, elsewhere."""
    rows = [([key], name) for key in things for name in backends if name.startswith("numpy")]
    # an operation of JAX that is new to it is compiled: a few have to do
    some = {name: list(things)[:: 5 if name == "jax" else 1] for name in backends}
    rows += [(some[name], name) for name in backends if not name.startswith("numpy")]
    return [pytest.param(keys, name, id=f"{_name_of(keys[0])}-{name}") for keys, name in rows]


def _name_of(key):
    """The same in every process, as functions' addresses are not."""
    if isinstance(key, tuple):
        return "-".join(str(_name_of(k)) for k in key)
    return getattr(key, "__name__", key)


LINE = np.array([1.5, -1.0, 3.0, 0.25])
TABLE = np.array([[1.5, -1.0, 3.0], [0.25, 2.0, -0.5]])
SQUARE = np.array([[1.0, 0.5], [-0.25, 2.0]])
CUBE = np.linspace(-1.0, 1.3, 12).reshape(2, 2, 3) ** 2
WEIGHTS = np.linspace(0.5, 2.5, 36)


def weighted(y):
    """A number in which every entry has its own part."""
    return np.sum(y * WEIGHTS[: y.size].reshape(y.shape) + y * y)


def differences(f, x):
    g = np.empty(x.shape)
    for k in np.ndindex(x.shape):
        h = np.zeros(x.shape)
        h[k] = 2.0**-10
        g[k] = (f(x + h) - f(x - h)) / 2.0**-9
    return g


def agrees(f, x, backend, g=None):
    """Whether a backend gives value and gradient of plain NumPy."""
    g = differences(f, x) if g is None else g
    value, found = ad.value_and_gradient(f, x, backend=BACKENDS[backend])
    np.testing.assert_allclose(value, f(x.copy()), rtol=1e-12)
    np.testing.assert_allclose(found, g, rtol=1e-9, atol=1e-8)


# -- views and copies ----------------------------------------------------------------------------------------

VIEWS = {
    "conj": lambda y: y.conj(),
    "conjugate": lambda y: y.conjugate(),
    "einsum, turned": lambda y: np.einsum("ij->ji", y),
    "einsum, diagonal": lambda y: np.einsum("ii->i", y[:, :2]),
    "einsum, the same": lambda y: np.einsum("ij", y),
    "einsum, a sum": lambda y: np.einsum("ij->i", y),
    "broadcast_arrays": lambda y: np.broadcast_arrays(y, np.ones(3))[0],
    "broadcast_to": lambda y: np.broadcast_to(y, (2, 2, 3)),
    "windows": lambda y: np.lib.stride_tricks.sliding_window_view(y, 2, axis=1),
    "astype": lambda y: np.astype(y, float, copy=False),
    "astype, a copy": lambda y: np.astype(y, float),
    "method astype": lambda y: y.astype(float, copy=False),
    "real_if_close": lambda y: np.real_if_close(y),
    "meshgrid": lambda y: np.meshgrid(y[0], y[1], copy=False)[1],
    "meshgrid, copies": lambda y: np.meshgrid(y[0], y[1])[0],
    "matrix_transpose": lambda y: np.linalg.matrix_transpose(y),
    "diagonal": lambda y: np.linalg.diagonal(y),
    "diff": lambda y: np.diff(y, n=0),
    "matrix_power": lambda y: np.linalg.matrix_power(y[:, :2], 1),
    "ravel": lambda y: y.ravel(),
    "ravel of columns": lambda y: y.T.ravel(),
    "reshape in Fortran's order": lambda y: y.reshape(-1, order="F"),
    "flat, read": lambda y: y.flat[1:4],
    "view": lambda y: y.view(),
    "views of views": lambda y: np.real_if_close(np.einsum("ij->ji", y.conj()))[1:],
}


@pytest.mark.parametrize(("names", "backend"), each(VIEWS))
def test_a_view_sees_what_is_written_and_a_copy_does_not(names, backend):
    def f(x):
        total = 0.0
        for name in names:
            y = x.copy()
            seen = VIEWS[name](y)
            y[0, 0] = 7 * x[1, 1]
            y[1] *= 2.0
            total = total + weighted(seen) + weighted(y)
        return total

    agrees(f, TABLE, backend)


WRITABLE = ["conj", "einsum, turned", "einsum, diagonal", "astype", "diff", "view", "views of views"]


@pytest.mark.parametrize(("names", "backend"), each(WRITABLE))
def test_writing_to_a_view_writes_to_its_array(names, backend):
    def f(x):
        total = 0.0
        for name in names:
            y = x.copy()
            seen = VIEWS[name](y)
            seen[0] = 3.0 * x[0, 1]
            seen *= 2.0
            total = total + weighted(y)
        return total

    agrees(f, TABLE, backend)


def test_views_that_only_read_are_refused_to_be_written_to():
    for take in (lambda y: np.broadcast_to(y, (2, 2, 3)), lambda y: np.linalg.diagonal(y), np.diagonal):

        def f(x):
            take(x)[0] = 1.0  # noqa: B023
            return np.sum(x)

        with pytest.raises(ValueError, match=r"read-only .*copy") as caught:
            ad.gradient(f, TABLE, backend="numpy")
        assert isinstance(caught.value, PolyadError)


def test_whether_memory_is_shared():
    def f(x):
        y = x.copy()
        views = [y[0], y.T, y.ravel(), y.conj(), np.einsum("ij->ji", y), np.diff(y, n=0), y[:, ::2].T]
        copies = [y.copy(), y * 1.0, y.flatten(), np.einsum("ij->i", y), y[[0, 1]], y.T.ravel()]
        assert all(np.shares_memory(y, v) and np.may_share_memory(v, y) for v in views)
        assert not any(np.shares_memory(y, c) for c in copies)
        assert not np.shares_memory(y[0], y[1])
        assert np.shares_memory(y[0], y.T[1:, 0])
        return np.sum(y)

    np.testing.assert_array_equal(ad.gradient(f, TABLE, backend="numpy"), np.ones((2, 3)))
    assert f(TABLE) == TABLE.sum()


def test_a_loop_of_functions_keeps_nothing_alive():
    """Results remember their call, but not for ever."""
    import weakref

    from polyad.engine import run
    from polyad.engine.boxes.box import Box

    alive = []

    def f(boxes):
        (x,) = boxes
        seen = []
        for k in range(200):
            x = np.fft.fftn(x, axes=()) if k % 2 else np.linalg.matrix_power(x, 2) * 0.1
            x = np.real_if_close(np.real_if_close(x))
            seen.append(weakref.ref(x._value))
        alive.append(sum(r() is not None for r in seen))
        assert isinstance(x, Box)
        return (np.sum(x),), ()

    run.evaluate(f, (0.1 * SQUARE,))
    assert alive[0] < 40


# -- what is assigned ----------------------------------------------------------------------------------------


def row(y, x):
    y[0, :] = x[:1, :1] * 2


def slices(y, x):
    y[:, 1:] = x[None, :1, :2] * 2


def everything(y, x):
    y[...] = x[None, None] * 3


def an_axis_more(y, x):
    y[None, 0] = x[None, None, 0] * 3


def by_number(y, x):
    y[1] = x[None, :1] * 3


def by_list(y, x):
    y[[1, 0], 1:] = x[None, :, :2] * 2


def by_mask_of_rows(y, x):
    y[np.array([False, True])] = x[None, :1] * 2


def copied(y, x):
    np.copyto(y, x[None] * 2)


def into_a_view(y, x):
    y.T[1:][:, 0] = x[None, 0, :2] * 5


ASSIGNMENTS = [
    row,
    slices,
    everything,
    an_axis_more,
    by_number,
    by_list,
    by_mask_of_rows,
    copied,
    into_a_view,
]


@pytest.mark.parametrize(("writes", "backend"), each(ASSIGNMENTS))
def test_leading_axes_of_length_one_are_left_away(writes, backend):
    def f(x):
        total = 0.0
        for write in writes:
            y = x * 1.0
            write(y, x)
            total = total + weighted(y)
        return total

    agrees(f, TABLE, backend)


@pytest.mark.parametrize("backend", BACKENDS)
def test_other_leading_axes_are_an_error_as_in_numpy(backend):
    def f(x):
        y = x * 1.0
        y[0, :] = np.stack([x[0], x[0]])
        return np.sum(y)

    with pytest.raises(ValueError, match="could not broadcast"):
        ad.gradient(f, TABLE, backend=BACKENDS[backend])


# -- indices that are computed, separated, or name an entry twice --------------------------------------------


def known(x):
    return np.array([0, 1])


def computed(x):
    return np.argsort(x[0, 0, :2] * 2, kind="stable")


@pytest.mark.parametrize(
    ("key", "backend"), [*((known, name) for name in BACKENDS), *((computed, name) for name in WITH_VALUES)]
)
def test_separated_indices_come_first(key, backend):
    def f(x):
        k = key(x)
        parts = [x[-1, :, k], x[0, ..., k], x[k, :, 1], x[:, k, k], x[:, None, 1, k], x[k[:, None], :, k]]
        return sum(weighted(part) for part in parts) + weighted(x[..., 0, k]) + weighted(x[1, k - 1, ::-1])

    agrees(f, CUBE, backend)


@pytest.mark.parametrize(
    ("key", "backend"), [*((known, name) for name in BACKENDS), *((computed, name) for name in WITH_VALUES)]
)
def test_writing_at_separated_indices(key, backend):
    def f(x):
        k, y = key(x), x * 1.0
        y[0, :, k] += np.array([[1.0, 2.0], [4.0, 9.0]]) * x[1, :, k]
        y[k, :, k] *= 3.0
        y[:, k, 2] = x[:, k, 0] * 5.0
        return weighted(y)

    agrees(f, CUBE, backend)


def in_place(y, k, x):
    y[k] *= 0.5


def added(y, k, x):
    y[k] += x[: len(k)]


def replaced(y, k, x):
    y[k] = np.array([2.0, 3.0, 5.0]) * x[:3]


def divided(y, k, x):
    y[k] /= np.array([2.0, 4.0, 8.0])


def in_a_view(y, k, x):
    y[1:][::-1][k % 3] -= 2.0 * x[0]


def powered(y, k, x):
    y[k] = -y[k] + 1.0


REPEATING = [
    (write, places)
    for write in (in_place, added, replaced, divided, in_a_view, powered)
    for places in ([0, 0, 1], [2, 1, 2], [-1, 3, 0])
]


@pytest.mark.parametrize(("cases", "backend"), each(REPEATING, WITH_VALUES))
def test_of_several_values_for_one_entry_the_last_stays(cases, backend):
    def f(x):
        total = 0.0
        for write, places in cases:
            y = x * 1.0
            write(y, np.argsort(x, kind="stable")[places], x)
            total = total + weighted(y)
        return total

    agrees(f, LINE, backend)


@pytest.mark.parametrize("backend", [name for name in BACKENDS if name in WITHOUT_VALUES])
def test_graphs_without_values_refuse_to_write_at_computed_places(backend):
    def f(x):
        y = x * 1.0
        y[np.argsort(x, kind="stable")[[0, 0]]] *= 0.5
        return np.sum(y)

    with pytest.raises(PolyadError, match="numpy"):
        ad.gradient(f, LINE, backend=BACKENDS[backend])


def test_a_compiled_program_of_an_index_that_repeats():
    """In the example, and at a later point only."""

    def f(x):
        v = (x * 1.0)[:2]
        v[np.argmax(v, axis=0)] = 0.5 * x[0, 0]
        return np.sum(v * v * np.arange(1.0, 5.0).reshape(2, 2))

    apart, together = np.array([[3.0, 1.0], [2.0, 4.0]]), np.array([[3.0, 5.0], [2.0, 4.0]])
    for start in (apart, together):
        g = ad.prepare_gradient(f, start, backend=ad.NumPy(compile=True))
        for x in (apart, together):
            value, found = g.value_and(x)
            np.testing.assert_allclose(value, f(x))
            np.testing.assert_allclose(found, differences(f, x), rtol=1e-9, atol=1e-9)


# -- orders --------------------------------------------------------------------------------------------------

TIES = np.array([0.5, -1.0, 2.0, 0.5, 3.0])[np.random.default_rng(5).integers(0, 5, 40)]
C = np.cos(np.arange(40.0))
ORDERS = {
    "argsort": np.argsort,
    "argsort, stable": lambda x: np.argsort(x, kind="stable"),
    "argsort, heapsort": lambda x: np.argsort(x, kind="heapsort"),
    "argsort, stable=True": lambda x: np.argsort(x, stable=True),
    "method": lambda x: x.argsort(),
    "argsort of rows": lambda x: np.argsort(x.reshape(4, 10), axis=0).reshape(-1),
    "lexsort": lambda x: np.lexsort((x[::-1], x)),
    "argpartition": lambda x: np.argpartition(x, 7),
    "searchsorted": lambda x: np.searchsorted(np.sort(x), x),
    "searchsorted, right": lambda x: np.searchsorted(np.sort(x), x, side="right"),
    "argmax": lambda x: np.argmax(x.reshape(4, 10), axis=0).repeat(4),
    "argmin": lambda x: x.reshape(4, 10).argmin(axis=0).repeat(4),
}


@pytest.mark.parametrize(("names", "backend"), each(ORDERS, WITH_VALUES))
def test_equal_entries_stand_where_numpy_puts_them(names, backend):
    def f(x):
        return sum(np.sum(ORDERS[name](x) * x * C) for name in names)

    agrees(f, TIES, backend, sum(ORDERS[name](TIES) * C for name in names))


@pytest.mark.parametrize("backend", WITH_VALUES)
def test_values_of_sorts_and_parts(backend):
    def f(x):
        return np.sum(np.partition(x, 11) * C + np.sort(x) * C[::-1]) + np.median(x)

    np.testing.assert_allclose(ad.value_and_gradient(f, TIES, backend=BACKENDS[backend])[0], f(TIES))


@pytest.mark.skipif("casadi" not in BACKENDS, reason="casadi is not installed")
def test_casadi_refuses_orders_that_numpy_leaves_to_chance():
    for order in (np.argsort, lambda x: np.argpartition(x, 3)):
        with pytest.raises(PolyadError, match=r"to chance.*kind="):
            ad.gradient(lambda x: np.sum(order(x) * x), LINE, backend="casadi")  # noqa: B023
    found = ad.gradient(
        lambda x: np.sum(np.argsort(x, kind="stable") * x * C[:12]), TIES[:12], backend="casadi"
    )
    np.testing.assert_allclose(found, np.argsort(TIES[:12], kind="stable") * C[:12])


def test_orders_in_prepared_calls_of_jax():
    pytest.importorskip("jax", reason="jax is not installed")
    g = ad.prepare_gradient(lambda x: np.sum(np.argsort(x) * x * C), np.arange(40.0), backend="jax")
    for x in (TIES, np.arange(40.0)[::-1].copy()):
        np.testing.assert_allclose(g(x), np.argsort(x) * C)


# -- what is refused clearly ---------------------------------------------------------------------------------

ENDLESS: list = [0]
ENDLESS.append(ENDLESS)
BUFFER = np.zeros(4)


def stacked(x):
    parts = [x]
    parts.append(parts)
    return np.sum(np.stack(parts))


def added_to_a_captured_one(x):
    total = BUFFER
    total += x
    return np.sum(BUFFER * x)


def written_to_a_captured_one(x):
    for k in range(3):
        BUFFER[0] = x[k] * BUFFER[0] + x[k]
    return BUFFER[0]


REFUSED = {
    "entries of a captured array": (written_to_a_captured_one, r"plain|float\("),
    "nditer": (lambda x: sum(v * v for v in np.nditer(x)), "nditer .*ravel"),
    "an index that contains itself": (lambda x: np.sum(x[ENDLESS]), "index"),
    "a list that contains itself": (stacked, "contains itself"),
    "a captured array": (added_to_a_captured_one, "plain array"),
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_is_named(name, backend):
    f, words = REFUSED[name]
    with pytest.raises(PolyadError, match=f"(?s){words}"):
        ad.gradient(f, LINE, backend=BACKENDS[backend])
    BUFFER[:] = 0.0


def test_recursion_of_the_users_own_stays_what_it_is():
    def f(x):
        return f(x * 1.0)

    with pytest.raises(RecursionError):
        ad.gradient(f, LINE, backend="numpy")
