"""Patterns of torch functions: the graph of the derivative, read on index sets."""

from polyad.systems.torch.sparsity import matrices, windows  # noqa: F401  (fill the table of rules)
from polyad.systems.torch.sparsity.graph import hessian_sets, jacobian_sets

__all__ = ["hessian_sets", "jacobian_sets"]
