"""Colorings by their definitions, and decompression against the matrix itself."""

from __future__ import annotations

import itertools

import networkx
import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

import polyad as ad
from polyad.errors import ArgumentError, OutMismatchError, PatternError
from polyad.sparse import Pattern, color
from polyad.sparse.coloring import compiled, graph, kernels
from polyad.sparse.coloring.one_sided import ORDERS
from polyad.sparse.decompression import plan

FIVE = [(0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)]
NINE = list(itertools.product((-1, 0, 1), repeat=2))


def points(n, offsets, periodic=False):
    i, j = np.indices((n, n))
    rows, columns = [], []
    for a, b in offsets:
        x, y = i + a, j + b
        inside = np.full(x.shape, True) if periodic else (x >= 0) & (x < n) & (y >= 0) & (y < n)
        rows.append((i * n + j)[inside])
        columns.append((x % n * n + y % n)[inside])
    return np.concatenate(rows), np.concatenate(columns)


def grid(n, offsets, periodic=False):
    return Pattern.from_coordinates((n * n, n * n), *points(n, offsets, periodic))


def brusselator(n, periodic=True, interleaved=False):
    r, c = points(n, FIVE, periodic)
    p = np.arange(n * n)
    if interleaved:
        rows, columns = [2 * r, 2 * r + 1, 2 * p, 2 * p + 1], [2 * c, 2 * c + 1, 2 * p + 1, 2 * p]
    else:
        rows, columns = [r, r + n * n, p, p + n * n], [c, c + n * n, p + n * n, p]
    return Pattern.from_coordinates((2 * n * n, 2 * n * n), np.concatenate(rows), np.concatenate(columns))


def bands(n, k=1):
    ones = [np.ones(n - abs(d)) for d in range(-k, k + 1)]
    return Pattern.from_scipy(scipy.sparse.diags_array(ones, offsets=range(-k, k + 1), shape=(n, n)))


def arrow(n):
    p, z = np.arange(n), np.zeros(n, dtype=int)
    return Pattern.from_coordinates((n, n), np.concatenate([p, z, p]), np.concatenate([p, p, z]))


def least_squares(n):
    columns = np.random.default_rng(0).integers(0, n, 10 * n)
    return Pattern.from_coordinates((2 * n, n), np.repeat(np.arange(2 * n), 5), columns)


def dense_of(pattern):
    return pattern.to_scipy().toarray()


def check_columns(pattern, colors):
    """Columns of one color have no row in common; those with entries have a color."""
    a = dense_of(pattern)
    assert np.array_equal(colors >= 0, a.any(axis=0))
    for c in range(colors.max(initial=-1) + 1):
        assert a[:, colors == c].sum(axis=1).max(initial=0) <= 1


def check_recovered(coloring, seed=0):
    """The entries of a random matrix of the pattern come out of its products."""
    pattern = coloring.pattern
    a = np.random.default_rng(seed).normal(size=pattern.shape) * dense_of(pattern)
    a = a + a.T if coloring.symmetric else a
    columns, rows = coloring.seeds()
    assert len(columns) + len(rows) == coloring.ncolors == len(coloring.groups)
    found = coloring.decompress(columns @ a.T, rows @ a)
    assert np.allclose(found, a[pattern.row_ids(), pattern.indices], rtol=1e-9, atol=1e-9)
    out = np.empty(pattern.nnz)
    assert coloring.decompress(np.concatenate([(columns @ a.T).ravel(), (rows @ a).ravel()]), out=out) is out
    assert np.array_equal(out, found)


def two_colored(pattern, colors):
    """For every pair of colors the graph of their vertices."""
    graph = networkx.Graph(zip(*np.nonzero(np.triu(dense_of(pattern), 1)), strict=True))
    for a, b in itertools.combinations(range(colors.max(initial=-1) + 1), 2):
        yield graph.subgraph([v for v in graph if colors[v] in (a, b)])


def check_star(pattern, colors):
    """No edge within a color, and no path on four vertices of two colors: each component is a star."""
    for part in two_colored(pattern, colors):
        assert all(colors[v] != colors[w] for v, w in part.edges)
        for component in networkx.connected_components(part):
            assert sum(part.degree(v) > 1 for v in component) <= 1


def check_acyclic(pattern, colors):
    for part in two_colored(pattern, colors):
        assert all(colors[v] != colors[w] for v, w in part.edges)
        assert not len(part) or networkx.is_forest(part)


@st.composite
def patterns(draw, square=False):
    m, n = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    m = n if square else m
    entries = draw(st.lists(st.tuples(st.integers(0, m - 1), st.integers(0, n - 1)), max_size=30))
    rows, columns = np.array(entries, dtype=int).reshape(-1, 2).T
    if square:
        rows, columns = np.concatenate([rows, columns]), np.concatenate([columns, rows])
    return Pattern.from_coordinates((m, n), rows, columns)


@settings(max_examples=100, deadline=None)
@given(patterns(), st.sampled_from(["auto", *ORDERS]))
def test_columns_and_rows(pattern, order):
    columns, rows = color(pattern, order=order), color(pattern.T, "row", order=order)
    check_columns(pattern, columns.column_colors)
    assert np.array_equal(columns.column_colors, rows.row_colors)
    assert columns.lower_bound <= columns.ncolors
    check_recovered(columns)
    check_recovered(rows)


@settings(max_examples=100, deadline=None)
@given(patterns(square=True), st.sampled_from(["auto", *ORDERS[:-1]]), st.booleans())
def test_symmetric(pattern, order, acyclic):
    found = color(pattern, symmetric=True, order=order, decompression="substitution" if acyclic else "direct")
    check_recovered(found)
    assert found.lower_bound <= found.ncolors
    if dense_of(pattern).diagonal().all():  # otherwise some vertices may be without a color
        (check_acyclic if acyclic else check_star)(pattern, found.column_colors)


@settings(max_examples=100, deadline=None)
@given(patterns(), st.sampled_from(["auto", *ORDERS[:-1]]), st.booleans())
def test_bidirectional(pattern, order, acyclic):
    found = color(
        pattern, "bidirectional", order=order, decompression="substitution" if acyclic else "direct"
    )
    check_recovered(found)
    if order == "auto":
        assert found.ncolors <= min(color(pattern).ncolors, color(pattern, "row").ncolors)


@pytest.mark.parametrize(
    ("pattern", "options", "most"),
    [
        (grid(20, FIVE), {}, 5),
        (grid(20, NINE), {}, 9),
        (grid(20, FIVE, True), {}, 5),
        (brusselator(8), {}, 8),
        (brusselator(12), {}, 6),
        (brusselator(16), {}, 8),
        (brusselator(9, interleaved=True), {}, 10),
        (brusselator(11), {}, 10),
        (brusselator(10, False), {}, 6),
        (bands(60), {}, 3),
        (bands(60, 10), {"symmetric": True}, 21),
        (bands(60, 10), {"symmetric": True, "decompression": "substitution"}, 11),
        (bands(60), {"symmetric": True, "decompression": "auto"}, 2),
        (grid(20, NINE), {"symmetric": True}, 9),
        (grid(20, FIVE), {"symmetric": True}, 5),
        (arrow(200), {"partition": "bidirectional"}, 3),
        (arrow(200), {"symmetric": True}, 2),
        (least_squares(300), {}, 16),
    ],
    ids=lambda value: repr(value) if isinstance(value, dict | int) else None,
)
def test_published_counts(pattern, options, most):
    found = color(pattern, **options)
    assert found.ncolors <= most
    check_recovered(found)
    if not options:
        check_columns(pattern, found.column_colors)


def test_no_worse_than_other_tools():
    casadi = pytest.importorskip("casadi")
    from scipy.optimize._numdiff import group_columns

    for pattern in (brusselator(12), grid(12, NINE), least_squares(60), bands(40, 3)):
        sparse = pattern.to_scipy().tocsc()
        theirs = casadi.Sparsity(*pattern.shape, sparse.indptr.tolist(), sparse.indices.tolist())
        ours = color(pattern).ncolors
        # CasADi colors the columns of the transposed pattern
        assert ours <= min(theirs.T.uni_coloring().size2(), theirs.uni_coloring().size2())
        assert ours <= group_columns(scipy.sparse.csr_matrix(pattern.to_scipy())).max() + 1
        conflicts = networkx.from_numpy_array(dense_of(pattern).T.astype(int) @ dense_of(pattern))
        conflicts.remove_edges_from(networkx.selfloop_edges(conflicts))
        assert ours <= max(networkx.greedy_color(conflicts, "largest_first").values()) + 1
    theirs = casadi.Sparsity.band(30, 1) + casadi.Sparsity.band(30, -1) + casadi.Sparsity.diag(30)
    assert color(bands(30), symmetric=True).ncolors <= theirs.star_coloring().size2()


def test_compiled_and_not_the_same(monkeypatch):
    pytest.importorskip("numba")
    pattern, square = least_squares(40), brusselator(5)

    def all_of():
        some = [color(pattern, order=o).column_colors for o in ("natural", "smallest_last", "saturation")]
        some += [color(square, symmetric=True, order=o).column_colors for o in ("natural", "largest_first")]
        some.append(
            color(square, symmetric=True, order="natural", decompression="substitution").column_colors
        )
        return some

    monkeypatch.setattr(compiled, "THRESHOLD", 10**18)
    monkeypatch.setattr(compiled, "_ready", {})
    slow = all_of()
    assert not compiled._ready
    monkeypatch.setattr(compiled, "THRESHOLD", -1)
    fast = all_of()
    assert kernels.star in compiled._ready and kernels.acyclic in compiled._ready
    assert all(np.array_equal(a, b) for a, b in zip(slow, fast, strict=True))


def test_colors_as_bits_are_those_of_looking_at_pairs(monkeypatch):
    patterns = [brusselator(5), least_squares(60), grid(9, NINE), bands(80, 20)]
    fast = [color(p, order=o).column_colors for p in patterns for o in ("natural", "smallest_last")]
    monkeypatch.setattr(kernels, "BITS", 9)  # they do not suffice for all: it goes on with the other
    some = [color(p, order=o).column_colors for p in patterns for o in ("natural", "smallest_last")]
    monkeypatch.setattr(graph, "BITS", -1)
    slow = [color(p, order=o).column_colors for p in patterns for o in ("natural", "smallest_last")]
    assert max(c.max() for c in slow) > 9 and min(c.max() for c in slow) < 9
    for a, b, c in zip(fast, some, slow, strict=True):
        assert np.array_equal(a, c) and np.array_equal(b, c)


def test_dense_lines_are_not_looked_through():
    rows, columns = np.nonzero(np.vstack([np.ones((1, 900)), np.eye(900), np.eye(900, k=1)]))
    keep = (rows > 0) | (columns < 700)
    pattern = Pattern.from_coordinates((1801, 900), rows[keep], columns[keep])
    found = color(pattern, order="natural")
    check_columns(pattern, found.column_colors)
    assert found.ncolors == 700


@pytest.mark.parametrize("shape", [(0, 0), (0, 4), (4, 0), (3, 5), (1, 6), (6, 1)])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("partition", ["column", "row", "bidirectional"])
def test_edges(shape, full, partition):
    rows, columns = np.nonzero(np.full(shape, full))
    found = color(Pattern.from_coordinates(shape, rows, columns), partition)
    check_recovered(found)
    assert (found.ncolors == 0) == (len(rows) == 0) and "color" in repr(found)


def test_complex_products_and_given_memory():
    found = color(bands(9), symmetric=True, decompression="substitution")
    assert found.decompression == "substitution"
    a = dense_of(bands(9)) * np.add.outer(np.arange(9), np.arange(9)) * (1 + 2j)
    products = found.seeds()[0] @ a
    before = products.copy()
    out, work = np.empty(found.pattern.nnz, dtype=complex), np.empty(products.size, dtype=complex)
    assert found.decompress(products, out=out, work=work) is out
    assert np.allclose(out, a[found.pattern.row_ids(), found.pattern.indices])
    assert np.array_equal(products, before)


def test_refusals():
    with pytest.raises(ArgumentError, match="partition='diagonal'"):
        color(bands(4), "diagonal")
    with pytest.raises(ArgumentError, match="order='fastest'"):
        color(bands(4), order="fastest")
    with pytest.raises(ArgumentError, match="permutation"):
        color(bands(4), order=np.array([0, 1, 1, 2]))
    with pytest.raises(PatternError, match="both triangles"):
        color(Pattern.from_coordinates((2, 2), [0], [1]), symmetric=True)
    with pytest.raises(OutMismatchError, match="the products have 3"):
        color(bands(4)).decompress(np.ones(3))
    with pytest.raises(PatternError, match="row 0, column 0"):
        plan(bands(4), np.zeros(4, dtype=int), None)


def test_it_is_public():
    assert ad.sparse.color(bands(5), order=("natural", "random"), seed=3).ncolors >= 3
    assert "3 colors, the fewest possible" in repr(ad.sparse.color(bands(5)))


@pytest.mark.parametrize("backend", ["numpy", "jax", "torch", "autograd", ad.MixedMode("numpy")], ids=str)
def test_both_modes_are_taken_where_that_saves_products(backend):
    def f(x):
        return np.concatenate([np.reshape(np.sum(x**2), (1,)), x[1:] ** 2 * x[0]])

    pytest.importorskip(backend if isinstance(backend, str) else "numpy")
    x = np.linspace(1.0, 2.0, 30)
    jacobian = ad.prepare_jacobian(f, x, backend=ad.Sparse(backend, ad.KnownPattern(dense_of(arrow(30)))))
    expected = np.diag(2 * x * x[0])
    expected[:, 0] = x**2
    expected[0] = 2 * x
    assert jacobian.ncolors == 3
    assert np.allclose(jacobian(x).toarray(), expected, rtol=1e-12)
