"""Feedback policies: learned by gradients through the physics, or without, and judged here and in MuJoCo."""

from diffsim.learning.algorithms import APG, CMAES, SHAC
from diffsim.learning.export import export_policy
from diffsim.learning.learn import learn
from diffsim.learning.learned import Learned

__all__ = ["APG", "CMAES", "SHAC", "Learned", "export_policy", "learn"]
