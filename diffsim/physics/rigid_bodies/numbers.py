"""The numbers of a scene of planar rigid bodies: what they are called, and where they are kept."""

from dataclasses import dataclass

__all__ = ["NUMBERS", "OF_MASS", "ROWS", "Kept"]


@dataclass(frozen=True)
class Kept:
    """Where a number is kept: in an attribute of the scene, or of those of its elements that have it."""

    of: str  # "scene", or an attribute of it that lists elements
    attribute: str
    positive: bool = False  # whether elements where it is 0 count as being without


NUMBERS = {
    "initial_position": Kept("bodies", "position"),
    "initial_angle": Kept("bodies", "angle"),
    "initial_velocity": Kept("bodies", "velocity"),
    "initial_angular_velocity": Kept("bodies", "angular_velocity"),
    "density": Kept("scene", "density"),
    "body_density": Kept("bodies", "density"),
    "mass": Kept("bodies", "mass"),
    "inertia": Kept("bodies", "inertia"),
    "half_size": Kept("shapes", "half_size"),
    "half_length": Kept("shapes", "half_length"),
    "radius": Kept("shapes", "radius"),
    "vertices": Kept("shapes", "vertices"),
    "friction": Kept("scene", "friction"),
    "body_friction": Kept("bodies", "friction"),
    "restitution": Kept("scene", "restitution"),
    "body_restitution": Kept("bodies", "restitution"),
    "obstacle_position": Kept("obstacles", "position"),
    "obstacle_angle": Kept("obstacles", "angle"),
    "obstacle_friction": Kept("obstacles", "friction"),
    "obstacle_restitution": Kept("obstacles", "restitution"),
    "gravity": Kept("scene", "gravity"),
    "damping": Kept("scene", "damping"),
    "joint_anchor": Kept("joints", "anchors"),
    "joint_angle": Kept("joints", "angle"),
    "slider_axis": Kept("joints", "axis_angle"),
    "rope_length": Kept("joints", "length"),
    "motor": Kept("joints", "motor", positive=True),
    "joint_damping": Kept("joints", "damping", positive=True),
    "spring_anchor": Kept("springs", "anchors"),
    "stiffness": Kept("springs", "stiffness"),
    "rest_length": Kept("springs", "rest_length"),
    "spring_damping": Kept("springs", "damping"),
    "actuation": Kept("springs", "actuation"),
    "torsion_stiffness": Kept("torsion_springs", "stiffness"),
    "rest_angle": Kept("torsion_springs", "rest_angle"),
    "torsion_damping": Kept("torsion_springs", "damping"),
    "torsion_actuation": Kept("torsion_springs", "actuation"),
    "thrust": Kept("thrusters", "thrust"),
    "thruster_point": Kept("thrusters", "point"),
    "thruster_angle": Kept("thrusters", "angle"),
    "push_force": Kept("pushes", "forces"),
    "push_point": Kept("pushes", "point"),
}
"""By name, in the order of `RigidBodies.numbers`."""

OF_MASS = ("density", "body_density", "mass", "inertia", "half_size", "half_length", "radius", "vertices")
"""The numbers that masses and moments of inertia follow from."""

ROWS = ("vertices", "push_force")
"""The numbers of which one element may have any number of rows."""
