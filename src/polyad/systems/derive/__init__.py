"""Every operator from one primitive: what a backend does not do by itself."""
