"""PyTorch: its backend and adapter, kept graphs, and ``torch.func``."""
