"""Scenes of matter: what is refused, in words, and what is taken as given."""

import numpy as np
import pytest

import diffsim as ds
from diffsim import Matter
from diffsim.errors import InputError
from diffsim.spec import Spec

BODY = Matter.box((0.1, 0.1), (0.2, 0.1), 0.05, "body")
N = len(BODY)


def scene(**given):
    return ds.MaterialPoints(given.pop("points", BODY), **{"youngs_modulus": 1e4, **given})


def test_what_is_not_given_is_as_usual():
    found = scene()
    assert found.poissons_ratio == 0.3
    assert found.friction == 0.5
    assert np.array_equal(found.gravity, [0.0, -9.81])
    assert found.cell == pytest.approx(0.1)  # twice the distance of particles
    assert np.array_equal(found.cells, [10, 10])
    assert set(found.numbers()) == {
        *("initial_position", "volume", "density", "youngs_modulus", "poissons_ratio"),
        *("initial_velocity", "gravity", "friction"),
    }


def test_a_scene_comes_back_from_its_dictionary():
    both = BODY + Matter.box((0.5, 0.1), (0.1, 0.1), 0.05, "drop")
    material = both.by_region({"drop": "liquid"}, "neo-Hookean")
    made = ds.MaterialPoints(
        both,
        material=material,
        actuator=both.by_region({"body": 0}, -1),
        youngs_modulus=1e4,
        bulk_modulus=1e4,
        strength=10.0,
    )
    assert Spec.from_dict(made.to_dict()) == made
    assert made.actuators.tolist() == [0]
    assert made.observations == 4
    assert made.with_numbers({"density": 900.0}).density == 900.0


OF_N = np.full(N, "corotated")
OF_N[2] = "rubber"
REFUSED = {
    "materials": ({"material": "rubber"}, r"material\[0\] is 'rubber', but it must be one of 'corotated', 'neo-Hook"),
    "one material": ({"material": OF_N}, r"material\[2\] is 'rubber'"),
    "materials of others": ({"material": ["liquid"]}, "one for each of the 8 particles, is needed"),
    "no stiffness": ({"youngs_modulus": None}, "youngs_modulus is not given, but solids need it"),
    "no bulk modulus": (
        {"material": "liquid", "youngs_modulus": None},
        "bulk_modulus is not given, but liquids need it",
    ),
    "no strength": ({"actuator": 0}, "strength is not given, but muscles need it"),
    "no volume": ({"points": BODY.points}, "volume is not given, but it is needed, unless points is Matter"),
    "a useless number": ({"viscosity": 1.0}, "viscosity is given, but nothing is liquid; leave it out"),
    "a useless slope": ({"internal_friction": 0.6}, "internal_friction is given, but nothing is sand; leave it out"),
    "a muscle of sand": (
        {"actuator": 0, "strength": 1.0, "material": "sand"},
        r"actuator\[0\] is 0, but particle 0 is sand",
    ),
    "a useless friction": ({"sticky": True, "friction": 0.1}, "what touches a wall sticks to it; leave it out"),
    "a useless strength": ({"strength": 1.0}, "no particle has an actuator"),
    "a missing actuator": (
        {"actuator": [0, 0, 2, -1, -1, -1, -1, -1], "strength": 1.0},
        "names 2, but no particle has actuator 1",
    ),
    "a liquid muscle": (
        {"actuator": 0, "strength": 1.0, "material": "liquid", "youngs_modulus": None, "bulk_modulus": 1e4},
        r"actuator\[0\] is 0, but particle 0 is liquid",
    ),
    "a particle outside": ({"high": (0.2, 1.0)}, r"points\[4\] lies at \[0.225, 0.125\], but the box reaches from"),
    "no box": ({"high": 0.0}, r"low\[0\] is 0 m and high\[0\] 0 m, but between them there must be room for a cell"),
    "a long step": ({"dt": 0.1}, "dt is 0.1 s, but a wave of pressure crosses a cell of 0.1 m in 0.0273 s"),
    "Poisson's ratio": ({"poissons_ratio": 0.5}, "poissons_ratio is 0.5, but it must be at most 0.495"),
    "a density": ({"density": 0.0}, "density is 0, but it must be greater than 0"),
    "a cell": ({"cell": -0.1}, "cell is -0.1, but it must be greater than 0"),
    "truth": ({"sticky": 1}, "sticky is 1, but it must be True or False"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_bad_scenes_are_refused(what):
    given, words = REFUSED[what]
    with pytest.raises(InputError, match=words):
        scene(**given)


def test_the_far_wall_is_at_a_node():
    assert scene(high=(0.98, 0.52)).high == pytest.approx([1.0, 0.5])
