"""All robots that gymnasium ships against MuJoCo: steps, 500 of them, places, energies and derivatives.

Three of them are in the default tests, tests/physics/articulated/test_motion.py.
"""

import numpy as np
import pytest

from .. import gymnasium_robots as gym

pytest.importorskip("mujoco")
pytest.importorskip("gymnasium")

from ..physics.articulated.against_mujoco import STEPS, Twins

pytestmark = pytest.mark.bench


@pytest.mark.parametrize("name", [*gym.ROBOTS, "medley"])
def test_motion_is_mujocos(name):
    twins = Twins(name)
    velocity, position = twins.one_step_errors()
    errors, own = twins.trajectory_errors()
    sure = own < 1e-7  # an error of the start by 1e-12 does not matter more than that in MuJoCo itself
    rng = np.random.default_rng(2)
    rollout = twins.rollout(twins.states(rng), twins.actuations(rng))
    places = twins.pose_errors(rollout, (0, 1, 10, 100))
    energies = []
    for row in range(0, 101, 20):
        expected = gym.energy(twins.model, rollout.joint_position[0, row], rollout.joint_velocity[0, row])
        energies.append(abs(rollout.env(0).energy[row] / expected - 1.0))
    derivatives = twins.derivative_errors()
    print(
        f"\n{name}: one step {velocity:.0e} of the velocity, {position:.0e} of the position; {STEPS} steps "
        f"{errors[sure].max():.0e} in {sure.mean():.0%} of all rows; places {places:.0e}, energy {max(energies):.0e}; "
        f"derivatives {derivatives:.0e} of MuJoCo's differences"
    )
    # The targets of the project are 1e-9 for a step, 1e-6 for trajectories and 1e-5 for derivatives.
    assert velocity < 1e-12
    assert position < 1e-13
    assert errors[sure].max() < 1e-6
    assert sure.mean() > 0.5
    assert max(places, *energies) < 1e-12
    assert derivatives < 1e-5
    twins.simulation.close()
