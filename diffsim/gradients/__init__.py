"""Can a gradient be trusted?"""

from diffsim.gradients.check import GradientReport, check_gradients
from diffsim.gradients.estimators import GradientEstimate, estimate_gradient
from diffsim.gradients.health import gradient_health
from diffsim.gradients.health_report import HealthReport

__all__ = [
    "GradientEstimate",
    "GradientReport",
    "HealthReport",
    "check_gradients",
    "estimate_gradient",
    "gradient_health",
]
