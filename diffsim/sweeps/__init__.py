"""Many tunings at once, on all cores or on a cluster: settings, numbers and seeds in all combinations."""

from diffsim.sweeps.result import Sweep
from diffsim.sweeps.sweep import sweep

__all__ = ["Sweep", "sweep"]
