"""Mass-spring systems in two and three dimensions, by semi-implicit Euler.

Per step, with h the time step (Hu et al. 2020, arXiv:1910.00935, section 3; what differs: forces instead of unit
masses, dashpots along the springs, Coulomb friction and restitution at the ground):

    f_i  = sum over springs of -(k (l - l0 (1 + s a)) + c dl/dt) e,   e the direction of the spring, plus external,
           minus the derivative of the cells' energy (see `cells`), plus contact with itself (see `self_contact`)
    v_i' = exp(-d h) v_i + h (f_i / m_i + g)
    x_i' = x_i + h v_i', unless the point meets the ground on the way (see `contact`)
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import taichi as ti

from diffsim.engine.fields import Fields
from diffsim.engine.stages import Model, Stage
from diffsim.physics.mass_spring.cell_forces import area_force, volume_force
from diffsim.physics.mass_spring.ground import Ground
from diffsim.physics.mass_spring.landing import above, begin, fly, go, keep, kept, land
from diffsim.physics.mass_spring.scene import MassSpring
from diffsim.physics.mass_spring.self_contact_stages import touching
from diffsim.physics.mass_spring.terrain import Terrain
from diffsim.physics.mass_spring.terrain_pieces import find_piece, piece_of

__all__ = ["build"]

SHORTEST = 1e-12
"""Added to a squared length [m^2]: the direction of a collapsed spring stays finite, and a spring of 1 cm is longer by
5e-9 of its length."""

VELOCITY_SCALE = 0.05
"""What a controller observes of a velocity [s/m]: 20 m/s is about one, as an offset of 1 m is."""


@dataclass(frozen=True)
class Motion:
    """The trajectory: fields (env, row, element)."""

    position: Any  # (env, row, point) [m]
    velocity: Any  # (env, row, point) [m/s]
    load: Any  # (env, row, point) what pressed it onto ground where it sticks, in the step before: force over mass,
    # times the step [m/s]; 0 if it was off the ground; None without such ground
    bearing: Any  # (env, row, point) normal of the terrain there; None but for terrain where it sticks
    centre: Any  # (env, row, 0) mean of the positions [m]
    observation: Any  # (env, row, k) offsets from the centre [m], then scaled velocities
    actuator_position: Any  # (env, row, actuator) relative extension of the spring
    actuator_velocity: Any  # (env, row, actuator) its rate [1/s]
    actuation: Any  # (env, row, actuator)
    force: Any  # (env, row, point) of the springs [N]
    contact: Any  # (env, row, point) events of `diffsim.events`; None unless everything is recorded
    piece: Any  # (env, row, point) of a terrain that a point meets in the step, or -1; None without one


@ti.func
def start_fixed(points: ti.template(), motion: ti.template(), env, row, step, k):
    point = points.fixed[k]
    motion.position[env, 0, point] = points.initial_position[env, point]
    motion.velocity[env, 0, point] = ti.zero(points.initial_position[env, point])
    begin(motion, env, point, ti.zero(points.initial_position[env, point]))


@ti.func
def start_moving(points: ti.template(), motion: ti.template(), env, row, step, k):
    point = points.mobile[k]
    motion.position[env, 0, point] = points.initial_position[env, point]
    motion.velocity[env, 0, point] = points.initial_velocity[env, point]
    begin(motion, env, point, ti.zero(points.initial_position[env, point]))
    points.inverse_mass[env, point] = 1.0 / points.mass[env, point]


@ti.func
def decay(points: ti.template(), motion: ti.template(), env, row, step, k):
    points.keep[env, 0] = ti.exp(-points.damping[env, 0] * points.dt)


@ti.func
def incline(points: ti.template(), motion: ti.template(), env, row, step, k):
    given = points.ground_normal[env, 0]
    points.inclined[env, 0] = given / ti.sqrt(given.dot(given))


@ti.func
def centre(points: ti.template(), motion: ti.template(), env, row, step, point):
    motion.centre[env, row, 0] += points.share * motion.position[env, row, point]


@ti.func
def observe(points: ti.template(), motion: ti.template(), env, row, step, point):
    d = ti.static(len(points.normal))
    offset = motion.position[env, row, point] - motion.centre[env, row, 0]
    velocity = motion.velocity[env, row, point]
    for c in ti.static(range(d)):
        motion.observation[env, row, 2 * d * point + c] = offset[c]
        motion.observation[env, row, 2 * d * point + d + c] = VELOCITY_SCALE * velocity[c]


@ti.func
def extension(points: ti.template(), motion: ti.template(), env, row, step, muscle):
    spring = points.muscles[muscle]
    a = points.first[spring]
    b = points.second[spring]
    apart = motion.position[env, row, a] - motion.position[env, row, b]
    approach = motion.velocity[env, row, a] - motion.velocity[env, row, b]
    length = ti.sqrt(apart.dot(apart) + SHORTEST)
    rest = points.rest_length[env, spring]
    motion.actuator_position[env, row, muscle] = length / rest - 1.0
    motion.actuator_velocity[env, row, muscle] = apart.dot(approach) / (length * rest)


@ti.func
def pull(points: ti.template(), motion: ti.template(), env, row, spring, target):
    """Add the force of a spring that wants to be ``target`` long to both its ends."""
    a = points.first[spring]
    b = points.second[spring]
    apart = motion.position[env, row, a] - motion.position[env, row, b]
    length = ti.sqrt(apart.dot(apart) + SHORTEST)
    tension = points.stiffness[env, spring] * (length - target)
    if ti.static(points.dashpots):
        approach = motion.velocity[env, row, a] - motion.velocity[env, row, b]
        damped = tension + points.spring_damping[env, spring] * apart.dot(approach) / length
        force = (damped / length) * apart
        motion.force[env, row, a] += -force
        motion.force[env, row, b] += force
    else:
        force = (tension / length) * apart
        motion.force[env, row, a] += -force
        motion.force[env, row, b] += force


@ti.func
def muscle_force(points: ti.template(), motion: ti.template(), env, row, step, muscle):
    spring = points.muscles[muscle]
    stretch = 1.0 + points.actuation[env, spring] * motion.actuation[env, row, muscle]
    pull(points, motion, env, row, spring, points.rest_length[env, spring] * stretch)


@ti.func
def spring_force(points: ti.template(), motion: ti.template(), env, row, step, k):
    spring = points.passive[k]
    pull(points, motion, env, row, spring, points.rest_length[env, spring])


@ti.func
def hold(points: ti.template(), motion: ti.template(), env, row, step, k):
    point = points.fixed[k]
    motion.position[env, row + 1, point] = motion.position[env, row, point]
    motion.velocity[env, row + 1, point] = motion.velocity[env, row, point]
    nothing = ti.zero(points.initial_position[env, point])
    keep(motion, env, row, point, 0.0, nothing)


@ti.func
def advance(points: ti.template(), motion: ti.template(), env, row, step, k):
    """Semi-implicit Euler for one point, with the ground."""
    point = points.mobile[k]
    dt = ti.static(points.dt)
    if ti.static(points.pushed):
        push = motion.force[env, row, point] + points.force[env, point]
        move(points, motion, env, row, point, dt, push)
    else:
        move(points, motion, env, row, point, dt, motion.force[env, row, point])


@ti.func
def move(points: ti.template(), motion: ti.template(), env, row, point, dt, force):
    push = dt * (points.inverse_mass[env, point] * force + points.gravity[env, 0])
    velocity = points.keep[env, 0] * motion.velocity[env, row, point] + push
    position = motion.position[env, row, point]
    if ti.static(points.hilly):
        piece = motion.piece[env, row, point]
        if piece >= 0:
            at, normal = piece_of(points, env, piece)
            gap = (position - at).dot(normal)
            raised = position - ti.min(gap, 0.0) * normal  # what has come below a piece is put back onto it
            land(points, motion, env, row, point, dt, raised, velocity, push, normal, gap, velocity.dot(normal))
        elif ti.static(kept(motion.bearing)):
            fly(motion, env, row, point, dt, position, velocity, push, motion.bearing[env, row, point])
        else:
            go(motion, env, row, point, dt, position, velocity)
    elif ti.static(points.grounded):
        if ti.static(points.turns):
            above(points, motion, env, row, point, dt, position, velocity, push, points.inclined[env, 0])
        else:
            above(points, motion, env, row, point, dt, position, velocity, push, ti.Vector(ti.static(points.normal)))
    else:
        go(motion, env, row, point, dt, position, velocity)


def build(scene: MassSpring, fields: Fields, steps: int, reads: frozenset[str]) -> Model:
    """Declare the fields of a scene and list its stages.

    Args:
        scene: what to simulate.
        fields: where fields are declared; not allocated yet.
        steps: length of the rollout.
        reads: what controller and objective want to read: "centre", "observation", "actuator_state".
    """
    points, motion = _points(scene, fields), _motion(scene, fields, reads)
    records = (points, motion)
    n, muscles, fixed = len(scene.points), len(scene.actuators), len(scene.fixed)
    moving, passive = n - fixed, len(scene.springs) - muscles
    reset, touch = touching(scene, fields, motion)
    celled = np.any(scene.cell_stiffness) or "scene.cell_stiffness" in fields.tuned
    resist = area_force if scene.dimension == 2 else volume_force
    sense = []
    if reads & {"centre", "observation"}:
        sense.append(Stage(centre, records, n))
    if "observation" in reads:
        sense.append(Stage(observe, records, n))
    if "actuator_state" in reads:
        sense.append(Stage(extension, records, muscles))
    return Model(
        motion=motion,
        dimension=scene.dimension,
        dt=scene.dt,
        steps=steps,
        places=n,
        actuators=muscles,
        observations=scene.observations,
        prepare=(
            Stage(start_moving, records, moving),
            Stage(start_fixed, records, fixed),
            Stage(decay, records, 1),
            Stage(incline, records, int(points.turns)),
            *reset,
        ),
        sense=tuple(sense),
        step=(
            Stage(muscle_force, records, muscles),
            Stage(spring_force, records, passive),
            Stage(resist, records, len(scene.cells) if celled else 0),
            *touch,
            Stage(find_piece, records, moving if points.hilly else 0, differentiable=False),
            Stage(advance, records, moving),
            Stage(hold, records, fixed),
        ),
    )


def _points(scene: MassSpring, fields: Fields) -> Any:
    """The scene: its numbers (env, element), as they are declared, and what follows from them."""
    s, ground, tuned = len(scene.springs), scene.ground, fields.tuned
    terrain = ground if isinstance(ground, Terrain) else None
    plane = ground if isinstance(ground, Ground) else None
    sticky = ground is not None and not np.isfinite(ground.friction)
    turns = plane is not None and "scene.ground_normal" in tuned
    return fields.record(
        scene,
        first=fields.integers(scene.springs[:, 0]),  # (spring,) point at one end
        second=fields.integers(scene.springs[:, 1]),  # (spring,) point at the other end
        muscles=fields.integers(scene.actuators),  # (actuator,) spring that is driven
        passive=fields.integers(np.setdiff1d(np.arange(s), scene.actuators)),  # (k,) springs that are not
        mobile=fields.integers(np.setdiff1d(np.arange(len(scene.points)), scene.fixed)),  # (k,) points that move
        fixed=fields.integers(scene.fixed),  # (k,) points that do not
        corner=fields.integers(scene.cells.reshape(-1)),  # (cell * (d + 1) + k,) points of each cell
        ground_height=fields.number("scene.ground_height", 1) if plane else None,  # (env, 0) [m]
        heights=fields.number("scene.heights", terrain.heights.size) if terrain else None,  # (env, k) [m]
        cells=tuple(terrain.cells.tolist()) if terrain else (),  # along x, and y
        low=tuple(np.atleast_1d(terrain.low).tolist()) if terrain else (),  # where they begin [m]
        width=tuple((np.atleast_1d(terrain.high - terrain.low) / terrain.cells).tolist()) if terrain else (),  # [m]
        ground_normal=fields.number("scene.ground_normal", 1, scene.dimension) if turns else None,  # (env, 0)
        inclined=fields.derived(1, scene.dimension, of=["scene.ground_normal"]) if turns else None,  # of length 1
        friction=fields.number("scene.friction", 1) if ground and not sticky else None,  # (env, 0)
        restitution=fields.number("scene.restitution", 1) if ground else None,  # (env, 0)
        inverse_mass=fields.derived(len(scene.points), of=["scene.mass"]),  # (env, point) [1/kg]
        keep=fields.derived(1, of=["scene.damping"]),  # (env, 0) share of a velocity that is left after a step
        share=1.0 / len(scene.points),
        normal=tuple(plane.normal.tolist()) if plane else (0.0,) * scene.dimension,  # of a ground that stays as it is
        turns=turns,  # the ground's normal is tuned
        grounded=plane is not None,
        hilly=terrain is not None,
        sticky=sticky,  # its friction is infinite
        bouncy=ground is not None and (ground.restitution > 0.0 or "scene.restitution" in tuned),
        timed=plane is None or plane.time_of_impact,  # impacts are taken when they happen, not at their step's start
        dashpots=bool(np.any(scene.spring_damping)) or "scene.spring_damping" in tuned,  # springs have damping
        pushed=bool(np.any(scene.force)) or "scene.force" in tuned,  # there are external forces
    )


def _motion(scene: MassSpring, fields: Fields, reads: frozenset[str]) -> Motion:
    n, d, muscles = len(scene.points), scene.dimension, len(scene.actuators)
    observed, sensed = "observation" in reads, "actuator_state" in reads
    centred = observed or "centre" in reads
    rows = fields.trajectory
    ground = scene.ground
    timed = isinstance(ground, Terrain) or (isinstance(ground, Ground) and ground.time_of_impact)
    sticks = timed and ground is not None and not np.isfinite(ground.friction)
    # In the order in which a step computes them: the first that is not finite tells where it began.
    return Motion(
        position=rows("position", n, d, state=True),
        velocity=rows("velocity", n, d, state=True),
        load=rows("load", n, state=True, recorded=False) if sticks else None,
        bearing=rows("bearing", n, d, state=True, recorded=False) if sticks and isinstance(ground, Terrain) else None,
        centre=rows("centre", 1, d, accumulates=True, recorded=False) if centred else None,
        observation=rows("observation", scene.observations) if observed else None,
        actuator_position=rows("actuator_position", muscles) if sensed else None,
        actuator_velocity=rows("actuator_velocity", muscles) if sensed else None,
        actuation=rows("actuation", muscles, per_step=True),
        force=rows("force", n, d, accumulates=True, recorded=False),
        contact=rows("contact", n, accumulates=True, per_step=True) if fields.record_all else None,
        piece=fields.decision(n) if isinstance(scene.ground, Terrain) else None,
    )
