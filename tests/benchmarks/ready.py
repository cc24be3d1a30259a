"""One case of `test_ready`, in a process of its own: ``python ready.py CASE``, with a copy of diffsim first on the
path. It prints a line of JSON; it uses nothing that the old copy does not have.
"""

import time

CPU, WALL = time.process_time(), time.perf_counter()

import importlib.util  # noqa: E402 (the clock runs before anything is imported)
import json  # noqa: E402
import resource  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402

import diffsim as ds  # noqa: E402

CASES = Path(__file__).with_name("cases")
TREE = Path(ds.__file__).parents[1]


def scene_module(name):
    """scenes/``name``.py of this copy."""
    spec = importlib.util.spec_from_file_location(name, TREE / "scenes" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def scene_script(name):
    """Its problem."""
    return scene_module(name).problem()


def quadruped(hidden=32):
    scene = ds.load_mjcf(Path(__file__).parents[2] / "scenes" / "quadruped.xml")
    return ds.Problem(scene, ds.MLP(hidden=hidden), ds.Travel(), steps=200, tune=("controller.*",))


def humanoid():
    file = "gymnasium:envs/mujoco/assets/humanoid.xml"
    scene = ds.load_mjcf(file, ignore=("tendon",))  # which have no effect; the old copy refuses them
    return ds.Problem(scene, ds.OpenLoop(), ds.Travel(), steps=100, tune=("controller.*",))


def first_gradient(problem, **settings):
    """CPU and wall seconds from the problem to the first gradient."""
    cpu, wall = cpu_time(), time.perf_counter()
    simulation = ds.Simulation(problem, **settings)
    simulation.value_and_grad(simulation.params(0), finite=False)
    return {"cpu": cpu_time() - cpu, "wall": time.perf_counter() - wall}


def cpu_time():
    """Of this process and of those that it started and that ended."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + ended.ru_utime + ended.ru_stime


def seconds(problem, others=(), **settings):
    """Of the first problem, from before the imports, and of each that follows in the same process: (name, problem,
    settings)."""
    first_gradient(problem, **settings)
    found = {"cpu": cpu_time() - CPU, "wall": time.perf_counter() - WALL}
    return {**found, "others": {name: first_gradient(other, **more) for name, other, more in others}}


def changed(problem, **changes):
    """The same problem with another controller, objective or other settings."""
    parts = {"controller": problem.controller, "objective": problem.objective, "steps": problem.steps}
    parts.update(changes)
    return ds.Problem(problem.scene, parts["controller"], parts["objective"], steps=parts["steps"], tune=problem.tune)


def chain(links):
    """So many hinges in a row, each with a motor."""
    body = ""
    for k in reversed(range(links)):
        inertia = '<inertial pos="0 0 -0.25" mass="1" diaginertia="0.02 0.02 0.005"/>'
        body = f'<body pos="0 0 -0.5"><joint name="joint{k}" axis="0 1 0" damping="0.1"/>{inertia}{body}</body>'
    motors = "".join(f'<motor joint="joint{k}" ctrlrange="-1 1" ctrllimited="true"/>' for k in range(links))
    flags = '<option timestep="0.002"><flag contact="disable"/></option>'
    xml = f"<mujoco>{flags}<worldbody>{body}</worldbody><actuator>{motors}</actuator></mujoco>"
    return ds.Problem(ds.load_mjcf(xml), ds.OpenLoop(), ds.Travel(), steps=200, tune=("controller.*",))


def run(case):
    if case == "quadruped":
        made = quadruped()
        window, other = ds.Truncated(25), ds.Truncated(32)
        others = [
            ("hidden 32 to 48", quadruped(48), {"adjoint": window}),
            ("windows of 32, 4 copies", made, {"adjoint": other, "envs": 4}),
        ]
        return seconds(made, others, adjoint=window)
    if case == "humanoid":
        return seconds(humanoid())
    if case == "chain":
        return seconds(chain(3), [("4 links instead of 3", chain(4), {})])
    if case == "arm":  # two hinges from a URDF, identified from a log
        import numpy as np

        scene = ds.load_urdf(CASES / "arm.urdf", gravity=(0.0, 0.0, -9.81))
        log = np.loadtxt(CASES / "angles.csv", delimiter=",", skiprows=1)
        joints = len(scene.actuators) or log.shape[1] - 1
        goal = ds.TrackJoints(log[:, -joints:], steps=np.arange(len(log)))
        problem = ds.Problem(scene, None, goal, steps=len(log) - 1, tune=("scene.damping",))
        with ds.Simulation(problem) as simulation:
            ds.tune(simulation, optimizer=ds.Adam(0.01), iterations=100, progress=False)
        return {"cpu": time.process_time() - CPU, "wall": time.perf_counter() - WALL, "others": {}}
    problem = scene_script(case)
    others = []
    if case == "mass_spring_walker":
        lighter = 0.5 * problem.objective
        others = [("half the objective's weight", changed(problem, objective=lighter), {})]
    if case == "half_cheetah":
        wider = ds.MLP(hidden=48, sines=6, frequency=12.0)
        others = [
            ("hidden 32 to 48", changed(problem, controller=wider), {}),
            ("200 steps", changed(problem, steps=200), {}),
            ("32 copies", problem, {"envs": 32}),
            ("windows of 32", problem, {"adjoint": ds.Truncated(32)}),
        ]
    return seconds(problem, others)


if __name__ == "__main__":
    print(json.dumps(run(sys.argv[1])))
