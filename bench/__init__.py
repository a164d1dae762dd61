"""Measurements, run by hand."""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as in worker processes, before NumPy is there
