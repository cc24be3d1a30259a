"""The grid's blocks: room for them is found by itself; what leaves the box diverges."""

import numpy as np
import pytest

import diffsim as ds
from diffsim import Matter
from diffsim.errors import DivergenceError
from diffsim.physics.material_points import grid


def falling(**given):
    """A small drop that spreads over the ground."""
    drop = Matter.box((0.4, 0.05), (0.1, 0.2), 0.025)
    return ds.MaterialPoints(drop, material="liquid", density=1.0, bulk_modulus=50.0, cell=0.05, dt=4e-3, **given)


def gradient(scene, steps=100, **settings):
    goal = ds.ReachTarget((0.7, 0.0), point=3)
    problem = ds.Problem(scene, None, goal, steps=steps, tune=("scene.initial_velocity",))
    with ds.Simulation(problem, precision="f64", **settings) as sim:
        return sim.value_and_grad(sim.params()), sim._rooms.get("blocks", 0)


def test_more_room_is_made_when_it_is_needed_and_changes_no_bit(monkeypatch):
    scene = falling(initial_velocity=(0.5, 0.0))
    monkeypatch.setattr(grid, "_first_room", lambda scene, blocks: 1000)
    (loss, grad), grown = gradient(scene)
    assert not grown
    monkeypatch.setattr(grid, "_first_room", lambda scene, blocks: 1)
    for adjoint in (ds.FullTape(), ds.Checkpointed(every=30)):
        (again, also), grown = gradient(scene, adjoint=adjoint)
        assert grown > 1
        assert again == loss
        assert np.array_equal(also["scene.initial_velocity"], grad["scene.initial_velocity"])


def test_rollouts_and_copies_find_room_as_well(monkeypatch):
    monkeypatch.setattr(grid, "_first_room", lambda scene, blocks: 1)
    problem = ds.Problem(falling(), None, ds.ReachTarget((0.7, 0.0)), steps=30, tune=("scene.initial_velocity",))
    with ds.Simulation(problem, precision="f64", envs=2) as sim:
        rollout = sim.rollout(sim.params())
    with ds.Simulation(problem, precision="f64") as sim:
        one = sim.rollout(sim.params())
    assert np.array_equal(rollout.position, np.stack([one.position] * 2))


def test_a_stepper_has_room_for_all():
    scene = falling()
    with ds.Simulation(ds.Problem(scene, steps=30, tune=()), precision="f64") as sim:
        position = sim.rollout({}).position[-1]
    with ds.Stepper(scene, precision="f64") as stepper:
        state = stepper.start()
        for step in range(30):
            state, _ = stepper.step(state, np.zeros((1, 0)), at=step)
        assert np.array_equal(stepper.named(state)["position"][0], position)


def test_what_is_out_of_hand_diverges_and_is_named():
    """A particle that is in a wall by more than a cell; copies of their own go on without it."""
    scene = falling(initial_velocity=(0.0, -30.0))
    with pytest.raises(DivergenceError, match=r"position .* not finite"):
        gradient(scene, steps=5)
    problem = ds.Problem(scene, None, ds.ReachTarget((0.7, 0.0)), steps=5, tune=("scene.initial_velocity",))
    with ds.Simulation(problem, precision="f64", envs=2, shared=False) as sim:
        losses = sim.value({"scene.initial_velocity": np.array([[0.0, -30.0], [0.0, -1.0]])})
    assert np.isfinite(losses).tolist() == [False, True]
