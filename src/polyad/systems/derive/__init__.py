"""Every operator from one primitive, for what a backend does not do natively."""
