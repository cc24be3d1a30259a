"""Models for cases with known answers that mass points cannot express, made as docs/own_model.md says.

Each scene's numbers are all its fields, the time step among them: one simulation then runs at several time steps, and
the gradient by the duration T of n steps is that by dt over n. Read a rollout's row n, not its `time`, which is the
scene's.
"""

from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar

import numpy as np
import taichi as ti

import diffsim as ds
from diffsim import physics
from diffsim.engine.stages import Model, Stage
from diffsim.physics import contact
from diffsim.spec import Spec, array

WAYS = {
    "fused": {},
    "fused, in segments": {"adjoint": ds.Checkpointed(every=37)},
    "wide, in segments": {"adjoint": ds.Checkpointed(every=37), "executor": "wide"},
}
"""Settings under which every model must give the same."""


class SmallScene(Spec):
    """A scene whose fields are numbers of the shapes in ``shapes``."""

    kind: ClassVar[str] = "scene"
    dimension: ClassVar[int] = 2
    observations: ClassVar[int] = 0
    actuators: ClassVar[np.ndarray] = np.zeros(0, int)
    shapes: ClassVar[dict[str, tuple]]

    def __post_init__(self):
        for field in fields(self):
            owner = f"{type(self).__name__}.{field.name}"
            self._set(**{field.name: array(owner, getattr(self, field.name), self.shapes[field.name])})

    def numbers(self):
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def with_numbers(self, numbers):
        return replace(self, **numbers)


BUILDERS = {}


@contextmanager
def registered():
    """The models of this file can be simulated inside, and are unknown again afterwards."""
    before = dict(physics._REGISTRY)
    for scene, build in BUILDERS.items():
        physics.register(scene, build)
    try:
        yield
    finally:
        physics._REGISTRY.clear()
        physics._REGISTRY.update(before)


# A pendulum: w' = w - h g / l sin(a), a' = a + h w'


@dataclass(frozen=True, eq=False, repr=False)
class MathematicalPendulum(SmallScene):
    shapes: ClassVar = {"length": (), "gravity": (), "angle": (), "dt": ()}

    length: Any  # [m]
    gravity: Any  # [m/s^2]
    angle: Any  # at the start, where it is at rest [rad]
    dt: Any  # [s]


@dataclass(frozen=True)
class Swing:
    length: Any  # (env, 0) [m]
    gravity: Any  # (env, 0) [m/s^2]
    start: Any  # (env, 0) [rad]
    dt: Any  # (env, 0) [s]
    angle: Any  # (env, row, 0) [rad]
    rate: Any  # (env, row, 0) [rad/s]


@ti.func
def let_go(swing: ti.template(), env, row, step, k):
    swing.angle[env, 0, k] = swing.start[env, k]
    swing.rate[env, 0, k] = 0.0


@ti.func
def swing_on(swing: ti.template(), env, row, step, k):
    pull = swing.gravity[env, k] / swing.length[env, k] * ti.sin(swing.angle[env, row, k])
    rate = swing.rate[env, row, k] - swing.dt[env, k] * pull
    swing.rate[env, row + 1, k] = rate
    swing.angle[env, row + 1, k] = swing.angle[env, row, k] + swing.dt[env, k] * rate


def build_pendulum(scene, fields, steps, reads):
    number, rows = fields.number, fields.trajectory
    swing = Swing(
        *(number(f"scene.{name}", 1) for name in ("length", "gravity", "angle", "dt")),
        rows("angle", 1, state=True),
        rows("rate", 1, state=True),
    )
    return small_model(swing, scene, steps, let_go, swing_on)


def small_model(record, scene, steps, prepare, *step, elements=1):
    """A model of one record, without actuators; every stage has ``elements`` elements."""
    return Model(
        record,
        scene.dimension,
        float(scene.dt),
        steps,
        places=elements,
        actuators=0,
        observations=0,
        prepare=(Stage(prepare, (record,), elements),),
        step=tuple(Stage(function, (record,), elements) for function in step),
    )


BUILDERS[MathematicalPendulum] = build_pendulum


# A linear system with feedback: u = -K x, x' = A x + B u


@dataclass(frozen=True, eq=False, repr=False)
class LinearSystem(SmallScene):
    shapes: ClassVar = {"start": ("n",), "dynamics": ("n", "n"), "input": ("n",), "gain": ("n",), "dt": ()}

    start: Any  # (n,) x at the first row
    dynamics: Any  # (n, n) A
    input: Any  # (n,) B
    gain: Any  # (n,) K
    dt: Any  # [s]; the rows' distance in time, which A and B know already


@dataclass(frozen=True)
class Loop:
    start: Any  # (env, 0)
    dynamics: Any  # (env, n) rows of A
    input: Any  # (env, 0)
    gain: Any  # (env, 0)
    state: Any  # (env, row, 0)
    control: Any  # (env, row, 0)


@ti.func
def begin(loop: ti.template(), env, row, step, k):
    loop.state[env, 0, k] = loop.start[env, k]


@ti.func
def feed_back(loop: ti.template(), env, row, step, k):
    loop.control[env, row, k] = -loop.gain[env, k].dot(loop.state[env, row, k])


@ti.func
def respond(loop: ti.template(), env, row, step, k):
    x = loop.state[env, row, k]
    drift = ti.Vector([loop.dynamics[env, i].dot(x) for i in ti.static(range(x.n))])
    loop.state[env, row + 1, k] = drift + loop.control[env, row, k] * loop.input[env, k]


def build_linear(scene, fields, steps, reads):
    n, number, rows = len(scene.start), fields.number, fields.trajectory
    loop = Loop(
        number("scene.start", 1, n),
        number("scene.dynamics", n, n),
        number("scene.input", 1, n),
        number("scene.gain", 1, n),
        rows("state", 1, n, state=True),
        rows("control", 1, per_step=True),
    )
    return small_model(loop, scene, steps, begin, feed_back, respond)


BUILDERS[LinearSystem] = build_linear


# A disc of 1 kg over a floor at height 0, which bounces, slides and rolls


@dataclass(frozen=True, eq=False, repr=False)
class RollingDisc(SmallScene):
    shapes: ClassVar = {
        "initial_position": (1, 2),
        "initial_velocity": (1, 2),
        "radius": (),
        "gravity": (2,),
        "friction": (),
        "restitution": (),
        "dt": (),
    }

    initial_position: Any  # of the centre [m]
    initial_velocity: Any  # [m/s]
    radius: Any  # [m]
    gravity: Any = (0.0, -9.81)  # [m/s^2]
    friction: Any = 0.0
    restitution: Any = 0.0
    dt: Any = 0.01  # [s]


@dataclass(frozen=True)
class Rolling:
    initial_position: Any  # (env, 0) [m]
    initial_velocity: Any  # (env, 0) [m/s]
    radius: Any  # (env, 0) [m]
    gravity: Any  # (env, 0) [m/s^2]
    friction: Any  # (env, 0)
    restitution: Any  # (env, 0)
    dt: Any  # (env, 0) [s]
    position: Any  # (env, row, 0) [m]
    velocity: Any  # (env, row, 0) [m/s]
    spin: Any  # (env, row, 0) counter-clockwise [rad/s]
    contact: Any  # (env, row, 0) events, or None


@ti.func
def throw(disc: ti.template(), env, row, step, k):
    disc.position[env, 0, k] = disc.initial_position[env, k]
    disc.velocity[env, 0, k] = disc.initial_velocity[env, k]
    disc.spin[env, 0, k] = 0.0


@ti.func
def roll(disc: ti.template(), env, row, step, k):
    dt = disc.dt[env, k]
    before = disc.velocity[env, row, k]
    velocity = before + dt * disc.gravity[env, k]
    position = disc.position[env, row, k]
    gap, speed = position[1] - disc.radius[env, k], velocity[1]
    if contact.meets(gap, speed, dt):
        contact.mark(disc.contact, env, row, k, contact.MEETS)
        gain, restitution = speed - before[1], disc.restitution[env, k]
        bounce = contact.time_of_bounce(gap, speed, dt)
        up = contact.rebound(speed, gain, bounce / dt, restitution)
        if contact.leaves(up, gain, restitution):
            contact.mark_bounce(disc.contact, env, row, k, gap, speed, dt)
            touch(disc, env, row, k, dt, position, velocity, bounce, up)
        else:
            contact.mark_stay(disc.contact, env, row, k, gap, speed, before[1], dt)
            touch(disc, env, row, k, dt, position, velocity, contact.time_of_impact(gap, speed, before[1], dt), 0.0)
    else:
        disc.position[env, row + 1, k] = position + dt * velocity
        disc.velocity[env, row + 1, k] = velocity
        disc.spin[env, row + 1, k] = disc.spin[env, row, k]


@ti.func
def touch(disc: ti.template(), env, row, k, dt, position, velocity, impact, up):
    """At the floor: an impulse gives the lowest point of the disc three times the speed that it gives the centre."""
    slip = velocity[0] + disc.radius[env, k] * disc.spin[env, row, k]
    needed = ti.abs(slip) / 3.0
    limit = contact.grip(disc.friction[env, k], contact.impulse(velocity[1], up, 1.0))
    if contact.slides(needed, limit):
        contact.mark(disc.contact, env, row, k, contact.SLIDES)
        end(disc, env, row, k, dt, position, velocity, impact, up, slip, contact.slowed(slip, needed, limit))
    else:
        end(disc, env, row, k, dt, position, velocity, impact, up, slip, 0.0)


@ti.func
def end(disc: ti.template(), env, row, k, dt, position, velocity, impact, up, slip, slip_after):
    along = (slip_after - slip) / 3.0
    after = ti.Vector([velocity[0] + along, up])
    disc.position[env, row + 1, k] = contact.moved(position, velocity, after, impact, dt)
    disc.velocity[env, row + 1, k] = after
    disc.spin[env, row + 1, k] = disc.spin[env, row, k] + 2.0 * along / disc.radius[env, k]


def build_disc(scene, fields, steps, reads):
    rows = fields.trajectory
    disc = Rolling(
        *(fields.number(f"scene.{name}", 1, shape[-1] if shape else 0) for name, shape in scene.shapes.items()),
        rows("position", 1, 2, state=True),
        rows("velocity", 1, 2, state=True),
        rows("spin", 1, state=True),
        rows("contact", 1, accumulates=True, per_step=True) if fields.record_all else None,
    )
    return small_model(disc, scene, steps, throw, roll)


BUILDERS[RollingDisc] = build_disc


# Two smooth discs that collide


@dataclass(frozen=True, eq=False, repr=False)
class DiscPair(SmallScene):
    shapes: ClassVar = {
        "initial_position": (2, 2),
        "initial_velocity": (2, 2),
        "mass": (2,),
        "radius": (2,),
        "restitution": (),
        "dt": (),
    }

    initial_position: Any  # of the centres [m]
    initial_velocity: Any  # [m/s]
    mass: Any  # [kg]
    radius: Any  # [m]
    restitution: Any
    dt: Any  # [s]


@dataclass(frozen=True)
class Table:
    initial_position: Any  # (env, disc) [m]
    initial_velocity: Any  # (env, disc) [m/s]
    mass: Any  # (env, disc) [kg]
    radius: Any  # (env, disc) [m]
    restitution: Any  # (env, 0)
    dt: Any  # (env, 0) [s]
    position: Any  # (env, row, disc) [m]
    velocity: Any  # (env, row, disc) [m/s]
    kick: Any  # (env, row, disc) what impacts add to the velocity [m/s]
    lag: Any  # (env, row, disc) sum of each such change times its time of impact [m]
    contact: Any  # (env, row, 0) events, or None


@ti.func
def place(table: ti.template(), env, row, step, disc):
    table.position[env, 0, disc] = table.initial_position[env, disc]
    table.velocity[env, 0, disc] = table.initial_velocity[env, disc]


@ti.func
def collide(table: ti.template(), env, row, step, pair):
    dt = table.dt[env, 0]
    apart = table.position[env, row, 1] - table.position[env, row, 0]
    approach = table.velocity[env, row, 1] - table.velocity[env, row, 0]
    reach = table.radius[env, 0] + table.radius[env, 1]
    if contact.discs_meet(apart, approach, reach, dt):
        contact.mark(table.contact, env, row, pair, contact.MEETS)
        gap, speed = contact.gap_of_discs(apart, reach), contact.speed_of_discs(apart, approach, reach)
        contact.mark_bounce(table.contact, env, row, pair, gap, speed, dt)
        impact = contact.time_of_bounce(gap, speed, dt)
        normal = contact.normal_at_impact(apart, approach, impact)
        closing = approach.dot(normal)
        up = contact.rebound(closing, 0.0, impact / dt, table.restitution[env, 0])
        give = contact.impulse(closing, up, 1.0 / table.mass[env, 0] + 1.0 / table.mass[env, 1]) * normal
        for k in ti.static(range(2)):
            change = (2.0 * k - 1.0) / table.mass[env, k] * give
            table.kick[env, row, k] += change
            table.lag[env, row, k] += impact * change


@ti.func
def go_on(table: ti.template(), env, row, step, disc):
    """`moved`, for a disc that may collide with several: position + dt * after - sum of impact * change."""
    after = table.velocity[env, row, disc] + table.kick[env, row, disc]
    table.velocity[env, row + 1, disc] = after
    table.position[env, row + 1, disc] = (
        table.position[env, row, disc] + table.dt[env, 0] * after - table.lag[env, row, disc]
    )


def build_pair(scene, fields, steps, reads):
    number, rows = fields.number, fields.trajectory
    table = Table(
        number("scene.initial_position", 2, 2),
        number("scene.initial_velocity", 2, 2),
        number("scene.mass", 2),
        number("scene.radius", 2),
        number("scene.restitution", 1),
        number("scene.dt", 1),
        rows("position", 2, 2, state=True),
        rows("velocity", 2, 2, state=True),
        rows("kick", 2, 2, accumulates=True, recorded=False),
        rows("lag", 2, 2, accumulates=True, recorded=False),
        rows("contact", 1, accumulates=True, per_step=True) if fields.record_all else None,
    )
    model = small_model(table, scene, steps, place, elements=2)
    return replace(model, step=(Stage(collide, (table,), 1), Stage(go_on, (table,), 2)))


BUILDERS[DiscPair] = build_pair
