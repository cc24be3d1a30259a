"""Can a gradient be trusted?"""

from diffsim.gradients.check import check_gradients
from diffsim.gradients.report import GradientReport, ParameterCheck

__all__ = ["GradientReport", "ParameterCheck", "check_gradients"]
