"""The records of torsion springs, thrusters and pushes."""

import numpy as np

from diffsim.engine.fields import Fields
from diffsim.physics.rigid_bodies.declared import Numbers
from diffsim.physics.rigid_bodies.records import Drives, Pushes
from diffsim.physics.rigid_bodies.scene import RigidBodies

__all__ = ["drives_of", "pushes_of"]


def drives_of(scene: RigidBodies, fields: Fields) -> Drives:
    """Its torsion springs and thrusters."""
    springs, thrusters, world = scene.torsion_springs, scene.thrusters, len(scene.shapes)
    number, t = Numbers(scene, fields), len(springs)
    first = len(scene.driven_springs) + len(scene.driven_joints)
    driven = scene.driven_torsion_springs
    actuators = np.full(t, -1)
    actuators[driven] = first + np.arange(len(driven))
    return Drives(
        twist_first=fields.integers(np.array([spring.first for spring in springs])),
        twist_second=fields.integers(np.array([world if s.second is None else s.second for s in springs])),
        twist_stiffness=number.some("torsion_stiffness", t),
        rest_angle=number.some("rest_angle", t),
        twist_damping=number.some("torsion_damping", t),
        twist_actuation=number.some("torsion_actuation", t),
        twist_actuator=fields.integers(actuators),
        thrust_body=fields.integers(np.array([thruster.body for thruster in thrusters])),
        thrust=number.some("thrust", len(thrusters)),
        thrust_point=number.some("thruster_point", len(thrusters), 2),
        thrust_angle=number.some("thruster_angle", len(thrusters)),
        thrust_turns=fields.integers(np.array([thruster.turns for thruster in thrusters])),
        thrust_first=first + len(driven),
    )


def pushes_of(scene: RigidBodies, fields: Fields) -> list[Pushes]:
    """Its pushes; all have the same fields."""
    pushes, number = scene.pushes, Numbers(scene, fields)
    counts = [len(push.forces) for push in pushes]
    forces = number.some("push_force", sum(counts), 2, members=range(sum(counts)))
    point = number.some("push_point", len(pushes), 2)
    return [
        Pushes(
            forces=forces,
            point=point,
            index=k,
            body=push.body,
            first=sum(counts[:k]),
            samples=counts[k],
            start=push.start,
            every=push.every,
            dt=scene.dt,
            real=fields.real,
        )
        for k, push in enumerate(pushes)
    ]
