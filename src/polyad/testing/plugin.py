"""The plugin of pytest: ``@pytest.mark.gradcheck`` on a test that returns a function and its arguments.

It comes with polyad, by its entry point, and imports nothing of polyad before a marked test runs.
"""

from __future__ import annotations

from typing import Any

__all__ = ["pytest_configure", "pytest_generate_tests", "pytest_pyfunc_call"]

MARK = "gradcheck"
BACKEND = "gradcheck_backend"
WORDS = (
    "gradcheck(backends=None, argnums=0, order=1, rtol=1e-5): the test returns (f, *args); the derivatives "
    "of f there are compared with finite differences by polyad.testing.check_derivatives, for each backend"
)


def pytest_configure(config: Any) -> None:
    """Tell pytest of the mark."""
    config.addinivalue_line("markers", WORDS)


def pytest_generate_tests(metafunc: Any) -> None:
    """One test for each backend."""
    mark = metafunc.definition.get_closest_marker(MARK)
    if mark is None:
        return
    backends = mark.kwargs.get("backends", mark.args[0] if mark.args else None)
    if not isinstance(backends, list | tuple):
        backends = [backends]
    metafunc.fixturenames.append(BACKEND)
    metafunc.parametrize(BACKEND, list(backends), ids=["default" if b is None else str(b) for b in backends])


def pytest_pyfunc_call(pyfuncitem: Any) -> bool | None:
    """Run a marked test, and check the derivatives of what it returns."""
    mark = pyfuncitem.get_closest_marker(MARK)
    if mark is None:
        return None
    from polyad.errors import ArgumentError
    from polyad.testing.derivatives import check_derivatives

    named = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    returned = pyfuncitem.obj(**named)
    if not (isinstance(returned, tuple) and len(returned) > 1 and callable(returned[0])):
        raise ArgumentError(
            f"{pyfuncitem.name} is marked gradcheck and returned {type(returned).__name__}: return the "
            "function and its arguments, as in return f, x"
        )
    options = {key: value for key, value in mark.kwargs.items() if key != "backends"}
    check_derivatives(*returned, backend=pyfuncitem.callspec.params[BACKEND], **options)
    return True
