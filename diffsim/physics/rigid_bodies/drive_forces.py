"""Torques of torsion springs, and forces of thrusters and recorded pushes."""

import taichi as ti

from diffsim.physics.rigid_bodies.collision import cross, rotated
from diffsim.physics.rigid_bodies.joint_forces import velocity_at

__all__ = ["push_force", "thruster_force", "thruster_state", "torsion_state", "torsion_torque"]


@ti.func
def torsion_torque(drives: ti.template(), motion: ti.template(), env, row, step, k):
    """Of a torsion spring, whose rest angle an actuator may change."""
    a = drives.twist_first[k]
    b = drives.twist_second[k]
    angle = motion.angle[env, row, b] - motion.angle[env, row, a] - drives.rest_angle[env, k]
    rate = motion.angular_velocity[env, row, b] - motion.angular_velocity[env, row, a]
    if drives.twist_actuator[k] >= 0:
        change = drives.twist_actuation[env, k] * motion.actuation[env, row, drives.twist_actuator[k]]
        torque = -drives.twist_stiffness[env, k] * (angle - change) - drives.twist_damping[env, k] * rate
        motion.torque[env, row, a] += -torque
        motion.torque[env, row, b] += torque
    else:
        torque = -drives.twist_stiffness[env, k] * angle - drives.twist_damping[env, k] * rate
        motion.torque[env, row, a] += -torque
        motion.torque[env, row, b] += torque


@ti.func
def torsion_state(drives: ti.template(), motion: ti.template(), env, row, step, k):
    """Angle from rest of a driven torsion spring, and its rate."""
    if drives.twist_actuator[k] >= 0:
        a = drives.twist_first[k]
        b = drives.twist_second[k]
        angle = motion.angle[env, row, b] - motion.angle[env, row, a] - drives.rest_angle[env, k]
        rate = motion.angular_velocity[env, row, b] - motion.angular_velocity[env, row, a]
        motion.actuator_position[env, row, drives.twist_actuator[k]] = angle
        motion.actuator_velocity[env, row, drives.twist_actuator[k]] = rate


@ti.func
def direction_of(
    drives: ti.template(), motion: ti.template(), env: ti.template(), row: ti.template(), k: ti.template()
):
    """Of a thruster, in the world."""
    angle = drives.thrust_angle[env, k]
    way = ti.Vector([ti.cos(angle), ti.sin(angle)])
    return ti.select(drives.thrust_turns[k] == 1, rotated(motion.rotation[env, row, drives.thrust_body[k]], way), way)


@ti.func
def thruster_force(drives: ti.template(), motion: ti.template(), env, row, step, k):
    """Of a thruster, as far as the controller asks for it."""
    body = drives.thrust_body[k]
    arm = rotated(motion.rotation[env, row, body], drives.thrust_point[env, k])
    size = drives.thrust[env, k] * motion.actuation[env, row, drives.thrust_first + k]
    force = size * direction_of(drives, motion, env, row, k)
    motion.force[env, row, body] += force
    motion.torque[env, row, body] += cross(arm, force)


@ti.func
def thruster_state(drives: ti.template(), motion: ti.template(), env, row, step, k):
    """Speed of its point along the thruster; a thruster has no position."""
    body = drives.thrust_body[k]
    arm = rotated(motion.rotation[env, row, body], drives.thrust_point[env, k])
    speed = velocity_at(motion, env, row, body, arm).dot(direction_of(drives, motion, env, row, k))
    motion.actuator_position[env, row, drives.thrust_first + k] = 0.0
    motion.actuator_velocity[env, row, drives.thrust_first + k] = speed


@ti.func
def push_force(push: ti.template(), motion: ti.template(), env, row, step, k):
    """Of a recorded push, between its samples."""
    since = (ti.cast(step, push.real) * ti.static(push.dt) - ti.static(push.start)) / ti.static(push.every)
    if since >= 0.0 and since <= ti.static(float(push.samples - 1)):
        sample = ti.min(ti.cast(ti.floor(since), ti.i32), ti.static(push.samples - 2))
        share = since - ti.cast(sample, push.real)
        before = push.forces[env, ti.static(push.first) + sample]
        after = push.forces[env, ti.static(push.first) + sample + 1]
        force = (1.0 - share) * before + share * after
        arm = rotated(motion.rotation[env, row, ti.static(push.body)], push.point[env, ti.static(push.index)])
        motion.force[env, row, ti.static(push.body)] += force
        motion.torque[env, row, ti.static(push.body)] += cross(arm, force)
