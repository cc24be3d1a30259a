"""Trajectories and feedback by differential dynamic programming: from a scene and a quadratic cost."""

from diffsim.planning.balance import Balance, balance
from diffsim.planning.cost import QuadraticCost
from diffsim.planning.plan import Plan, plan

__all__ = ["Balance", "Plan", "QuadraticCost", "balance", "plan"]
