"""Controllers: what drives a scene. A new one is a file here and a line below."""

from diffsim.controllers.mlp import MLP
from diffsim.controllers.open_loop import OpenLoop
from diffsim.controllers.pd import PD
from diffsim.controllers.sine import Sine

__all__ = ["MLP", "PD", "OpenLoop", "Sine"]
