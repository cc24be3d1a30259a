"""Motion of robots against MuJoCo, an independent implementation; and laws that need none. No contacts, no limits."""

import numpy as np
import pytest

from ... import gymnasium_robots as gym
from ..references import orders

pytest.importorskip("mujoco")
pytest.importorskip("gymnasium")

from .against_mujoco import STEPS, Twins

# A free joint and links of several hinges; slides and springs; balls, welds and servos. All eight robots of gymnasium:
# benchmarks/test_against_mujoco.py.
ROBOTS = ("humanoid", "half_cheetah", "medley")

WITHOUT = ("scene.gravity", "scene.damping", "scene.stiffness")


@pytest.fixture(scope="module", params=ROBOTS)
def twins(request):
    made = Twins(request.param, WITHOUT if request.param == "humanoid" else ())
    yield made
    made.simulation.close()


@pytest.fixture
def driven(twins):
    """Random states under random controls."""
    rng = np.random.default_rng(2)
    return twins.rollout(twins.states(rng), twins.actuations(rng))


def test_a_step_is_mujocos(twins):
    velocity, position = twins.one_step_errors()
    assert velocity < 1e-12  # relative; at most 3e-14: rounding of sums that cancel in the elimination
    assert position < 1e-14


def test_trajectories_are_mujocos(twins):
    errors, own = twins.trajectory_errors()
    sure = own < 1e-7  # where MuJoCo itself does not multiply an error of the start by more than 1e5
    assert sure.all()
    assert errors.max() < 1e-9  # at most 2e-11


def test_links_are_where_mujoco_has_them(twins, driven):
    assert twins.pose_errors(driven, (0, 1, STEPS // 2, STEPS)) < 1e-12


@pytest.mark.parametrize("twins", ["medley"], indirect=True)
def test_sites_are_where_mujoco_has_them(twins, driven):
    model, scene = twins.model, twins.scene
    data = twins.mujoco.MjData(model)
    for row in (0, STEPS):
        data.qpos[:] = driven.joint_position[3, row]
        twins.mujoco.mj_forward(model, data)
        for site in range(model.nsite):
            place = scene.place("site", twins.mujoco.mj_id2name(model, twins.mujoco.mjtObj.mjOBJ_SITE, site))
            assert driven.position[3, row, place] == pytest.approx(data.site_xpos[site], abs=1e-12)


def test_energies_are_mujocos(twins, driven):
    rollout = driven.env(4)
    rows = range(0, STEPS + 1, 50)
    expected = [gym.energy(twins.model, rollout.joint_position[row], rollout.joint_velocity[row]) for row in rows]
    assert rollout.energy[rows] == pytest.approx(expected, rel=1e-12)


def test_quaternions_stay_of_length_one(twins, driven):
    at = 0
    for joint in twins.scene.joints:
        at += joint.coordinates
        if joint.motion in ("ball", "free"):
            lengths = np.linalg.norm(driven.joint_position[..., at - 4 : at], axis=-1)
            assert lengths == pytest.approx(np.ones_like(lengths), abs=1e-15)


@pytest.mark.parametrize("twins", ["humanoid", "half_cheetah"], indirect=True)  # balls: test_conformance.py
def test_derivatives_of_a_step_are_mujocos(twins):
    """By state, in tangents, and by control. MuJoCo finds them by differences: 1e-16 / 1e-6 of numbers of order 100."""
    assert twins.derivative_errors() < 1e-7  # at most 2e-8


# Laws


CLOCKS = (1.0, 0.5, 0.25)


@pytest.mark.parametrize("twins", ["humanoid"], indirect=True)
def test_what_flies_freely_keeps_momentum_and_energy(twins):
    """Without weight, springs and dampers a slower start is a slower clock: the same motion with shorter steps."""
    actuations = twins.actuations(np.random.default_rng(3))
    position, velocity = gym.random_state(twins.model, np.random.default_rng(3), speed=1.0)
    states = [(position, clock * velocity) for clock in np.resize(CLOCKS, len(actuations))]
    params = twins.simulation.params()
    rollout = twins.rollout(states, 0.0 * actuations, **{name: 0.0 * params[name] for name in WITHOUT})
    found = {name: [] for name in ("energy", "momentum", "angular_momentum")}
    for env, clock in enumerate(CLOCKS):
        row, own = round(STEPS / 4 / clock), rollout.env(env)
        for name, power in (("energy", 2), ("momentum", 1), ("angular_momentum", 1)):
            whole = own[name] / clock**power
            found[name].append(np.abs(whole[row] - whole[0]).max() / np.abs(whole[0]).max())
    for name, errors in found.items():
        # Semi-implicit Euler: of first order. A tree of hinges changes its shape during a step.
        assert orders(errors) == pytest.approx([1.0, 1.0], abs=0.1), name
        assert errors[-1] < 0.01, name
