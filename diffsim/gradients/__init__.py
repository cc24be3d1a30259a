"""Can a gradient be trusted?"""

from diffsim.gradients.check import GradientReport, check_gradients

__all__ = ["GradientReport", "check_gradients"]
