"""Make the README's pictures anew, from real runs of the scene scripts: ``make pictures``."""

import importlib.util
from pathlib import Path

import diffsim as ds

HERE = Path(__file__).parent
SCENES = HERE.parent / "scenes"


def scene(name: str):
    """A scene script as a module."""
    spec = importlib.util.spec_from_file_location(name, SCENES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def picture(problem: ds.Problem, name: str, *, starts: int = 1, fps: float = 12.0, **settings: object) -> None:
    """Tune the problem with its script's settings and write the optimisation as an animated GIF."""
    with ds.Simulation(problem, envs=starts, shared=False) as simulation:
        result = ds.tune(simulation, **settings)
    kept = dict(result.snapshots)
    wanted = (0, result.best_iteration // 2, result.best_iteration)
    shown = sorted({min(kept, key=lambda i, at=at: abs(i - at)) for at in wanted})
    with ds.Simulation(problem) as simulation:
        rollouts = [(iteration, simulation.rollout(kept[iteration])) for iteration in shown]
    ds.render_optimisation(rollouts, result.history, HERE / "images" / f"{name}.gif", fps=fps, size=(800, 360))


if __name__ == "__main__":
    walker = scene("mass_spring_walker")
    picture(walker.problem("C"), "walker", **walker.SETTINGS)
    voxels = scene("voxel_walker")
    picture(voxels.problem(), "voxel_walker", **voxels.SETTINGS)
