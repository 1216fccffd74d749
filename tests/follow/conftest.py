"""The imitated package of these tests, in a folder of installed ones."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """The module ``installed`` as a package ``wildly``."""
    folder = tmp_path_factory.mktemp("lib") / "site-packages" / "wildly"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text((Path(__file__).parent / "installed.py").read_text())
    spec = importlib.util.spec_from_file_location("wildly", folder / "__init__.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["wildly"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["wildly"]
