"""A crank with a motor, a rod and a spring."""

import diffsim as ds
from diffsim.cli import scene_main


def problem() -> ds.Problem:
    scene = ds.RigidBodies(
        bodies=[ds.Box((0.0, 0.5), (0.1, 0.04), group=0), ds.Capsule((0.25, 0.5), 0.1, 0.03, group=0)],
        joints=[ds.Pin(0, None, at=(-0.1, 0.5)), ds.Pin(0, 1, at=(0.12, 0.5), motor=0.1, damping=0.01)],
        springs=[ds.Spring(1, None, ((0.1, 0.0), (0.5, 0.8)), 30.0, actuation=0.2)],
        dt=0.005,
    )
    return ds.Problem(scene, ds.OpenLoop(), ds.ReachTarget((0.2, 0.6), point=1), steps=40)


if __name__ == "__main__":
    scene_main(problem, iterations=4, starts=2)
