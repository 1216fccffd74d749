"""MLX under polyad: its arrays (``library``), NumPy code on them (``adapter``), derivatives (``backend``)."""
