import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="module", autouse=True)
def _no_more_than_one_module_of_compiled_code():
    """JAX keeps what it has compiled: 0.5 GB for the special functions alone, of no use to other modules."""
    yield
    if "jax" in sys.modules:
        sys.modules["jax"].clear_caches()
