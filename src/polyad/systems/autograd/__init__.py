"""The autograd package."""
