"""Every number of every robot that gymnasium ships, without contacts: its gradient against central differences."""

import time

import numpy as np
import pytest

import diffsim as ds

from .. import gymnasium_robots as gym

pytest.importorskip("mujoco")
pytest.importorskip("gymnasium")

pytestmark = pytest.mark.bench

STEPS = 20

AGREEMENT = 1e-6  # of the largest entry of an array: the project's target


def problem(name):
    """A robot in mid-motion with all its numbers tuned: masses, inertias, places, axes, damping, gains, controls."""
    rng = np.random.default_rng(1)
    position, velocity = gym.random_state(gym.peer(name), rng, spread=0.2, speed=1.0)
    scene = gym.load(name, contacts=False, limits=False, initial_position=position, initial_velocity=velocity)
    controls = rng.uniform(-0.8, 0.8, size=(STEPS, len(scene.actuators)))
    goal = ds.ReachPose((0.3, 0.2, 0.5), (0.9, 0.1, -0.2, 0.3), link=scene.links[-1].name, size=0.5)
    return ds.Problem(scene, ds.OpenLoop(values=controls), goal, steps=STEPS, tune=("scene.*", "controller.*"))


LENGTHS = 4e-5 * 0.5 ** np.arange(6)
"""Of differences: velocity gains of a robot bend its loss within 1e-5, and other numbers hardly at all."""


def differences(sim, start, name):
    """Central differences by every entry, extrapolated (Richardson) where two lengths in a row agree best."""
    found = np.zeros(start[name].shape)
    for index in np.ndindex(found.shape):
        slopes = []
        for h in LENGTHS * max(1.0, abs(start[name][index])):
            ends = []
            for sign in (1.0, -1.0):
                value = start[name].copy()
                value[index] += sign * h
                ends.append(sim.value({**start, name: value}))
            slopes.append((ends[0] - ends[1]) / (2.0 * h))
        better = (4.0 * np.array(slopes[1:]) - slopes[:-1]) / 3.0
        found[index] = better[1 + np.abs(np.diff(better)).argmin()]
    return found


@pytest.mark.parametrize("name", gym.ROBOTS)
def test_every_number_agrees_with_differences(name):
    began = time.perf_counter()
    with ds.Simulation(problem(name), precision="f64") as sim:
        start = sim.params()
        loss, gradients = sim.value_and_grad(start)
        numbers, worst, where = 0, 0.0, ""
        for each, gradient in gradients.items():
            expected = differences(sim, start, each)
            rounding = 1e-10 * abs(loss)  # 1e-15 of the loss over 1e-5
            error = np.abs(gradient - expected)
            scale = max(float(np.abs(expected).max()), 1e-3 * abs(loss))
            assert (error <= AGREEMENT * scale + rounding).all(), (each, float(error.max() / scale))
            numbers += gradient.size
            if error.max() / scale > worst:
                worst, where = float(error.max() / scale), each
    print(
        f"\n{name}: {numbers} numbers in {len(gradients)} arrays agree, worst {worst:.1e} of the largest entry "
        f"({where}); {time.perf_counter() - began:.0f} s"
    )
