"""Objectives: what is to be small at the end of a rollout, or along it. A new one is a file here and a line below.

Objectives are added and scaled: ``Travel() + 0.01 * Effort()``. One of your own is a frozen dataclass derived from
`Objective` with a formula, or with a `build` that returns stages; docs/own_objective.md shows one.
"""

from diffsim.objectives.base import Objective, Sum
from diffsim.objectives.effort import Effort
from diffsim.objectives.follow import Follow
from diffsim.objectives.forward_velocity import ForwardVelocity
from diffsim.objectives.height import Height
from diffsim.objectives.match_trajectory import MatchTrajectory
from diffsim.objectives.picture import MatchPicture, MatchRefraction
from diffsim.objectives.reach_pose import ReachPose
from diffsim.objectives.reach_target import ReachTarget
from diffsim.objectives.readings import MatchReadings
from diffsim.objectives.track_joints import TrackJoints
from diffsim.objectives.travel import Travel
from diffsim.objectives.upright import Upright

__all__ = [
    "OBJECTIVES",
    "Effort",
    "Follow",
    "ForwardVelocity",
    "Height",
    "MatchPicture",
    "MatchReadings",
    "MatchRefraction",
    "MatchTrajectory",
    "Objective",
    "ReachPose",
    "ReachTarget",
    "Sum",
    "TrackJoints",
    "Travel",
    "Upright",
]

OBJECTIVES = (
    Effort,
    Follow,
    ForwardVelocity,
    Height,
    MatchPicture,
    MatchReadings,
    MatchRefraction,
    MatchTrajectory,
    ReachPose,
    ReachTarget,
    TrackJoints,
    Travel,
    Upright,
)
"""All of them; the conformance tests check the gradient of each."""
