"""What a function captures and somebody changes after preparation: right or refused, never a wrong matrix."""

from __future__ import annotations

import functools
import types
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.sparse

import polyad as ad
from backends import AVAILABLE
from polyad.sparse.captured import MOST, Captured

N = 6
X = np.linspace(1.0, 2.0, N)
Made = tuple[Callable[..., Any], Callable[[], None]]

SHIFT = 1
TABLE = {"shift": 1}


def shifted(x: Any, k: int) -> Any:
    return np.concatenate([x[k:], x[:k]]) ** 2


def an_array() -> Made:
    a = np.eye(N)

    def f(x: Any) -> Any:
        return a @ x**2

    return f, lambda: a.__setitem__((0, 3), 5.0)


def an_index() -> Made:
    index = np.arange(N)
    return lambda x: x[index] ** 2, lambda: index.__setitem__(0, 2)


def a_mask() -> Made:
    mask = np.zeros(N)
    return lambda x: np.where(mask > 0.5, x[::-1], x) ** 2, lambda: mask.__setitem__(1, 1.0)


def a_name() -> Made:
    k = 1

    def f(x: Any) -> Any:
        return shifted(x, k)

    def change() -> None:
        nonlocal k
        k = 2

    return f, change


def a_list() -> Made:
    places = [1]
    return lambda x: shifted(x, places[0]), lambda: places.__setitem__(0, 2)


def a_dict_of_lists() -> Made:
    options: dict[str, Any] = {"at": [[1]]}
    return lambda x: shifted(x, options["at"][0][0]), lambda: options["at"][0].__setitem__(0, 2)


def a_set() -> Made:
    chosen: set[int] = set()
    return lambda x: shifted(x, 1 + len(chosen)), lambda: chosen.add(3)


def a_global() -> Made:
    scope: dict[str, Any] = {"shifted": shifted, "K": 1, "__name__": "elsewhere"}
    exec("def inner(x):\n    return shifted(x, K)\ndef f(x):\n    return inner(x)", scope)
    return scope["f"], lambda: scope.__setitem__("K", 2)


def a_module() -> Made:
    settings = types.ModuleType("settings_of_a_test")
    settings.shift = 1  # type: ignore[attr-defined]
    return lambda x: shifted(x, settings.shift), lambda: setattr(settings, "shift", 2)


class Grid:
    kind = 1

    def __init__(self) -> None:
        self.shift, self.matrix = 1, np.eye(N)

    def product(self, x: Any) -> Any:
        return self.matrix @ x**2

    def __call__(self, x: Any) -> Any:
        return shifted(x, self.shift)

    def of_class(self, x: Any) -> Any:
        return shifted(x, type(self).kind)


class Slim:
    __slots__ = ("shift",)

    def __init__(self) -> None:
        self.shift = 1

    def __call__(self, x: Any) -> Any:
        return shifted(x, self.shift)


def a_method() -> Made:
    grid = Grid()
    return grid.product, lambda: grid.matrix.__setitem__((0, 3), 5.0)


def an_object() -> Made:
    grid = Grid()
    return grid, lambda: setattr(grid, "shift", 2)


def an_object_inside() -> Made:
    grid = Grid()
    return lambda x: grid(x) + 0.0, lambda: setattr(grid, "shift", 2)


def a_class() -> Made:
    kind = type("Kind", (Grid,), {"kind": 1})
    return kind().of_class, lambda: setattr(kind, "kind", 2)


def a_slot() -> Made:
    slim = Slim()
    return slim, lambda: setattr(slim, "shift", 2)


def a_default() -> Made:
    index = np.arange(N)
    first = (index,)

    def f(x: Any, at: Any = first) -> Any:
        return x[at[0]] ** 2

    return f, lambda: index.__setitem__(0, 2)


def a_partial() -> Made:
    at = np.arange(N)
    return functools.partial(lambda x, at: x[at] ** 2, at=at), lambda: at.__setitem__(0, 2)


def a_sparse_matrix() -> Made:
    a = scipy.sparse.csr_array(np.eye(N))
    return lambda x: a @ x**2, lambda: a.indices.__setitem__(0, 3)


def a_buffer() -> Made:
    memory = bytearray([1])
    return lambda x: shifted(x, memory[0]), lambda: memory.__setitem__(0, 2)


def an_attribute_of_the_function() -> Made:
    def f(x: Any) -> Any:
        return shifted(x, f.shift)  # type: ignore[attr-defined]

    f.shift = 1  # type: ignore[attr-defined]
    return f, lambda: setattr(f, "shift", 2)


def out_of_sight() -> Made:
    places = iter((1, 1, 1))
    state = [next(places)]

    class Closed:
        def __init__(self) -> None:
            raise AssertionError

        @property
        def __dict__(self) -> Any:  # type: ignore[override]
            raise RuntimeError("nobody looks into this")

        def shift(self) -> int:
            return state[0]

    closed = object.__new__(Closed)
    return lambda x: shifted(x, closed.shift()), lambda: state.__setitem__(0, 2)


MADE = [
    an_array,
    an_index,
    a_mask,
    a_name,
    a_list,
    a_dict_of_lists,
    a_set,
    a_global,
    a_module,
    a_method,
    an_object,
    an_object_inside,
    a_class,
    a_slot,
    a_default,
    a_partial,
    a_sparse_matrix,
    a_buffer,
    an_attribute_of_the_function,
    out_of_sight,
]


def right_or_refused(f: Any, change: Callable[[], None], backend: Any) -> str:
    p = ad.prepare_jacobian(f, X, backend=ad.Sparse(backend))
    before = ad.jacobian(f, X + 1, backend="numpy")
    assert np.allclose(p(X + 1).toarray(), before, rtol=1e-5, atol=1e-5)
    change()
    now = ad.jacobian(f, X + 1, backend="numpy")
    assert not np.allclose(now, before)
    try:
        found = p(X + 1).toarray()
    except ad.errors.PatternError as error:
        assert "captures" in str(error), error
        assert "make that an argument" in str(error), error
        return "refused"
    # frozen, where preparation takes what is captured
    frozen = p.backend.freezes
    assert np.allclose(found, before if frozen else now, rtol=1e-5, atol=1e-5)
    return "right"


@pytest.mark.parametrize("make", MADE, ids=lambda make: make.__name__)
def test_what_has_changed_is_noticed(make: Callable[[], Made]) -> None:
    assert right_or_refused(*make(), "numpy:forward") == "refused"


@pytest.mark.parametrize("backend", AVAILABLE)
def test_every_backend_is_right_or_refuses(backend: Any) -> None:
    expected = "right" if ad.Sparse(backend).freezes else "refused"
    assert right_or_refused(*an_array(), backend) == expected


def test_a_change_that_leaves_the_pattern_is_followed() -> None:
    scale, weights = [2.0], np.ones(N)
    p = ad.prepare_jacobian(lambda x: scale[0] * weights * x**2, X, backend=ad.Sparse("numpy"))
    for k in (3.0, 4.0):
        scale[0] = weights[1] = k
        assert np.allclose(p(X).diagonal(), 2 * k * X * np.where(np.arange(N) == 1, k, weights))


def test_a_point_where_the_new_entry_is_zero_does_not_hide_it() -> None:
    f, change = an_array()
    p = ad.prepare_jacobian(f, X, backend=ad.Sparse("numpy"))
    change()
    zero = X.copy()
    zero[3] = 0.0
    assert np.allclose(p(zero).toarray(), ad.jacobian(f, zero))
    with pytest.raises(ad.errors.PatternError, match="row 0, column 3"):
        p(X)


def test_a_hessian_and_a_static_argument_are_watched_too() -> None:
    index = np.arange(N)
    p = ad.prepare_hessian(lambda x: np.sum(x[index] * x[::-1] ** 2), X, backend=ad.Sparse("numpy"))
    index[0] = 3
    with pytest.raises(ad.errors.PatternError, match=r"captures \(index\)"):
        p(X)
    places = [1]
    static = ad.Static(places)
    q = ad.prepare_jacobian(lambda x, at: shifted(x, at[0]), X, static, backend=ad.Sparse("numpy"))
    places[0] = 2
    with pytest.raises(ad.errors.PolyadError):
        q(X, static)


COUNTED = 0


def in_a_global(x: Any) -> Any:
    global COUNTED
    COUNTED += 1
    return x**2


class Counting:
    scale = 2.0

    def __init__(self) -> None:
        self.calls, self.statistics = 0, {"all": 0}

    def __call__(self, x: Any) -> Any:
        self.calls += 1
        self.statistics["all"] += 1
        return self.scale * x


class Using(Counting):
    def __call__(self, x: Any) -> Any:
        self.calls += 1
        return x * self.calls


class Asking(Counting):
    def __call__(self, x: Any) -> Any:
        self.calls += 1
        return x * getattr(self, "calls")  # noqa: B009


def counters() -> dict[str, tuple[Callable[..., Any], bool]]:
    """Functions that count, and whether nothing else in them knows the number."""
    calls, places, table, other, used = [0], [0], {"k": 0}, {"k": 0}, 0
    also, ask, total = places, other.get, 0

    def in_a_cell(x: Any) -> Any:
        nonlocal total
        total += 1
        return x**2

    def in_a_list(x: Any) -> Any:
        calls[0] += 1
        return x**2

    def in_a_dict(x: Any) -> Any:
        table["k"] -= 2
        return x**2

    def by_another_name(x: Any) -> Any:
        places[0] += 1
        return x * also[0]

    def by_a_method(x: Any) -> Any:
        other["k"] += 1
        return x * ask("k")

    def inside(x: Any) -> Any:
        nonlocal used
        used += 1
        return (lambda y: y * used)(x)

    def by_default(x: Any, known: list[int] = calls) -> Any:
        calls[0] += 1
        return x * known[0]

    def a_default(x: Any, known: list[int] = [0]) -> Any:  # noqa: B006
        known[0] += 1
        return x * known[0]

    alone = (in_a_cell, in_a_list, in_a_dict, in_a_global, Counting())
    read = (by_another_name, by_a_method, by_default, a_default, inside, Using(), Asking())
    named = {getattr(f, "__name__", type(f).__name__): (f, f in alone) for f in (*alone, *read)}
    return named


@pytest.mark.parametrize("name", list(counters()))
def test_a_number_in_which_a_function_only_counts_is_not_watched(name: str) -> None:
    f, alone = counters()[name]
    watched = Captured((f,))
    for _ in range(2):
        f(X)
        assert (watched.changed() == "") == alone and not watched.unseen


def test_a_counter_costs_no_product() -> None:
    f = Counting()
    p = ad.prepare_jacobian(f, X, backend=ad.Sparse("numpy"))
    for k in range(3):
        before = f.calls
        assert np.allclose(p(X + k).diagonal(), 2.0)
        assert f.calls == before + 1


def test_a_method_of_a_mapping_is_a_way_to_it() -> None:
    table = {"shift": 1}
    shift = table.get
    p = ad.prepare_jacobian(lambda x: shifted(x, shift("shift")), X, backend=ad.Sparse("numpy"))
    table["shift"] = 2
    with pytest.raises(ad.errors.PatternError, match="captures"):
        p(X)


def test_without_the_check_nothing_is_watched() -> None:
    calls = [0]

    def f(x: Any) -> Any:
        calls[0] += 1
        return x**2

    p = ad.prepare_jacobian(f, X, backend=ad.Sparse("numpy", check=False))
    before = calls[0]
    p(X)
    assert calls[0] == before + 1


def test_numbers_that_are_equal_and_names_put_back_are_no_change() -> None:
    box: dict[str, Any] = {"a": 10**20, "b": np.arange(3)}
    watched = Captured((lambda x: x * box["a"],))
    kept = box["b"]
    box["a"], box["b"] = 10**19 * 10, kept
    assert watched.changed() == watched.unseen == ""
    box["b"] = kept.copy()
    assert watched.changed() == "box"


def test_large_arrays_are_compared_by_a_checksum() -> None:
    large = np.zeros(2**22)
    watched = Captured((lambda x: x + large[0],))
    assert watched.changed() == ""
    large[-1] = 1.0
    assert watched.changed() == "large"


def test_more_than_can_be_looked_at_is_out_of_sight() -> None:
    many = [[k] for k in range(MOST + 10)]
    assert Captured((lambda x: x * len(many),)).unseen


@pytest.mark.parametrize("backend", AVAILABLE)
def test_a_gradient_that_is_no_number_is_told_with_its_hessian(backend: str) -> None:
    def f(x: Any, a: Any, s: Any) -> Any:  # the Hessian has no entry where the gradient is no number
        return np.sum(((x * a) * s) * s) + x[0] * x[1]

    args = np.ones(2), np.zeros(2), np.full(2, 1e200)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        p = ad.prepare_hessian(f, *args, backend=ad.Sparse(backend))
        y, g, _ = p.value_and(*args)
    told = [w for w in caught if issubclass(w.category, ad.errors.NonFiniteWarning)]
    assert bool(told) == bool(np.isnan(g).any() and np.isfinite(y))
    assert told or backend in (
        "casadi",
        "sympy",
        "finite",
    )  # by whom nothing is infinite on the way, or all is


def test_what_differences_make_of_a_constant_gradient_is_no_missing_entry() -> None:
    x = np.linspace(0.3, 2.0, 4)
    assert ad.hessian(lambda x: np.sum(x) * 1.0, x, backend=ad.Sparse("finite")).nnz == 0
    dense = ad.hessian(lambda x: np.sum(np.sin(x)), x, backend=ad.Sparse("finite"))
    assert np.allclose(dense.diagonal(), -np.sin(x), atol=1e-5)


@pytest.mark.filterwarnings("ignore::polyad.errors.PrecisionWarning")
@pytest.mark.parametrize("scheme", ["central", "forward"])
def test_a_large_row_does_not_hide_that_an_entry_is_missing_in_a_small_one(scheme: str) -> None:
    def f(x: Any) -> Any:
        return np.append(1e12 + 1e6 * x[0], x * x + np.roll(x, 1))

    x = np.linspace(0.5, 1.5, 6)
    backend = ad.FiniteDifferences(scheme)
    whole = ad.jacobian_sparsity(f, x).to_scipy().toarray()
    assert ad.jacobian(f, x, backend=ad.Sparse(backend)).nnz == whole.sum() == 13
    whole[3, 1] = False
    with pytest.raises(ad.errors.PatternError, match="row 3, column 1 "):
        ad.jacobian(f, x, backend=ad.Sparse(backend, ad.KnownPattern(whole)))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.filterwarnings("ignore::polyad.errors.PrecisionWarning")
def test_rounding_within_a_row_is_no_missing_entry(seed: int) -> None:
    def f(x: Any) -> Any:
        total = ad.stop_gradient(1e8 * np.sum(x))
        return np.concatenate([x * x + 1e9 - 1e9, x + total - total, 1e12 * x[:1], np.cos(x) * 1e-3])

    random = np.random.default_rng(seed)
    x = random.standard_normal(6) * 10.0 ** random.integers(-3, 4, 6)
    assert ad.jacobian(f, x, backend=ad.Sparse("finite")).nnz == 19


@pytest.mark.filterwarnings("ignore::polyad.errors.PrecisionWarning")
def test_what_differences_can_see_of_a_missing_entry() -> None:
    """What docs/sparse.md says of the check."""
    x, eye = np.array([0.5, 0.7, 0.3]), ad.KnownPattern(np.eye(3))
    seen = lambda operator, f: operator(f, x, backend=ad.Sparse("finite", eye))  # noqa: E731
    with pytest.raises(ad.errors.PatternError, match="row 0, column 1 "):
        seen(ad.jacobian, lambda x: np.stack([1.0 + 1e-8 * x[1], x[1], x[2]]))
    with pytest.raises(ad.errors.PatternError, match="row 0, column 1 "):
        seen(ad.hessian, lambda x: 1.0 + 1e-6 * x[0] * x[1])
    assert seen(ad.jacobian, lambda x: np.stack([1.0 + 1e-11 * x[1], x[1], x[2]])).nnz == 3
    assert seen(ad.hessian, lambda x: 1.0 + 1e-8 * x[0] * x[1]).nnz == 3
