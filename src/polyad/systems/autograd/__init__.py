"""The autograd package: its backend, adapter and rules."""
