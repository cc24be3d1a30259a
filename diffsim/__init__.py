"""diffsim: differentiable physics simulation on Taichi.

Describe a scene, say what drives it and what is wanted, and tune any of its numbers by backpropagating through the
whole trajectory::

    import diffsim as ds

    body = ds.grid((6, 2), spacing=0.1, origin=(0.1, 0.1))
    scene = ds.MassSpring(body, stiffness=3e3, actuation=0.1, ground=ds.Ground(0.1))
    problem = ds.Problem(scene, controller=ds.Sine(), objective=ds.Travel(), steps=800)
    with ds.Simulation(problem) as sim:
        result = ds.tune(sim, iterations=50)
        ds.render_video(sim.rollout(result.best_params), "walk.mp4")
"""

from __future__ import annotations

import importlib
import os
from typing import Any

os.environ.setdefault("ENABLE_TAICHI_HEADER_PRINT", "0")  # Taichi greets on standard output when imported

# A name is imported when it is first used (PEP 562): who describes a scene waits neither for Taichi nor for matplotlib.
# `__init__.pyi` says the same to editors and type checkers.
_NAMES = {
    "adjoint": ("Checkpointed", "FullTape", "Truncated"),
    "bridges.falls": ("first_fall",),
    "bridges.mujoco": ("replay_in_mujoco",),
    "bridges.tasks": ("Task",),
    "controllers": ("MLP", "PD", "LinearFeedback", "OpenLoop", "Sine"),
    "errors": (
        "DeviceError",
        "DivergenceError",
        "GradientError",
        "InputError",
        "OmissionWarning",
        "RoomWarning",
        "StartWarning",
    ),
    "gradients": (
        "GradientEstimate",
        "GradientReport",
        "HealthReport",
        "check_gradients",
        "estimate_gradient",
        "gradient_health",
    ),
    "identification": ("Identification", "Log", "identify", "read_log"),
    "learning": ("APG", "CMAES", "SHAC", "Learned", "export_policy", "learn"),
    "numbers": ("constant", "tunable"),
    "objectives": (
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
        "TrackJoints",
        "Travel",
        "Upright",
    ),
    "physics.articulated.actuators": ("Actuator",),
    "physics.articulated.muscle": ("Muscle",),
    "physics.articulated.equalities": ("Equality", "Hold"),
    "physics.articulated.geoms": ("Geom", "Pair"),
    "physics.articulated.links": ("Joint", "Link", "Site"),
    "physics.articulated.mocap": ("Mocap",),
    "physics.articulated.mjcf": ("load_mjcf", "load_urdf"),
    "physics.articulated.mjcf_writing": ("save_mjcf",),
    "physics.articulated.scene": ("Articulated",),
    "physics.charges.scene": ("Charges",),
    "physics.articulated.tendons": ("Pulley", "Tendon", "Wrap"),
    "physics.articulated.visuals": ("Mesh", "Visual"),
    "physics.mass_spring.lattice": ("Lattice", "from_image", "from_mesh", "grid"),
    "physics.mass_spring.scene": ("Ground", "MassSpring"),
    "physics.mass_spring.self_contact": ("SelfContact",),
    "physics.mass_spring.terrain": ("Terrain",),
    "physics.material_points.matter": ("Matter",),
    "physics.material_points.scene": ("MaterialPoints",),
    "physics.rigid_bodies.bodies": ("Box", "Capsule", "Disc", "HalfPlane", "Polygon", "Segment"),
    "physics.rigid_bodies.drives": ("Push", "Thruster", "TorsionSpring"),
    "physics.rigid_bodies.joints": ("Pin", "Rope", "Slider", "Spring", "Weld"),
    "physics.rigid_bodies.scene": ("RigidBodies",),
    "physics.tomography.scene": ("Volume",),
    "physics.smoke.scene": ("Smoke",),
    "physics.water.scene": ("Water",),
    "planning": ("Balance", "Plan", "QuadraticCost", "balance", "plan"),
    "problem": ("Problem",),
    "rollout": ("Rollout",),
    "simulation": ("Simulation",),
    "sweeps": ("Sweep", "sweep"),
    "stepper": ("Stepper",),
    "tuning": (
        "LBFGS",
        "SGD",
        "Adam",
        "Change",
        "CosineDecay",
        "ExponentialDecay",
        "GaussNewton",
        "NormalisedGradientDescent",
        "PiecewiseConstant",
        "Result",
        "RMSProp",
        "Run",
        "SavedRun",
        "load_history",
        "load_params",
        "load_problem",
        "load_run",
        "save_rollouts",
        "tune",
    ),
    "viewing": (
        "plot_health",
        "plot_loss",
        "render_beside",
        "render_optimisation",
        "render_video",
        "save_png",
        "snapshot",
        "write_report",
    ),
}
_HOME = {name: f"{__name__}.{module}" for module, names in _NAMES.items() for name in names}

_DOORS = {name: f"{__name__}.bridges.{name}" for name in ("gym", "jax", "tensorflow", "torch")}
"""Modules for other libraries, each imported with its library; `dir` leaves them out: who walks through it has none."""

__all__ = sorted(_HOME)  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    """A public name, or a part of the package, imported now."""
    if name in _HOME:
        found = getattr(importlib.import_module(_HOME[name]), name)
        globals()[name] = found  # the next time Python finds it by itself
        return found
    if name in _DOORS:
        return importlib.import_module(_DOORS[name])
    if not name.startswith("_"):
        try:
            return importlib.import_module(f"{__name__}.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"{__name__}.{name}":
                raise
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """What there is, for completion."""
    return sorted({*globals(), *_HOME})
