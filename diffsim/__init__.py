"""diffsim: differentiable physics simulation on Taichi.

Describe a scene, say what drives it and what is wanted, and tune any of its numbers by backpropagating through the
whole trajectory::

    import diffsim as ds

    body = ds.grid((6, 2), spacing=0.1, origin=(0.1, 0.1))
    scene = ds.MassSpring(points=body.points, springs=body.springs, stiffness=3e3, actuation=0.1, ground=ds.Ground(0.1))
    problem = ds.Problem(scene, controller=ds.Sine(), objective=ds.Travel(), steps=800)
    with ds.Simulation(problem) as sim:
        result = ds.tune(sim, iterations=50)
        ds.render_video(sim.rollout(result.best_params), "walk.mp4")
"""

import os

os.environ.setdefault("ENABLE_TAICHI_HEADER_PRINT", "0")  # Taichi greets on standard output when imported

from diffsim.engine import frontend

frontend.install()  # before the first @ti.func

from diffsim.controllers import MLP, PD, OpenLoop, Sine
from diffsim.engine.adjoint import Checkpointed, FullTape, Truncated
from diffsim.errors import DeviceError, DivergenceError, GradientError, InputError, OmissionWarning
from diffsim.gradients import (
    GradientEstimate,
    GradientReport,
    HealthReport,
    check_gradients,
    estimate_gradient,
    gradient_health,
)
from diffsim.objectives import (
    Effort,
    ForwardVelocity,
    Height,
    MatchTrajectory,
    Objective,
    ReachPose,
    ReachTarget,
    TrackJoints,
    Travel,
    Upright,
)
from diffsim.physics.articulated.links import Actuator, Geom, Joint, Link, Site
from diffsim.physics.articulated.mjcf import load_mjcf, load_urdf
from diffsim.physics.articulated.scene import Articulated
from diffsim.physics.mass_spring.lattice import Lattice, from_image, from_mesh, grid
from diffsim.physics.mass_spring.scene import Ground, MassSpring
from diffsim.physics.rigid_bodies.bodies import Box, Capsule, Disc, HalfPlane, Polygon, Segment
from diffsim.physics.rigid_bodies.drives import Push, Thruster, TorsionSpring
from diffsim.physics.rigid_bodies.joints import Pin, Rope, Slider, Spring, Weld
from diffsim.physics.rigid_bodies.scene import RigidBodies
from diffsim.problem import Problem
from diffsim.rollout import Rollout
from diffsim.simulation import Simulation
from diffsim.tuning import (
    SGD,
    Adam,
    CosineDecay,
    ExponentialDecay,
    NormalisedGradientDescent,
    PiecewiseConstant,
    Result,
    RMSProp,
    Run,
    SavedRun,
    load_history,
    load_params,
    load_problem,
    load_run,
    save_rollouts,
    tune,
)
from diffsim.viewing import (
    plot_health,
    plot_loss,
    render_optimisation,
    render_video,
    save_png,
    snapshot,
    write_report,
)

__all__ = [
    "MLP",
    "PD",
    "SGD",
    "Actuator",
    "Adam",
    "Articulated",
    "Box",
    "Capsule",
    "Checkpointed",
    "CosineDecay",
    "DeviceError",
    "Disc",
    "DivergenceError",
    "Effort",
    "ExponentialDecay",
    "ForwardVelocity",
    "FullTape",
    "Geom",
    "GradientError",
    "GradientEstimate",
    "GradientReport",
    "Ground",
    "HalfPlane",
    "HealthReport",
    "Height",
    "InputError",
    "Joint",
    "Lattice",
    "Link",
    "MassSpring",
    "MatchTrajectory",
    "NormalisedGradientDescent",
    "Objective",
    "OmissionWarning",
    "OpenLoop",
    "PiecewiseConstant",
    "Pin",
    "Polygon",
    "Problem",
    "Push",
    "RMSProp",
    "ReachPose",
    "ReachTarget",
    "Result",
    "RigidBodies",
    "Rollout",
    "Rope",
    "Run",
    "SavedRun",
    "Segment",
    "Simulation",
    "Sine",
    "Site",
    "Slider",
    "Spring",
    "Thruster",
    "TorsionSpring",
    "TrackJoints",
    "Travel",
    "Truncated",
    "Upright",
    "Weld",
    "check_gradients",
    "estimate_gradient",
    "from_image",
    "from_mesh",
    "gradient_health",
    "grid",
    "load_history",
    "load_mjcf",
    "load_params",
    "load_problem",
    "load_run",
    "load_urdf",
    "plot_health",
    "plot_loss",
    "render_optimisation",
    "render_video",
    "save_png",
    "save_rollouts",
    "snapshot",
    "tune",
    "write_report",
]
