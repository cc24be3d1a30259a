"""A head-on impact without friction: the gradient at the very place where nothing slides, which could as well stick."""

import numpy as np
import pytest

import diffsim as ds

RADIUS, SPEED, APART, HEIGHT, DT, STEPS = 0.03, 0.3, 0.15, 0.5, 0.003, 400


@pytest.mark.parametrize("restitution", [0.0, 0.8])
def test_the_gradient_of_a_head_on_impact(restitution):
    """The normal turns by 1 / (2 RADIUS) per metre of offset, and with it the velocity of the disc that is hit."""
    discs = [ds.Disc((0.0, HEIGHT), RADIUS, velocity=(SPEED, 0.0)), ds.Disc((APART, HEIGHT), RADIUS)]
    scene = ds.RigidBodies(discs, gravity=(0.0, 0.0), friction=0.0, restitution=restitution, dt=DT)
    target = (0.0, HEIGHT + 0.1)
    name = "scene.initial_position[0, 1]"
    problem = ds.Problem(scene, None, ds.ReachTarget(target, point=1), steps=STEPS, tune=(name,))
    with ds.Simulation(problem, precision="f64") as simulation:
        _, grad = simulation.value_and_grad(simulation.params(0))
    after = DT * STEPS - (APART - 2.0 * RADIUS) / SPEED
    sideways = -0.5 * (1.0 + restitution) * SPEED / (2.0 * RADIUS) * after
    # The impact is exact but for rounding; sticking would be off by a sixth or more.
    np.testing.assert_allclose(grad[name], -2.0 * 0.1 * sideways, rtol=1e-6)
