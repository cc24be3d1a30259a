"""Numbers of a scene from what was measured of it, and how sure they are."""

from diffsim.identification.directions import Direction
from diffsim.identification.fit import identify
from diffsim.identification.logs import Log, read_log
from diffsim.identification.result import Fit, Identification

__all__ = ["Direction", "Fit", "Identification", "Log", "identify", "read_log"]
