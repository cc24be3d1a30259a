"""What was found here, in MuJoCo: a problem's controller drives the robot of its file there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from diffsim.errors import InputError
from diffsim.physics.articulated.actuators import Actuator
from diffsim.physics.articulated.kinematics import forward_kinematics
from diffsim.physics.articulated.mjcf import package
from diffsim.physics.articulated.mjcf_reading import INTEGRATORS
from diffsim.physics.articulated.mocap import given, place_of
from diffsim.physics.articulated.scene import Articulated
from diffsim.physics.articulated.sources import compiled
from diffsim.problem import Problem
from diffsim.protocols import RobotRun
from diffsim.rollout import Rollout
from diffsim.spec import number

__all__ = ["Peer", "PeerCopy", "control_of", "replay_in_mujoco"]


def replay_in_mujoco(
    problem: Problem | RobotRun,
    params: Mapping[str, Any] | None = None,
    source: Any = None,
    *,
    seconds: float | None = None,
    timestep: float | None = None,
    assets: Mapping[str, Any] | None = None,
    initial_states: Mapping[str, Any] | None = None,
) -> Rollout:
    """The rollout of a controller in MuJoCo, from where the scene starts, on MuJoCo's own states.

    In each step of the scene the controller sees the state and gives an actuation, which is held until the next one.
    Numbers of the scene itself are those of the file, whatever was tuned. `render_video` and `snapshot` draw it like
    any other rollout; it has no loss.

    Args:
        problem: a problem, a run of `load_run`, or what `learn` found; with an `Articulated` scene, and a controller
            that `Problem.act` takes.
        params: values of the tuned parameters, of one copy; None takes the best of the run.
        source: the robot, as `load_mjcf` takes it: the file that the scene was loaded from; None takes that of the run,
            which knows it if `learn` or a scene script with ``source=`` made it, or ``Run(folder, source=FILE)``.
        seconds: how long; None is as long as the problem.
        timestep: of MuJoCo [s]; None is the file's. A whole number of them makes a step of the scene.
        assets: contents of the files that the XML names, by name.
        initial_states: other starts, each of which is run: "initial_position" (envs, nq), "initial_velocity" (envs, nv)
            or both, as of `Simulation`.

    Returns:
        ``joint_position`` (rows, nq), ``joint_velocity`` (rows, nv), ``position`` (rows, places, 3) [m], ``rotation``
        (rows, links, 9), ``observation`` (rows, observations) and ``actuation`` (steps, actuators). Of several starts
        each has a leading axis of them.

    Raises:
        MissingExtraError: there is no ``mujoco``, or it is too old; the extra ``robots`` has it.
        InputError: the file is of another robot, or not known, or the time step does not fit.
    """
    owner = "replay_in_mujoco"
    problem, params, source = _what(owner, problem, params, source)
    scene = problem.scene
    if not isinstance(scene, Articulated):
        raise InputError(f"{owner} is for robots, but the scene is a {type(scene).__name__}")
    peer = Peer(owner, scene, source, timestep=timestep, assets=assets)
    steps = problem.steps if seconds is None else round(number(f"{owner}: seconds", seconds, above=0.0) / scene.dt)
    own = _starts(owner, problem, initial_states or {})
    envs = len(next(iter(own.values()))) if own else 1
    q, v = np.empty((envs, steps + 1, scene.coordinates)), np.empty((envs, steps + 1, scene.freedoms))
    actuation = np.empty((envs, steps, len(scene.actuators)))
    q[:, 0] = own.get("scene.initial_position", scene.initial_position)
    v[:, 0] = own.get("scene.initial_velocity", scene.initial_velocity)
    copies = [peer.begin(*start) for start in zip(q[:, 0], v[:, 0], strict=True)]
    for k in range(steps):
        actuation[:, k] = problem.act(params, scene.sense(q[:, k], v[:, k], k * scene.dt), k * scene.dt)
        for env, copy in enumerate(copies):
            q[env, k + 1], v[env, k + 1] = copy.step(actuation[env, k])
    arrays = {
        "joint_position": q,
        "joint_velocity": v,
        **_places(scene, q, np.arange(steps + 1) * scene.dt),
        "observation": scene.observe(q, v),
        "actuation": actuation,
    }
    return Rollout(
        problem=problem,
        params={name: np.array(value, np.float64) for name, value in params.items()},
        time=np.arange(steps + 1) * scene.dt,
        arrays=arrays if envs > 1 else {name: value[0] for name, value in arrays.items()},
        envs=envs,
        complete=False,
        own=own if envs > 1 else {name: value[0] for name, value in own.items()},
    )


def _what(owner: str, run: Any, params: Any, source: Any) -> tuple[Problem, Mapping[str, Any], Any]:
    """Problem, parameters and file, of a run where they are not given."""
    problem = run if isinstance(run, Problem) else getattr(run, "problem", None)
    if not isinstance(problem, Problem):
        raise InputError(f"{owner} takes a problem, a run of load_run, or what learn found, but {run!r} was given")
    if problem is not run:
        params = getattr(run, "params" if hasattr(run, "params") else "best_params") if params is None else params
        source = run.source if source is None else source
    if params is None:
        raise InputError(f"{owner}: of a problem the parameters are needed, too: {owner}(problem, params, FILE)")
    if source is None:
        raise InputError(
            f"{owner}: the file of the robot is not known; give source=FILE, as load_mjcf takes it, or begin the run "
            "with diffsim.Run(folder, source=FILE)"
        )
    return problem, params, source


def _starts(owner: str, problem: Problem, states: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Of several copies, by their full names; nothing if none are given."""
    counts = {}
    for name, value in states.items():
        if name.removeprefix("scene.") not in ("initial_position", "initial_velocity"):
            raise InputError(f"{owner}: initial_states names {name!r}, but it takes initial_position, initial_velocity")
        counts[name] = len(value) if np.ndim(value) else 0
    if not counts:
        return {}
    return problem.initial_states(states, max(next(iter(counts.values())), 1))


class Peer:
    """The robot of a file in MuJoCo, driven as that of a scene is.

    Args:
        owner: who asks, for messages.
        scene: of the file.
        source: the file, as `load_mjcf` takes it.
        timestep: of MuJoCo [s]; None is the file's.
        assets: contents of the files that the XML names, by name.

    Raises:
        MissingExtraError: there is no ``mujoco``.
        InputError: the file is of another robot, or the time step does not fit.
    """

    def __init__(
        self,
        owner: str,
        scene: Articulated,
        source: Any,
        *,
        timestep: float | None = None,
        assets: Mapping[str, Any] | None = None,
    ):
        self.scene, self.mujoco = scene, package(owner)
        self.model = compiled(self.mujoco, owner, source, assets)
        if timestep is not None:
            self.model.opt.timestep = number(f"{owner}: timestep", timestep, above=0.0)
        self.driven = _driven(self.mujoco, owner, self.model, scene)
        self.every = _every(owner, scene.dt, self.model.opt.timestep)
        self.guided = _guided(self.mujoco, owner, self.model, scene)

    @property
    def differs(self) -> tuple[str, ...]:
        """In what the scene steps otherwise than the file, in words: law of contact, integrator, time step."""
        scene, option = self.scene, self.model.opt
        integrator = INTEGRATORS[int(option.integrator)].lower()
        pairs = (
            ("law of contact", scene.contact_law, "mujoco"),
            ("integrator", scene.integrator, integrator),
            ("time step", f"{scene.dt / scene.substeps:g} s", f"{option.timestep:g} s"),
        )
        return tuple(f"the {what} is {here} here and {there} there" for what, here, there in pairs if here != there)

    def begin(self, position: np.ndarray, velocity: np.ndarray) -> PeerCopy:
        """A copy in that state, (nq,) and (nv,)."""
        return PeerCopy(self, position, velocity)


class PeerCopy:
    """A robot somewhere in MuJoCo."""

    def __init__(self, peer: Peer, position: np.ndarray, velocity: np.ndarray):
        self._peer, self._data = peer, peer.mujoco.MjData(peer.model)
        self._data.qpos[:], self._data.qvel[:] = position, velocity
        self._steps = 0

    def step(self, actuation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where an actuation (k,), held for a step of the scene, leads: (nq,) and (nv,)."""
        peer, data = self._peer, self._data
        data.ctrl[peer.driven] = [control_of(a, u) for a, u in zip(peer.scene.actuators, actuation, strict=True)]
        if not peer.guided:
            peer.mujoco.mj_step(peer.model, data, peer.every)
        for _ in range(peer.every if peer.guided else 0):
            time = self._steps * peer.scene.dt / peer.every
            for link, there in peer.guided.items():
                data.mocap_pos[there], data.mocap_quat[there] = place_of(peer.scene, link, time)
            peer.mujoco.mj_step(peer.model, data)
            self._steps += 1
        return data.qpos.copy(), data.qvel.copy()

    @property
    def broken(self) -> bool:
        """Whether MuJoCo found its numbers to be unstable, and began anew."""
        kinds, warning = self._peer.mujoco.mjtWarning, self._data.warning
        bad = (kinds.mjWARN_BADQPOS, kinds.mjWARN_BADQVEL, kinds.mjWARN_BADQACC)
        return any(warning[int(kind)].number for kind in bad)


def _driven(mujoco: Any, owner: str, model: Any, scene: Articulated) -> list[int]:
    """Where MuJoCo has the scene's actuators."""
    if (model.nq, model.nv) != (scene.coordinates, scene.freedoms):
        raise InputError(
            f"{owner}: the file's joints have {model.nq} positions and {model.nv} velocities, but those of the scene "
            f"{scene.coordinates} and {scene.freedoms}; give the file that the scene was loaded from"
        )
    known = {mujoco.mj_id2name(model, mujoco.mjtObj.mjOBJ_ACTUATOR, k): k for k in range(model.nu)}
    names = [actuator.name for actuator in scene.actuators]
    if all(name in known for name in names):
        return [known[name] for name in names]
    if len(names) == model.nu:
        return list(range(model.nu))
    raise InputError(f"{owner}: the file has {model.nu} actuators, but the scene {', '.join(names) or 'none'}")


def _guided(mujoco: Any, owner: str, model: Any, scene: Articulated) -> dict[int, int]:
    """Of each link that a `Mocap` moves, where MuJoCo has it."""
    found = {}
    for link in given(scene):
        name = scene.links[link].name
        body = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_BODY, name)
        found[link] = -1 if body < 0 else int(model.body_mocapid[body])
        if found[link] < 0:
            raise InputError(f'{owner}: link {name!r} has a mocap, but the file has no body {name!r} with mocap="true"')
    return found


def _every(owner: str, dt: float, timestep: float) -> int:
    every = round(dt / timestep)
    if every < 1 or abs(every * timestep - dt) > 1e-9 * dt:
        raise InputError(
            f"{owner}: a step of the scene is {dt:g} s, which is no whole number of time steps of {timestep:g} s; give "
            f"timestep={dt:g} or a part of it"
        )
    return every


def control_of(actuator: Actuator, actuation: float) -> float:
    """What an actuation is to MuJoCo: see `Actuator`."""
    neutral = actuator.neutral
    if actuator.control_range is None:
        return float(actuation + (neutral or 0.0))
    low, high = actuator.control_range
    middle = 0.5 * (low + high) if neutral is None else neutral
    return float(np.clip(middle + max(high - middle, middle - low) * actuation, low, high))


def _places(scene: Articulated, position: np.ndarray, time: np.ndarray) -> dict[str, np.ndarray]:
    """Where links and sites are, at positions (envs, rows, nq) and times (rows,)."""
    pose = forward_kinematics(scene, position.reshape(-1, scene.coordinates), np.tile(time, len(position)))
    origin, rotation = pose.origin, pose.rotation
    sites = [
        site.position if link < 0 else origin[:, link] + rotation[:, link] @ site.position
        for link, site in scene.all_sites
    ]
    sites = [np.broadcast_to(site, (len(origin), 3)) for site in sites]
    lead = position.shape[:2]
    return {
        "position": np.concatenate([origin, *(site[:, None] for site in sites)], axis=1).reshape(*lead, -1, 3),
        "rotation": rotation.reshape(*lead, -1, 9),
    }
