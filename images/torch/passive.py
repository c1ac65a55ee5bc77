"""Imported before torch: OpenMP's threads wait asleep for one another.

By default they spin, which is faster by little where every thread has a core of its own, and slower by five times where
it has not: beside the processes that read pictures, on a shared machine, in a container with fewer CPUs than it sees.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
