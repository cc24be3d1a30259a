"""Can a gradient be trusted?"""

from diffsim.gradients.check import check_gradients
from diffsim.gradients.estimators import GradientEstimate, estimate_gradient
from diffsim.gradients.health import gradient_health
from diffsim.gradients.health_report import HealthReport
from diffsim.gradients.report import GradientReport, ParameterCheck

__all__ = [
    "GradientEstimate",
    "GradientReport",
    "HealthReport",
    "ParameterCheck",
    "check_gradients",
    "estimate_gradient",
    "gradient_health",
]
