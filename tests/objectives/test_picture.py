"""Pictures as objectives: what is compared, and what is refused."""

import numpy as np
import pytest

import diffsim as ds

RNG = np.random.default_rng(0)
DENSITY, PICTURE = RNG.uniform(size=(2, 5, 4))


def smoke(goal, **changes):
    return ds.Problem(ds.Smoke(DENSITY, **changes), None, goal, steps=2, tune=("scene.initial_density", "objective.*"))


def test_it_is_the_mean_squared_difference(keep):
    """Of smoke at rest, which stays as it is."""
    simulation = keep(smoke(ds.MatchPicture(PICTURE, weight=3.0)), precision="f64")
    loss, grad = simulation.value_and_grad(simulation.params())
    apart = DENSITY - PICTURE
    assert loss == pytest.approx(3.0 * np.mean(apart**2), rel=1e-14)  # rounding of a sum
    assert grad["objective.picture"] == pytest.approx(-6.0 * apart / apart.size, rel=1e-13)
    assert grad["scene.initial_density"] == pytest.approx(6.0 * apart / apart.size, rel=1e-13)
    rollout = simulation.rollout(simulation.params())
    assert rollout.terms[0].loss == pytest.approx(loss, rel=1e-14)
    assert rollout.words == f"{np.mean(apart**2) ** 0.5:.3g} off the picture (root mean square)"


@pytest.mark.parametrize(
    ("goal", "message"),
    [
        (ds.MatchPicture(np.zeros((4, 5))), r"picture has shape \(4, 5\), but 'density' has \(5, 4\); both need a num"),
        (ds.MatchPicture(PICTURE, "velocity"), r"picture has shape \(5, 4\), but 'velocity' has"),
        (ds.MatchPicture(PICTURE, "height"), "MatchPicture reads 'height', but a Smoke has density, velocity"),
    ],
)
def test_what_does_not_fit_is_named(goal, message):
    with pytest.raises(ds.InputError, match=message):
        ds.Simulation(smoke(goal, initial_velocity=np.zeros((5, 4, 2))))
