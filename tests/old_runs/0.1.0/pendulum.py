"""A double pendulum with a network."""

import diffsim as ds
from diffsim.cli import scene_main


def problem() -> ds.Problem:
    links = [
        ds.Link(
            "upper",
            joints=[ds.Joint("shoulder", axis=(0, 1, 0))],
            position=(0, 0, 1),
            mass=1.0,
            centre=(0, 0, -0.2),
            inertia=(0.01, 0.01, 0.001),
        ),
        ds.Link(
            "lower",
            parent="upper",
            joints=[ds.Joint("elbow", axis=(0, 1, 0), damping=0.1)],
            position=(0, 0, -0.4),
            mass=0.5,
            centre=(0, 0, -0.2),
            inertia=(0.005, 0.005, 0.001),
            sites=[ds.Site("hand", (0, 0, -0.4))],
        ),
    ]
    scene = ds.Articulated(links, actuators=[ds.Actuator("motor", "elbow", gear=2.0)], dt=0.01)
    return ds.Problem(scene, ds.MLP(hidden=4), ds.ReachTarget((0.3, 0.0, 0.6), point="hand"), steps=30)


if __name__ == "__main__":
    scene_main(problem, iterations=4)
