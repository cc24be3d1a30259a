"""Charged particles in two and three dimensions, by the leapfrog scheme.

Per step, with h the time step, c the damping and F the softened Coulomb forces (see `Charges`):

    m  = x + h / 2 v
    v' = exp(-c h / 2) (exp(-c h / 2) v + h F(m) / mass)
    x' = m + h / 2 v'

drift, kick and drift, with the damping in halves about the kick (Hairer, Lubich & Wanner 2003, Acta Numerica 12,
399-450, section 1.5): symmetric, so of order two; without damping symplectic, so that orbits neither grow nor shrink.
What a controller asks of electrodes holds for the whole step.
"""

from typing import Any

import numpy as np
import taichi as ti

from diffsim.engine.fields import Fields
from diffsim.engine.stages import Model, Rows, Stage
from diffsim.physics.charges.scene import Charges

__all__ = ["build"]


@ti.func
def start(cloud: ti.template(), env, row, step, k):
    cloud.position[env, 0, k] = cloud.initial_position[env, k]
    cloud.velocity[env, 0, k] = cloud.initial_velocity[env, k]
    cloud.inverse_mass[env, k] = 1.0 / cloud.mass[env, k]


@ti.func
def decay(cloud: ti.template(), env, row, step, k):
    cloud.keep[env, 0] = ti.exp(-0.5 * cloud.dt * cloud.damping[env, 0])


@ti.func
def average(cloud: ti.template(), env, row, step, k):
    cloud.centre[env, row, 0] += cloud.share * cloud.position[env, row, k]


@ti.func
def observe(cloud: ti.template(), env, row, step, k):
    for c in ti.static(range(cloud.d)):
        cloud.observation[env, row, 2 * cloud.d * k + c] = cloud.position[env, row, k][c]
        cloud.observation[env, row, 2 * cloud.d * k + cloud.d + c] = cloud.velocity[env, row, k][c]


@ti.func
def drift(cloud: ti.template(), env, row, step, k):
    cloud.middle[env, row, k] = cloud.position[env, row, k] + 0.5 * cloud.dt * cloud.velocity[env, row, k]


@ti.func
def repulsion(cloud: ti.template(), env, product, apart):
    """The force on what is ``apart`` [m] from a charge, their charges multiplied being ``product`` [C^2]."""
    square = apart.dot(apart) + cloud.softening[env, 0] * cloud.softening[env, 0]
    return (cloud.coulomb[env, 0] * product / (square * ti.sqrt(square))) * apart


@ti.func
def between(cloud: ti.template(), env, row, step, pair):
    a = cloud.first[pair]
    b = cloud.second[pair]
    apart = cloud.middle[env, row, a] - cloud.middle[env, row, b]
    force = repulsion(cloud, env, cloud.charge[env, a] * cloud.charge[env, b], apart)
    cloud.force[env, row, a] += force
    cloud.force[env, row, b] += -force


@ti.func
def by_fixed(cloud: ti.template(), env, row, step, pair):
    k = pair // cloud.f
    source = pair - k * cloud.f
    apart = cloud.middle[env, row, k] - cloud.fixed_position[env, source]
    cloud.force[env, row, k] += repulsion(cloud, env, cloud.charge[env, k] * cloud.fixed_charge[env, source], apart)


@ti.func
def by_electrode(cloud: ti.template(), env, row, step, pair):
    k = pair // cloud.e
    source = pair - k * cloud.e
    apart = cloud.middle[env, row, k] - cloud.electrode_position[env, source]
    charge = cloud.electrode_charge[env, source] * cloud.actuation[env, row, source]
    cloud.force[env, row, k] += repulsion(cloud, env, cloud.charge[env, k] * charge, apart)


@ti.func
def kick(cloud: ti.template(), env, row, step, k):
    keep = cloud.keep[env, 0]
    pushed = keep * cloud.velocity[env, row, k] + (cloud.dt * cloud.inverse_mass[env, k]) * cloud.force[env, row, k]
    cloud.velocity[env, row + 1, k] = keep * pushed
    cloud.position[env, row + 1, k] = cloud.middle[env, row, k] + (0.5 * cloud.dt * keep) * pushed


def build(scene: Charges, fields: Fields, steps: int, reads: frozenset[str]) -> Model:
    """Declare the fields of a scene and list its stages.

    Args:
        scene: what to simulate.
        fields: where fields are declared; not allocated yet.
        steps: length of the rollout.
        reads: what controller and objective want to read: "centre", "observation".
    """
    cloud = _cloud(scene, fields, reads)
    n = len(scene.initial_position)
    sense = [Stage(average, cloud, n)] if "centre" in reads else []
    sense += [Stage(observe, cloud, n)] if "observation" in reads else []
    return Model(
        cloud,
        prepare=(Stage(start, cloud, n), Stage(decay, cloud, 1)),
        sense=sense,
        step=(
            Stage(drift, cloud, n),
            Stage(between, cloud, n * (n - 1) // 2 if scene.interaction else 0),
            Stage(by_fixed, cloud, n * cloud.f),
            Stage(by_electrode, cloud, n * cloud.e),
            Stage(kick, cloud, n),
        ),
    )


def _cloud(scene: Charges, fields: Fields, reads: frozenset[str]) -> Any:
    """The numbers of the scene (env, element), what follows from them, and the trajectory (env, row, element)."""
    n = len(scene.initial_position)
    first, second = np.triu_indices(n, 1)
    # In the order in which a step computes them: the first that is not finite tells where it began.
    more: dict[str, Any] = {
        "position": Rows("n", "d", state=True),
        "velocity": Rows("n", "d", state=True),
    }  # [m], [m/s]
    if "centre" in reads:
        more["centre"] = Rows(1, "d", accumulates=True, recorded=False)  # mean of the positions [m]
    if "observation" in reads:
        more["observation"] = Rows(scene.observations)  # of each particle position [m] and velocity [m/s]
    return fields.record(
        scene,
        **more,
        actuation=Rows(len(scene.actuators), per_step=True),  # share of the charge of each electrode, -1 to 1
        middle=Rows("n", "d", recorded=False, per_step=True),  # positions half a step on [m]
        force=Rows("n", "d", accumulates=True, recorded=False, per_step=True),  # [N]
        first=fields.integers(first),  # (pair,) particles that push each other
        second=fields.integers(second),
        inverse_mass=fields.derived(n, of=["scene.mass"]),  # (env, particle) [1/kg]
        keep=fields.derived(1, of=["scene.damping"]),  # (env, 0) share of a velocity that is left after half a step
        share=1.0 / n,
    )
