"""Tests."""

import os

# As in worker processes, before NumPy is there. Threads of OpenBLAS wait for one another by asking for the
# processor again and again: beside other work a test then takes ten times as long.
os.environ["OPENBLAS_NUM_THREADS"] = "1"
