"""Objectives: what is to be small at the end of a rollout, or along it. A new one is a file here and a line below.

Objectives are added and scaled: ``Travel() + 0.01 * Effort()``. One of your own is a frozen dataclass derived from
`Objective` whose `build` returns stages; docs/own_objective.md shows one.
"""

from diffsim.objectives.base import Objective, Sum
from diffsim.objectives.effort import Effort
from diffsim.objectives.match_trajectory import MatchTrajectory
from diffsim.objectives.reach_target import ReachTarget
from diffsim.objectives.travel import Travel

__all__ = ["OBJECTIVES", "Effort", "MatchTrajectory", "Objective", "ReachTarget", "Sum", "Travel"]

OBJECTIVES = (Effort, MatchTrajectory, ReachTarget, Travel)
"""All of them; the conformance tests check the gradient of each."""
