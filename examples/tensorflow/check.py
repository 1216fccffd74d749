"""Run polyad's conformance suite on the backend, where TensorFlow is installed."""

import sys

from polyad.testing import check_backend

report = check_backend("tensorflow")
print(report)
sys.exit(any(row.status == "failed" for row in report))
