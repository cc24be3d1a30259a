"""Drag of a fluid around the links: MuJoCo's inertia-box model.

Each link is the box of its mass and moments of inertia, with sides b and mean side d, in a medium of density rho and
viscosity beta that moves with the wind. Along each axis i of the box, with j and k the others, v the velocity of its
middle against the medium and w the angular velocity (MuJoCo's documentation, "Computation", section "Fluid forces"):

    f_i = -3 pi d beta v_i - rho b_j b_k |v_i| v_i / 2
    T_i = -pi d^3 beta w_i - rho b_i (b_j^4 + b_k^4) |w_i| w_i / 64
"""

import math
from dataclasses import dataclass
from typing import Any

import taichi as ti

from diffsim.engine.fields import Fields
from diffsim.engine.stages import Stage
from diffsim.physics.articulated.rotation import unpacked
from diffsim.physics.articulated.scene import Articulated
from diffsim.physics.articulated.spatial import angular, linear, spatial

__all__ = ["Medium", "medium_of", "stages"]

LEAST = 1.0e-15
"""Of a mass and a moment, MuJoCo's."""


@dataclass(frozen=True)
class Medium:
    """What surrounds the links: fields (env, 0)."""

    density: Any  # [kg/m^3]
    viscosity: Any  # [Pa s]
    wind: Any  # [m/s]


def medium_of(scene: Articulated, fields: Fields) -> Medium | None:
    """Declare its fields; None if there is none."""
    if not scene.immersed:
        return None
    return Medium(
        density=fields.number("scene.density", 1),
        viscosity=fields.number("scene.viscosity", 1),
        wind=fields.number("scene.wind", 1, 3),
    )


@ti.func
def drag(
    medium: ti.template(), tree: ti.template(), motion: ti.template(), work: ti.template(), env, row, step, element
):
    """Force of the medium on a link."""
    part = element // tree.bodies
    link = tree.heavy[element - part * tree.bodies]
    last = tree.carrier[link]
    at = part * tree.chains + last
    frame = part * tree.frames + link
    rotation = unpacked(motion.rotation[env, row, frame])
    axes = rotation @ unpacked(tree.axes[env, link])
    origin = motion.position[env, row, part * tree.frames + tree.root[last]]
    c = motion.position[env, row, frame] - origin + rotation @ tree.centre[env, link]
    speed = work.speed[env, row, at]
    spin = axes.transpose() @ angular(speed)
    flow = axes.transpose() @ (linear(speed) + angular(speed).cross(c) - medium.wind[env, 0])
    moments = tree.inertia[env, link]
    size = 6.0 / ti.max(tree.mass[env, link], LEAST)
    b = ti.Vector(
        [
            ti.sqrt(size * ti.max(moments[1] + moments[2] - moments[0], LEAST)),
            ti.sqrt(size * ti.max(moments[0] + moments[2] - moments[1], LEAST)),
            ti.sqrt(size * ti.max(moments[0] + moments[1] - moments[2], LEAST)),
        ]
    )
    mean = b.sum() / 3.0
    thick = medium.viscosity[env, 0] * mean * math.pi
    heavy = medium.density[env, 0]
    area = ti.Vector([b[1] * b[2], b[0] * b[2], b[0] * b[1]])
    fourth = b * b * b * b
    blades = b * (fourth.sum() - fourth)
    force = -3.0 * thick * flow - (0.5 * heavy) * (area * ti.abs(flow) * flow)
    torque = -(thick * mean * mean) * spin - (heavy / 64.0) * (blades * ti.abs(spin) * spin)
    pull = axes @ force
    work.force[env, row, at] += -spatial(c.cross(pull) + axes @ torque, pull)


def stages(medium: Medium | None, tree: Any, motion: Any, work: Any) -> tuple[Stage, ...]:
    """What adds drag to the forces of a substep."""
    return (Stage(drag, (medium, tree, motion, work), tree.bodies),) if medium else ()
