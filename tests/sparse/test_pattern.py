"""Patterns: made from anything, sorted, each entry once, and refused where they are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

from polyad.errors import PatternError
from polyad.sparse import Pattern


@st.composite
def coordinates(draw):
    m, n = draw(st.integers(1, 8)), draw(st.integers(1, 8))
    entries = st.lists(st.tuples(st.integers(0, m - 1), st.integers(0, n - 1)), max_size=20)
    return m, n, draw(entries)


@settings(max_examples=60, deadline=None)
@given(coordinates())
def test_a_pattern_has_each_entry_once_and_sorted(case):
    m, n, entries = case
    rows, columns = np.array(entries, dtype=int).reshape(-1, 2).T
    pattern = Pattern.from_coordinates((m, n), rows, columns)
    assert list(zip(pattern.row_ids(), pattern.indices, strict=True)) == sorted(set(entries))
    assert pattern.T.nnz == pattern.nnz == len(set(entries))
    other, places = pattern.transposed()
    assert sorted(zip(other.indices, other.row_ids(), strict=True)) == sorted(set(entries))
    assert np.array_equal(pattern.indices[places], other.row_ids())
    assert Pattern.from_scipy(pattern.to_scipy()) == pattern == other.T
    assert Pattern(pattern.shape, pattern.indptr, pattern.indices) == pattern


@pytest.mark.parametrize("format", ["csr", "csc", "coo", "lil", "dia", "bsr"])
def test_from_scipy_keeps_stored_zeros(format):
    dense = np.array([[1.0, 0, 2], [0, 0, 3]])
    assert Pattern.from_scipy(scipy.sparse.csr_array(dense).asformat(format)).nnz >= 3
    stored = scipy.sparse.csr_array((np.zeros(2), np.array([2, 0]), np.array([0, 2, 2])), shape=(2, 3))
    pattern = Pattern.from_scipy(stored)
    assert pattern.indices.tolist() == [0, 2] and stored.indices.tolist() == [2, 0]


def test_duplicates_of_a_csr_array_are_one_entry_and_the_array_is_left_alone():
    given = scipy.sparse.csr_array((np.ones(3), np.array([1, 1, 0]), np.array([0, 2, 3])), shape=(2, 2))
    assert Pattern.from_scipy(given).nnz == 2
    assert given.nnz == 3


@pytest.mark.parametrize(
    ("indptr", "indices", "word"),
    [
        ([0, 2, 3], [1, 0, 0], "sorted"),
        ([0, 2, 3], [1, 1, 0], "sorted"),
        ([0, 2, 3], [0, 3, 0], "no column 3"),
        ([0, 2, 3], [-1, 1, 0], "no column -1"),
        ([0, 2, 4], [0, 1, 0], "rise from 0"),
        ([0, 3, 2], [0, 1], "rise from 0"),
        ([0, 2], [0, 1], "3 entries"),
    ],
)
def test_what_is_no_pattern_is_refused(indptr, indices, word):
    with pytest.raises(PatternError, match=word):
        Pattern((2, 3), np.array(indptr), np.array(indices))


def test_coordinates_outside_are_refused():
    for rows, columns, word in (([2], [0], "row 2"), ([0], [-1], "column -1"), ([0.5], [0], "integers")):
        with pytest.raises(PatternError, match=word):
            Pattern.from_coordinates((2, 2), rows, columns)
    with pytest.raises(PatternError, match="2 rows and 1 columns"):
        Pattern.from_coordinates((2, 2), [0, 1], [0])


def test_a_pattern_does_not_change():
    pattern = Pattern.from_coordinates((2, 2), [0, 1], [0, 1])
    with pytest.raises(ValueError, match="read-only"):
        pattern.indices[0] = 1


def test_indices_are_wide_where_they_must_be():
    wide = Pattern.from_coordinates((2, 2**40), [0, 1], [2**40 - 1, 3])
    assert wide.indices.dtype == wide.indptr.dtype == np.int64
    assert wide.indices.tolist() == [2**40 - 1, 3]
    assert Pattern.from_scipy(wide.to_scipy()) == wide
    assert Pattern((1, 3), np.array([0, 1], dtype=np.int64), np.array([2])).indices.dtype == np.int32


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0), (2, 3)])
def test_an_empty_pattern(shape):
    pattern = Pattern.from_coordinates(shape, [], [])
    assert pattern.nnz == 0 and pattern.T.shape == shape[::-1]
    assert isinstance(pattern.spy(), str) and "0 entries" in repr(pattern)


def test_spy_draws_a_dot_for_each_entry_of_a_small_pattern():
    assert Pattern.from_scipy(scipy.sparse.eye_array(4)).spy() == "⠑⢄"
    diagonal = Pattern.from_scipy(scipy.sparse.eye_array(10**5, format="csr"))
    assert {len(line) for line in diagonal.spy(width=30).splitlines()} == {30}


def test_saved_and_loaded_it_is_the_same(tmp_path: Path):
    pattern = Pattern.from_coordinates((3, 4), [0, 2, 2], [1, 0, 3])
    pattern.save(tmp_path / "pattern.npz")
    assert Pattern.load(tmp_path / "pattern.npz") == pattern
