"""The backend of polyad's own engine on NumPy arrays, and its compiled variant."""
