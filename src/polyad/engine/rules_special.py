"""Rules of ``scipy.special``'s universal functions, each a line."""

from __future__ import annotations

import numpy as np
import scipy.special as sp

from polyad.engine.rules_arithmetic import log
from polyad.engine.rules_elementwise import exp, sqrt
from polyad.engine.table import ufunc

ROOT_PI = float(np.sqrt(np.pi))

erf = ufunc(sp.erf, lambda x: 2 / ROOT_PI * exp(-x * x))
erfc = ufunc(sp.erfc, lambda x: -2 / ROOT_PI * exp(-x * x))
erfinv = ufunc(sp.erfinv, lambda y: ROOT_PI / 2 * exp(y * y))
erfcinv = ufunc(sp.erfcinv, lambda y: -ROOT_PI / 2 * exp(y * y))
ndtr = ufunc(sp.ndtr, lambda x: exp(-x * x / 2) / float(np.sqrt(2 * np.pi)))
expit = ufunc(sp.expit, lambda y: y * (1 - y))
log_expit = ufunc(sp.log_expit, lambda x: expit(-x))
logit = ufunc(sp.logit, lambda x: 1 / (x * (1 - x)))
xlogy = ufunc(sp.xlogy, lambda a, b: log(b), lambda a, b: a / b)
