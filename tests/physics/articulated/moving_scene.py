"""One scene of experiments that move while they touch, and the laws that they follow, in small steps."""

import numpy as np

import diffsim as ds

from .compliant_scene import soft

__all__ = ["DROP", "DT", "INERTIA", "TIME", "WEIGHT", "G", "R", "build", "follow", "force", "numbers"]

DT, TIME, G, R = 2e-3, 0.4, 9.81, 0.1
DROP = 0.2  # height from which things fall
INERTIA = 0.4 * R**2  # of 1 kg
WEIGHT = (4000.0, 6.0)  # stiffness and damping at the end of the rail, of 2 kg


def free(name, geom, position, mass=1.0, inertia=INERTIA):
    return ds.Link(name, joints=ds.Joint(f"{name} root", "free"), position=position, mass=mass, inertia=(inertia,) * 3,
                   geoms=soft(geom, mass))  # fmt: skip


def build(dt=DT):
    """The scene: what follows is the order of its links."""
    used = []

    def bit():
        used.append(1 << len(used))
        return {"contype": used[-1], "conaffinity": used[-1]}

    def ball(name, **more):
        return ds.Geom(name, "sphere", R, **{"friction": 0.0, **more})

    lying = (np.sqrt(0.5), np.sqrt(0.5), 0, 0)  # along y
    floor, top, dome, ridge, air = (bit() for _ in range(5))
    chassis = [
        ds.Joint("along", "slide", axis=(1, 0, 0)),
        ds.Joint("up", "slide", axis=(0, 0, 1), reference=0.0),
    ]
    links = [
        free("ball", ball("ball", **floor), (0, 0, R)),
        free("cube", ds.Geom("cube", "box", (R, R, R), friction=0.0, stiffness=2500.0, damping=5.0, **floor), (0, 5, R),
             mass=2.0, inertia=2.0 / 3.0 * 2.0 * R**2),
        free("log", ds.Geom("log", "capsule", (R, 0.2), orientation=lying, friction=0.5, **floor), (0, 10, R)),
        free("marble", ball("marble", stiffness=6000.0, damping=8.0, **top), (0, 0, R)),
        free("rider", ball("rider", **dome), (0.02, 20, 0.3 + R)),
        free("tightrope", ball("tightrope", **ridge), (0.0, 30, 0.3 + R)),
        free("edge", ball("edge", **top), (0.99, 0, R)),
        free("left", ball("left", **air), (0, 50, 5)),
        free("right", ball("right", **air), (1, 50, 5)),
        ds.Link("weight", joints=ds.Joint("rail", "slide", limits=(0.0, 9.0), limit_stiffness=WEIGHT[0],
                                          limit_damping=WEIGHT[1]), mass=2.0, inertia=(0.1,) * 3),
        ds.Link("chassis", joints=chassis, position=(0, 60, R), mass=3.0, inertia=(0.1,) * 3),
        ds.Link("wheel", parent="chassis", joints=ds.Joint("axle", axis=(0, 1, 0)), mass=1.0, inertia=(INERTIA,) * 3,
                geoms=ds.Geom("wheel", "sphere", R, friction=0.8, stiffness=1e4, damping=200.0, **floor)),
    ]  # fmt: skip
    ground = [
        ds.Geom("floor", "plane", friction=0.0, **floor),
        ds.Geom("table", "box", (1.0, 1.0, 0.5), position=(0, 0, -0.5), friction=0.0, **top),
        ds.Geom("dome", "sphere", 0.3, position=(0, 20, 0), friction=0.0, **dome),
        ds.Geom("ridge", "capsule", (0.3, 2.0), position=(0, 30, 0), orientation=lying, friction=0.0, **ridge),
    ]
    return ds.Articulated(links, geoms=ground, touch_depth=1e-3, dt=dt)


def numbers(scene, envs):
    """Its parameters, one for each environment, and where the position and velocity of each joint begin."""
    names = (
        "initial_position",
        "initial_velocity",
        "contact_stiffness",
        "contact_damping",
        "friction",
        "gravity",
        "restitution",
    )
    found, at, first = scene.numbers(), {}, {}
    q = v = 0
    for joint in scene.joints:
        at[joint.name.removesuffix(" root")], first[joint.name.removesuffix(" root")] = q, v
        q, v = q + joint.coordinates, v + joint.freedoms
    return {f"scene.{name}": np.repeat(found[name][None], envs, 0) for name in names}, at, first


def force(depth, rate, stiffness, damping, width=1e-3):
    """The law of contacts and limits."""
    spring = np.where(depth < width, np.maximum(depth, 0.0) ** 2 / (2.0 * width), depth - 0.5 * width)
    return np.maximum(0.0, stiffness * spring + damping * np.clip(depth / width, 0.0, 1.0) * rate)


def follow(accelerate, position, velocity, time=TIME, steps=20000):
    """Position and velocity after each of 100 parts of a time, by the midpoint rule."""
    x, v, h = np.array(position, float), np.array(velocity, float), time / steps
    places, speeds = [x], [v]
    for step in range(steps):
        half, between = x + 0.5 * h * v, v + 0.5 * h * accelerate(x, v)
        x, v = x + h * between, v + h * accelerate(half, between)
        if (step + 1) % (steps // 100) == 0:
            places.append(x)
            speeds.append(v)
    return np.array(places), np.array(speeds)
