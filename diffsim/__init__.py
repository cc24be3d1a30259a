"""diffsim: differentiable physics simulation on Taichi."""

import os

os.environ.setdefault("ENABLE_TAICHI_HEADER_PRINT", "0")  # Taichi greets on standard output when imported

from diffsim.controllers import MLP, PD, OpenLoop, Sine
from diffsim.engine.adjoint import Checkpointed, FullTape
from diffsim.errors import DeviceError, DivergenceError, GradientError, InputError
from diffsim.objectives import Effort, MatchTrajectory, Objective, ReachTarget, Travel
from diffsim.problem import Problem
from diffsim.rollout import Rollout
from diffsim.scene import Ground, MassSpring
from diffsim.simulation import Simulation
