"""Functions that fill an array, and scratch memory, under every backend."""

from __future__ import annotations

import numpy as np
import pytest
from backends import BACKENDS

