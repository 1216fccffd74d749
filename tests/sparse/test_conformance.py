"""The conformance suite for ``Sparse``: every scenario of a Jacobian or Hessian, its pattern found."""

from __future__ import annotations

import pytest

import polyad as ad
from polyad.testing import all_scenarios, check_backend

CHOSEN = [s for s in all_scenarios() if s.operator in ("jacobian", "hessian")]


@pytest.mark.parametrize("inner", ["numpy", ad.MixedMode("numpy")], ids=str)
def test_sparse_passes_all_scenarios(inner: object) -> None:
    assert len(CHOSEN) > 150
    # what a mixed mode adds is seen in a fifth of them
    chosen = CHOSEN if inner == "numpy" else CHOSEN[::5]
    report = check_backend(ad.Sparse(inner, format="dense"), chosen)
    report.raise_if_failed()
    assert {row.status for row in report.rows} == {"passed"}
