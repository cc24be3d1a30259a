"""Controllers: what drives a scene. A new one is a file here and its name in `CONTROLLERS`."""

from diffsim.controllers.base import Controller
from diffsim.controllers.linear_feedback import LinearFeedback
from diffsim.controllers.mlp import MLP
from diffsim.controllers.open_loop import OpenLoop
from diffsim.controllers.pd import PD
from diffsim.controllers.sine import Sine

__all__ = ["CONTROLLERS", "MLP", "PD", "Controller", "LinearFeedback", "OpenLoop", "Sine"]

CONTROLLERS = (MLP, LinearFeedback, OpenLoop, PD, Sine)
"""All of them; the conformance tests check the gradient of each."""
