"""Random machines of planar bodies with pistons, sliders on rails and motors: what mechanics says of each is so.

Some hundreds of scenes, with and without dampers, gravity and what hits them, restitution from 0 to 1: momentum is what
acts from outside, energy is what motors and dampers do. Takes some ten seconds.
"""

from collections.abc import Callable
from functools import reduce
from operator import add
from typing import Any

import numpy as np
import pytest

import diffsim as ds
from diffsim.physics.rigid_bodies.joints import in_world

from .test_random_scenes import Rng, drawn, met, motion, near, outline, params_of, space

pytestmark = pytest.mark.bench

SCENES, TIME = 50, 0.3


def drive(rng: Rng, motor: float, damping: float) -> dict[str, Any]:
    """Of a joint: a motor of about this strength, and a damper."""
    return {"motor": near(rng, motor, 0.5 * motor), "damping": rng.uniform(0.5, 1.0) * damping}


def machine(rng: Rng, *, hit: bool, damping: float, restitution: float | None = None, **changes: Any) -> ds.RigidBodies:
    """In empty space: a chassis with a piston and an arm, a hand on the piston, all driven; a disc and a box come."""
    heading, lean, tilt = near(rng, (0.0, 0.0), 0.5), rng.uniform(-0.4, 0.4), rng.uniform(-0.4, 0.4)
    comers = [
        ds.Disc(near(rng, (0.0, 0.5), 0.1), near(rng, 0.08, 0.02), velocity=near(rng, (0.0, -2.5), 0.3)),
        ds.Box(near(rng, (0.1, -0.5), 0.1), near(rng, (0.08, 0.05), 0.02), **motion(rng, 0.0, 2.5)),
    ]
    return ds.RigidBodies(
        [
            ds.Box((0.0, 0.0), near(rng, (0.15, 0.06), 0.02), velocity=heading, group=0),
            ds.Capsule((0.35, 0.0), 0.12, 0.03, angle=lean, velocity=heading, group=0),
            ds.Capsule((-0.3, 0.0), 0.12, 0.03, velocity=heading, group=0),
            ds.Polygon((0.6, 0.1), outline(rng, 5, 0.08), velocity=heading, group=0),
            *(comers if hit else ()),
        ],
        joints=[
            ds.Slider(0, 1, at=(0.25, 0.0), axis=(np.cos(tilt), np.sin(tilt)), **drive(rng, 2.0, damping)),
            ds.Pin(0, 2, at=(-0.18, 0.0), **drive(rng, 0.1, 0.02 * damping)),
            ds.Pin(1, 3, at=(0.5, 0.05), **drive(rng, 0.05, 0.02 * damping)),
        ],
        **space(rng, restitution, **changes),
    )


def crane(rng: Rng, *, hit: bool, damping: float, restitution: float | None = None, **changes: Any) -> ds.RigidBodies:
    """On a rail of the world: a trolley, a mast pinned to it, a load that slides along the mast; all driven."""
    slope, lean = rng.uniform(-0.6, 0.6), rng.uniform(-1.0, 1.0)
    rail, mast = np.array([np.cos(slope), np.sin(slope)]), np.array([np.sin(lean), -np.cos(lean)])
    along = rng.uniform(-1.0, 1.0) * rail
    comers = [ds.Disc(near(rng, (0.6, -0.1), 0.05), 0.15, velocity=near(rng, (-4.0, 0.0), 0.3))]
    return ds.RigidBodies(
        [
            ds.Box((0.0, 0.0), near(rng, (0.1, 0.05), 0.02), angle=slope, velocity=along, group=0),
            ds.Capsule(0.2 * mast, 0.15, 0.03, angle=lean - 0.5 * np.pi, velocity=along, group=0),
            ds.Box(0.3 * mast, (0.05, 0.05), angle=lean, velocity=along + near(rng, 0.0, 0.5) * mast, group=0),
            *(comers if hit else ()),
        ],
        joints=[
            ds.Slider(0, None, at=(0.0, 0.0), axis=rail, **drive(rng, 3.0, damping)),
            ds.Pin(0, 1, at=(0.0, 0.0), **drive(rng, 0.3, 0.02 * damping)),
            ds.Slider(1, 2, at=0.3 * mast, axis=mast, **drive(rng, 1.5, damping)),
        ],
        **space(rng, restitution, **changes),
    )


def simulated(
    make: Callable[..., ds.RigidBodies], dt: float = 0.001, seed: int = 0, **settings: Any
) -> tuple[list[ds.RigidBodies], ds.Rollout]:
    """Fifty of these scenes, side by side, each driven in its own way."""
    rng = np.random.default_rng(seed)
    scenes = [drawn(lambda own: make(own, dt=dt, **settings), rng) for _ in range(SCENES)]
    tune = ("scene.*", "controller.*")
    problem = ds.Problem(scenes[0], ds.OpenLoop(knots=4), steps=round(TIME / dt), tune=tune)
    with ds.Simulation(problem, precision="f64", envs=SCENES, shared=False) as simulation:
        return scenes, simulation.rollout(params_of(scenes, simulation, rng, open_by=0.0))


# What motors and dampers do


def of_all(scenes: list[ds.RigidBodies], k: int, name: str) -> np.ndarray:
    """(envs, 1, ...) a number of joint k."""
    return np.stack([np.asarray(getattr(scene.joints[k], name)) for scene in scenes])[:, None]


def with_world(array: np.ndarray) -> np.ndarray:
    """(envs, rows, bodies + 1, ...), the last of which does not move."""
    return np.concatenate([array, np.zeros_like(array[:, :, :1])], axis=2)


def axis_of(scenes: list[ds.RigidBodies], rollout: ds.Rollout, k: int) -> np.ndarray:
    """(envs, rows, 2) of slider k."""
    angle = of_all(scenes, k, "axis_angle") + rollout.angle[:, :, scenes[0].joints[k].first]
    return np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def rate_of(scenes: list[ds.RigidBodies], rollout: ds.Rollout, k: int) -> np.ndarray:
    """(envs, rows) how fast the second body of joint k turns, or slides along it, against the first."""
    joint = scenes[0].joints[k]
    a, b = joint.first, len(scenes[0].bodies) if joint.second is None else joint.second
    spin, velocity, position = (with_world(rollout[name]) for name in ("angular_velocity", "velocity", "position"))
    if isinstance(joint, ds.Pin):
        return spin[..., b] - spin[..., a]
    anchor = np.broadcast_to(of_all(scenes, k, "anchors")[..., 1:, :], (*spin.shape[:2], 1, 2))
    place = in_world(rollout.position, rollout.angle, np.array([b]), anchor)[..., 0, :]

    def speed(body: int) -> np.ndarray:
        arm = place - position[:, :, body]
        return velocity[:, :, body] + spin[:, :, body, None] * np.stack([-arm[..., 1], arm[..., 0]], axis=-1)

    return np.sum(axis_of(scenes, rollout, k) * (speed(b) - speed(a)), axis=-1)


def force_of(scenes: list[ds.RigidBodies], rollout: ds.Rollout, k: int) -> np.ndarray:
    """(envs, steps) force or torque of motor and damper of joint k, on its second body."""
    rate = rate_of(scenes, rollout, k)[:, :-1]
    return of_all(scenes, k, "motor") * rollout.actuation[:, :, k] - of_all(scenes, k, "damping") * rate


def beyond_work(scenes: list[ds.RigidBodies], rollout: ds.Rollout) -> np.ndarray:
    """(envs, rows) what of the energy motors and dampers did not bring, over the most that there was."""
    joints = range(len(scenes[0].joints))
    rates = [rate_of(scenes, rollout, k) for k in joints]
    power = [force_of(scenes, rollout, k) * 0.5 * (rates[k][:, 1:] + rates[k][:, :-1]) for k in joints]
    work = np.cumsum(scenes[0].dt * reduce(add, power), axis=1)
    energy = rollout.energy - rollout.energy[:, :1]
    kinetic = np.abs(rollout.energy).max(axis=1, keepdims=True)
    return (energy - np.concatenate([np.zeros_like(work[:, :1]), work], axis=1)) / kinetic


@pytest.mark.parametrize("damping", [0.0, 1.0])
@pytest.mark.parametrize("make", [machine, crane])
def test_energy_is_the_work_of_motors_and_dampers(make, damping):
    """And what is left is of the step: it halves with it. (Euler's falls by g h / 2 times the time too far.)"""
    gravity = (0.0, -9.81 if make is crane else 0.0)
    left = [
        np.abs(beyond_work(*simulated(make, dt, hit=False, damping=damping, gravity=gravity))).max(axis=1)
        for dt in (0.001, 0.0005)
    ]
    print(f"\n{make.__name__}: energy differs from work by {left[0].max():.1e} at 1 ms, {left[1].max():.1e} at 0.5 ms")
    assert left[0].max() < (2e-2 if make is crane else 5e-4)
    assert np.median(left[1] / left[0]) < 0.6


@pytest.mark.parametrize("hit", [False, True])
def test_motors_and_sliders_within_leave_momentum_as_it_is(hit):
    _, rollout = simulated(machine, hit=hit, damping=1.0)
    momentum, around = rollout.momentum, rollout.angular_momentum
    print(f"\nmomentum {np.ptp(momentum, axis=1).max():.0e}, around {np.ptp(around, axis=1).max():.0e}")
    np.testing.assert_allclose(momentum, np.broadcast_to(momentum[:, :1], momentum.shape), atol=1e-12)
    np.testing.assert_allclose(around, np.broadcast_to(around[:, :1], around.shape), atol=2e-3)


@pytest.mark.parametrize("hit", [False, True])
def test_a_rail_of_the_world_takes_nothing_along_itself(hit):
    """Momentum along the rail is what motor and damper of the trolley bring."""
    scenes, rollout = simulated(crane, hit=hit, damping=1.0)
    axis = axis_of(scenes, rollout, 0)[:, :1]
    force = -force_of(scenes, rollout, 0)  # the world is second: the trolley gets the opposite
    along = np.sum(rollout.momentum * axis, axis=-1)
    brought = scenes[0].dt * np.cumsum(force, axis=1)
    apart = np.abs(along[:, 1:] - along[:, :1] - brought).max()
    print(f"\nmomentum along the rail differs by {apart:.0e} of {np.abs(along).max():.1f} kg m/s")
    assert apart < 1e-5  # where it is hit, the trolley turns by up to 1e-4 rad until the slider is closed again


@pytest.mark.parametrize("make", [machine, crane])
@pytest.mark.parametrize("restitution", [1.0, None])
def test_impacts_on_what_is_driven_only_lose(make, restitution):
    """What is more than work only falls; with restitution 1 it stays."""
    scenes, rollout = simulated(make, hit=True, damping=1.0, restitution=restitution)
    met(rollout)
    left = beyond_work(scenes, rollout)
    rises = np.diff(left, axis=1).max()
    print(f"\n{make.__name__}: rises by {rises:.1e} in a step, at last {np.sort(left[:, -1])[[0, SCENES // 2, -1]]}")
    assert rises < 5e-3
    if restitution == 1.0:
        assert np.abs(left).max() < 0.05
