"""Functions with derivatives of the user's: what ``define`` and ``custom_rule`` make of them."""
