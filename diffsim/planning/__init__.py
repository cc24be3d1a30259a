"""Trajectories and feedback by differential dynamic programming: from a scene and a quadratic cost."""

from diffsim.planning.cost import QuadraticCost
from diffsim.planning.plan import Plan, plan

__all__ = ["Plan", "QuadraticCost", "plan"]
