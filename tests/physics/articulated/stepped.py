"""One step of a robot's file here and in MuJoCo, from a random state under random controls, without contacts."""

import numpy as np

import diffsim as ds

from ... import gymnasium_robots as gym

__all__ = ["step_errors"]


def step_errors(source, *, model=None, seed=0, limits=False, without=(), speed=2.0, **loading):
    """Largest difference of position and velocity after a step, relative to the largest, and both of them.

    Args:
        source: what `load_mjcf` takes.
        model: MuJoCo's; None compiles the source.
        seed: of state and controls.
        limits: whether joints have limits, here and there; ours are another law.
        without: names of the scene's numbers that are set to zero, for which MuJoCo has another law.
        speed: spread of the velocity.
        **loading: of `load_mjcf`.
    """
    import mujoco

    with gym.quiet():
        scene = ds.load_mjcf(source, contacts=False, limits=limits, **loading)
        model = model or mujoco.MjModel.from_xml_string(source)
    gym.without_contacts(model)
    scene = scene.with_numbers({name: np.zeros_like(scene.numbers()[name]) for name in without})
    rng = np.random.default_rng(seed)
    position, velocity = gym.random_state(model, rng, speed=speed)
    actuation = rng.uniform(-1.0, 1.0, size=(1, model.nu))
    data = mujoco.MjData(model)
    data.qpos[:], data.qvel[:] = position, velocity
    if model.nu:
        low, high = np.where(model.actuator_ctrllimited[:, None].astype(bool), model.actuator_ctrlrange, (-1, 1)).T
        data.ctrl[:] = low + 0.5 * (high - low) * (actuation[0] + 1.0)
    activation = rng.uniform(-1.0, 1.0, model.na)
    data.act[:] = activation
    mujoco.mj_step(model, data)
    controller = ds.OpenLoop() if scene.actuators else None
    tune = ("scene.initial_*", *(("controller.*",) if controller else ()))
    problem = ds.Problem(scene, controller, steps=1, tune=tune)
    with ds.Simulation(problem, precision="f64", executor="staged") as simulation:
        params = {"scene.initial_position": position, "scene.initial_velocity": velocity}
        if scene.actuators:
            names = [model.actuator(k).name or model.joint(model.actuator_trnid[k, 0]).name for k in range(model.nu)]
            own = [each.name for each in scene.actuators]
            params["controller.values"] = actuation[
                :, range(model.nu) if len(own) == model.nu else list(map(names.index, own))
            ]
        if model.na:
            begins = np.zeros(model.nu)
            begins[model.actuator_actadr >= 0] = activation
            params["scene.initial_activation"] = begins
        found = simulation.rollout({**simulation.params(), **params})
    ours, theirs = (found.joint_position[1], found.joint_velocity[1]), (np.array(data.qpos), np.array(data.qvel))
    apart = [np.abs(a - b).max() / max(1.0, np.abs(b).max()) for a, b in zip(ours, theirs, strict=True)]
    if model.na:
        apart.append(np.abs(found.activation[1] - data.act).max())
    return max(apart), scene, data
