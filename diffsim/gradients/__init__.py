"""Can a gradient be trusted?"""

from diffsim.gradients.check import GradientReport, check_gradients
from diffsim.gradients.estimators import GradientEstimate, estimate_gradient

__all__ = ["GradientEstimate", "GradientReport", "check_gradients", "estimate_gradient"]
