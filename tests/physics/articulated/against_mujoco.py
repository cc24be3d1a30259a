"""A robot in this package and in MuJoCo, from the same states under the same controls; without contacts and limits."""

import numpy as np

import diffsim as ds

from ... import gymnasium_robots as gym

__all__ = ["MEDLEY", "STEPS", "Twins", "tangent"]

STEPS, ENVS = 500, 25

# What gymnasium's robots do not have: balls, a ball behind a slide, welded links, springs and dampers of all of them, a
# free joint with damping and armature, servos, a motor that saturates, controls without a range.
MEDLEY = """
<mujoco>
  <option timestep="0.002"/>
  <worldbody>
    <body name="post" pos="0 0 1" quat="0.9 0.1 0.2 0.3">
      <joint name="swivel" type="ball" stiffness="3" damping="0.1" armature="0.02" pos="0 0 0.1"/>
      <geom type="capsule" size="0.05 0.2" pos="0.1 0 -0.2"/>
      <body name="rung" pos="0.1 0 -0.4" quat="0.5 0.5 0.5 -0.5">
        <geom type="box" size="0.1 0.05 0.2" pos="0.02 0 0.1"/>
        <site name="hook" pos="0 0.1 0"/>
        <body name="bob" pos="0 0.1 0.3">
          <joint name="reach" type="slide" axis="1 1 0" stiffness="20" springref="0.1" damping="0.2"/>
          <joint name="wrist" type="ball" damping="0.02" pos="0 0.05 0"/>
          <geom type="sphere" size="0.08" pos="0.1 0.1 0"/>
        </body>
      </body>
    </body>
    <body name="raft" pos="1 0 1">
      <joint name="root" type="free" damping="0.3" armature="0.1"/>
      <geom type="box" size="0.2 0.3 0.05" pos="0.02 0.01 0.03"/>
      <body name="mast" pos="0 0 0.2">
        <geom type="capsule" size="0.03 0.2"/>
        <body name="flag" pos="0 0 0.2">
          <joint name="pivot" type="ball" stiffness="1" damping="0.05" armature="0.01"/>
          <geom type="box" size="0.1 0.02 0.08" pos="0.1 0 0"/>
          <body name="tassel" pos="0.2 0 0">
            <joint name="twist" axis="1 0 1" pos="0.01 0 0" ref="20" stiffness="0.5" springref="-10" damping="0.01"/>
            <geom type="sphere" size="0.05" pos="0 0 0.1"/>
            <site name="tip" pos="0 0 0.2"/>
          </body>
        </body>
      </body>
    </body>
  </worldbody>
  <actuator>
    <motor name="pull" joint="reach" gear="-3" ctrlrange="-1 2"/>
    <position name="turn" joint="twist" kp="2" kv="0.1" gear="1.5" forcerange="-0.2 0.3"/>
    <velocity name="hold" joint="reach" kv="0.7"/>
  </actuator>
</mujoco>
"""


def tangent(scene, position):
    """(nq, nv) derivative of a position with respect to its tangent, of a quaternion an angular velocity."""
    found, at, freedom = np.zeros((scene.coordinates, scene.freedoms)), 0, 0
    for joint in scene.joints:
        scalars = joint.freedoms - 3 if joint.motion in ("ball", "free") else 1
        found[at : at + scalars, freedom : freedom + scalars] = np.eye(scalars)
        if joint.motion in ("ball", "free"):
            w, x, y, z = position[at + scalars : at + scalars + 4]
            turn = 0.5 * np.array([[-x, -y, -z], [w, -z, y], [z, w, -x], [-y, x, w]])
            found[at + scalars : at + joint.coordinates, freedom + scalars : freedom + joint.freedoms] = turn
        at, freedom = at + joint.coordinates, freedom + joint.freedoms
    return found


class Twins:
    """A robot twice.

    Attributes:
        scene, simulation: the one here; 500 steps in 25 environments.
        model: the one in MuJoCo.
    """

    def __init__(self, name, tune=(), integrator="euler"):
        import mujoco

        self.mujoco = mujoco
        if name == "medley":
            self.scene = ds.load_mjcf(MEDLEY, contacts=False, integrator=integrator)
            self.model = gym.without_contacts(mujoco.MjModel.from_xml_string(MEDLEY))
        else:
            self.scene = gym.load(name, contacts=False, limits=False, integrator=integrator)
            self.model = gym.without_contacts(gym.peer(name))
        self.model.opt.integrator = {"euler": 0, "rk4": 1, "implicitfast": 3}[integrator]
        problem = ds.Problem(
            self.scene, ds.OpenLoop(), steps=STEPS, tune=("scene.initial_*", "controller.values", *tune)
        )
        self.simulation = ds.Simulation(
            problem, precision="f64", envs=ENVS, shared=False, adjoint=ds.Checkpointed(every=50)
        )

    def states(self, rng, **spread):
        """Random positions and velocities, one of each for every environment."""
        return [gym.random_state(self.model, rng, **spread) for _ in range(ENVS)]

    def actuations(self, rng):
        """(env, step, actuator): beyond what is allowed now and then, which both cut off."""
        return rng.uniform(-1.2, 1.2, size=(ENVS, STEPS, self.model.nu))

    def rollout(self, states, actuations, **others):
        position, velocity = (np.array(each) for each in zip(*states, strict=True))
        start = {"scene.initial_position": position, "scene.initial_velocity": velocity}
        params = {**self.simulation.params(), **start, "controller.values": actuations, **others}
        return self.simulation.rollout(params, finite=False)  # some diverge, here and in MuJoCo

    def control(self, actuation):
        """What MuJoCo calls it: actuations from -1 to 1 span the range; without a range they are the control."""
        limited = self.model.actuator_ctrllimited[:, None].astype(bool)
        low, high = np.where(limited, self.model.actuator_ctrlrange, (-1.0, 1.0)).T
        return low + 0.5 * (high - low) * (actuation + 1.0)

    def peer(self, state, actuations, error=0.0, rng=None):
        """(rows, nq) and (rows, nv) in MuJoCo, from a start that may be off by some error."""
        data = self.mujoco.MjData(self.model)
        data.qpos[:], data.qvel[:] = state
        if error:
            data.qpos[:] += error * rng.normal(size=self.model.nq)
            data.qvel[:] += error * rng.normal(size=self.model.nv)
            self.mujoco.mj_normalizeQuat(self.model, data.qpos)
        rows = [(data.qpos.copy(), data.qvel.copy())]
        with gym.quiet():
            for actuation in actuations:
                data.ctrl[:] = self.control(actuation)
                self.mujoco.mj_step(self.model, data)
                rows.append((data.qpos.copy(), data.qvel.copy()))
        return tuple(np.array(each) for each in zip(*rows, strict=True))

    # What is compared

    def one_step_errors(self, seed=0, batches=8):
        """Of 200 random states and controls: largest of the velocity relative to the largest one, and position."""
        rng, errors = np.random.default_rng(seed), []
        for _ in range(batches):
            states, actuations = self.states(rng), self.actuations(rng)
            found = self.rollout(states, actuations)
            for env, state in enumerate(states):
                position, velocity = self.peer(state, actuations[env, :1])
                speed = np.abs(found.joint_velocity[env, 1] - velocity[1]).max() / np.abs(velocity[1]).max()
                errors.append((speed, np.abs(found.joint_position[env, 1] - position[1]).max()))
        return np.max(errors, axis=0)

    def trajectory_errors(self, seed=1):
        """(env, rows) of position and velocity; and by how much MuJoCo's own trajectory moves if its start does.

        The latter is the largest so far, of a start that is off by 1e-12.
        """
        rng = np.random.default_rng(seed)
        states, actuations = self.states(rng), self.actuations(rng)
        found, errors, own = self.rollout(states, actuations), [], []
        for env, state in enumerate(states):
            exact, moved = (self.peer(state, actuations[env], error, rng) for error in (0.0, 1e-12))
            ours = (found.joint_position[env], found.joint_velocity[env])
            for rows, other in ((errors, ours), (own, moved)):
                apart = [np.abs(a - b).max(axis=1) for a, b in zip(exact, other, strict=True)]
                rows.append(np.maximum(*apart))
        return np.array(errors), np.maximum.accumulate(own, axis=1)

    def pose_errors(self, rollout, rows):
        """Largest of where links and sites are, and of how links stand, in some rows of some environments."""
        errors, links = [], len(self.scene.links)
        for env in range(0, ENVS, 8):
            for row in rows:
                origin, rotation = gym.poses(self.model, rollout.joint_position[env, row])
                errors.append(np.abs(rollout.position[env, row, :links] - origin).max())
                errors.append(np.abs(rollout.rotation[env, row] - rotation.reshape(-1, 9)).max())
        return max(errors)

    # Derivatives of one step, in tangents: of a quaternion the angular velocity in the link's frame that turns it

    def jacobians(self, state, actuation):
        """(2 nv, 2 nv) by the state and (2 nv, actuators) by the actuation, by pulling back a unit of each output."""
        nq, nv = self.model.nq, self.model.nv
        actuations = np.zeros((ENVS, STEPS, self.model.nu))
        actuations[:, 0] = actuation
        start = [np.repeat(each[None], ENVS, axis=0) for each in state]
        params = {**self.simulation.params(), "controller.values": actuations}
        params["scene.initial_position"], params["scene.initial_velocity"] = start
        rollout, pullback = self.simulation.vjp(params)
        rows = []
        for first in range(0, nq + nv, ENVS):
            outputs = range(first, min(first + ENVS, nq + nv))
            cotangents = {name: np.zeros(rollout[name].shape) for name in ("joint_position", "joint_velocity")}
            for env, output in enumerate(outputs):
                name, element = ("joint_position", output) if output < nq else ("joint_velocity", output - nq)
                cotangents[name][env, 1, element] = 1.0
            found = pullback(cotangents)
            found["controller.values"] = found["controller.values"][:, 0]
            names = ("scene.initial_position", "scene.initial_velocity", "controller.values")
            rows.append(np.hstack([found[name][: len(outputs)] for name in names]))
        whole = np.vstack(rows)
        after = np.linalg.pinv(tangent(self.scene, rollout.joint_position[0, 1]))
        whole = np.vstack([after @ whole[:nq], whole[nq:]])
        by_state = np.hstack([whole[:, :nq] @ tangent(self.scene, state[0]), whole[:, nq : nq + nv]])
        return by_state, whole[:, nq + nv :]

    def peer_jacobians(self, state, actuation):
        """The same by MuJoCo's central differences; of RK4, which has none, by our own of its steps."""
        if self.model.opt.integrator == self.mujoco.mjtIntegrator.mjINT_RK4:
            return self.differences_of_steps(state, actuation)
        data, nv, nu = self.mujoco.MjData(self.model), self.model.nv, self.model.nu
        data.qpos[:], data.qvel[:] = state
        data.ctrl[:] = self.control(actuation)
        by_state, by_control = np.zeros((2 * nv, 2 * nv)), np.zeros((2 * nv, nu))
        self.mujoco.mjd_transitionFD(self.model, data, 1e-6, True, by_state, by_control, None, None)
        return by_state, by_control * 0.5 * (self.control(np.ones(nu)) - self.control(-np.ones(nu)))

    def differences_of_steps(self, state, actuation, width=1e-6):
        """Central differences of steps, in the tangent of positions."""
        mujoco, model, nv = self.mujoco, self.model, self.model.nv

        def stepped(change, control):
            data = mujoco.MjData(model)
            data.qpos[:], data.qvel[:] = state
            mujoco.mj_integratePos(model, data.qpos, change[:nv], 1.0)
            data.qvel[:] += change[nv:]
            data.ctrl[:] = self.control(control)
            mujoco.mj_step(model, data)
            return data

        def column(ahead, behind):
            apart = np.zeros(nv)
            mujoco.mj_differentiatePos(model, apart, 2.0 * width, behind.qpos, ahead.qpos)
            return np.concatenate([apart, (ahead.qvel - behind.qvel) / (2.0 * width)])

        zero, way = np.zeros(2 * nv), width * np.eye(2 * nv)
        by_state = [column(stepped(each, actuation), stepped(-each, actuation)) for each in way]
        turns = width * np.eye(model.nu)
        by_control = [column(stepped(zero, actuation + each), stepped(zero, actuation - each)) for each in turns]
        return np.stack(by_state, axis=1), np.stack(by_control, axis=1)

    def derivative_errors(self, seed=4, points=3):
        """Largest of both matrices, relative to the largest entry."""
        rng, errors = np.random.default_rng(seed), []
        for _ in range(points):
            state, actuation = gym.random_state(self.model, rng), rng.uniform(-0.9, 0.9, size=self.model.nu)
            ours, theirs = self.jacobians(state, actuation), self.peer_jacobians(state, actuation)
            errors += [np.abs(a - b).max() / np.abs(b).max() for a, b in zip(ours, theirs, strict=True)]
        return max(errors)
