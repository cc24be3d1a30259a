"""Contact pairs: who touches, with which friction, and what is refused."""

import numpy as np
import pytest

import diffsim as ds
from diffsim.errors import InputError, OmissionWarning

from .slopes import assert_slopes_agree


def sledge(pair=None, *, friction=0.9, contype=0, **changes):
    """A box of 1 kg on a plane, pulled by 2 m/s^2; without a pair it touches only if its contype says so."""
    box = ds.Geom("box", "box", (0.2, 0.2, 0.05), friction=friction, contype=contype, conaffinity=contype)
    link = ds.Link(
        "sledge",
        joints=ds.Joint("root", "free"),
        position=(0, 0, 0.05),
        mass=1.0,
        inertia=(0.014, 0.014, 0.027),
        geoms=box,
    )
    return ds.Articulated(
        [link],
        geoms=ds.Geom("floor", "plane", friction=friction),
        pairs=pair or (),
        gravity=(2.0, 0.0, -9.81),
        dt=0.002,
        **changes,
    )


def end(scene, steps=250):
    with ds.Simulation(ds.Problem(scene, steps=steps, tune=("scene.mass",)), precision="f64") as simulation:
        return simulation.rollout(simulation.params()).joint_position[-1]


def test_a_pair_touches_whatever_its_geoms_say_with_its_own_friction():
    """It slides by what its friction leaves of 2 m/s^2, 0.1 g: geoms alone, of 0.9, would hold it."""
    assert end(sledge())[2] < -1.0
    assert abs(end(sledge(contype=1))[0]) < 1e-3
    place = end(sledge(ds.Pair("sole", "floor", "box", friction=0.1), contype=1))
    assert place[0] == pytest.approx(0.5 * (2.0 - 0.1 * 9.81) * 0.5**2, rel=0.02)
    assert place[2] == pytest.approx(0.05, abs=1e-3)
    assert end(sledge(ds.Pair("sole", "box", "floor", friction=0.1)))[0] == pytest.approx(place[0], rel=1e-9)


def test_a_pair_without_friction_slides_freely():
    assert end(sledge(ds.Pair("sole", "box", "floor", condim=1)))[0] == pytest.approx(0.25, rel=1e-2)


def test_its_margin_lifts_it():
    lifted = end(sledge(ds.Pair("sole", "box", "floor", margin=0.01)))[2] - end(sledge(ds.Pair("s", "box", "floor")))[2]
    assert lifted == pytest.approx(0.01, rel=1e-2)


def test_words_of_links_do_not_keep_a_pair_apart_but_those_of_geoms_do():
    pair = ds.Pair("sole", "box", "floor")
    assert len(sledge(pair, exclude=[("sledge", "floor")]).touching) == 1
    assert not sledge(pair, exclude=[("box", "floor")]).touching
    assert not sledge(pair, contacts=False).touching


@pytest.mark.parametrize("executor", ["staged", *(pytest.param(e, marks=pytest.mark.bench) for e in ("fused", "wide"))])
def test_gradients_agree_with_differences(executor):
    scene = sledge(ds.Pair("sole", "box", "floor", friction=0.3, condim=6, torsion=0.02, rolling=0.01, margin=0.001))
    names = ("pair_friction", "pair_margin", "pair_torsion", "pair_rolling", "initial_velocity")
    goal = ds.Travel(direction=(1.0, 0.5, -0.3)) + ds.ReachPose((0.1, 0, 0), (0.9, 0.1, 0.2, 0.1), "sledge")
    problem = ds.Problem(scene, objective=goal, steps=12, tune=tuple(f"scene.{name}" for name in names))
    with ds.Simulation(problem, precision="f64", executor=executor) as simulation:
        params = simulation.params()
        params["scene.initial_velocity"] = np.array([0.3, 0.1, -0.1, 0.4, 0.3, 2.0])
        assert_slopes_agree(simulation, params, np.random.default_rng(0))


# From files

FINGERS = """
<mujoco>
  <worldbody>
    <body name="palm" pos="0 0 1"><joint name="wrist"/><geom name="palm" type="box" size="0.1 0.1 0.02"/>
      <body name="finger" pos="0 0 0.1"><joint name="knuckle" axis="0 1 0"/>
        <geom name="bone" type="capsule" size="0.02 0.1" contype="0" conaffinity="0" {geom}/></body></body>
  </worldbody>
  <contact><pair name="pinch" geom1="palm" geom2="bone" {pair}/></contact>
</mujoco>
"""


def fingers(pair="", geom=""):
    return FINGERS.format(pair=pair, geom=geom)


def test_a_files_pair_is_read():
    pytest.importorskip("mujoco")
    scene = ds.load_mjcf(fingers('condim="4" friction="0.3 0.3 0.02 0.001 0.001" margin="0.002"'))
    (pair,) = scene.pairs
    assert (pair.name, pair.first, pair.second, pair.condim) == ("pinch", "palm", "bone", 4)
    assert (pair.friction, pair.torsion, pair.rolling, pair.margin) == (0.3, 0.02, 0.001, 0.002)
    assert len(scene.touching) == 1
    with pytest.warns(OmissionWarning, match="pair 'pinch'"):
        assert not ds.load_mjcf(fingers(), ignore="pair").touching


def test_a_pair_softer_than_its_geoms_is_refused():
    pytest.importorskip("mujoco")
    with pytest.raises(InputError, match="pair 'pinch' has another solref or solimp than its geoms"):
        ds.load_mjcf(fingers('solref="0.1 1"'))


BAD = {
    "no geom": (
        lambda: sledge(ds.Pair("p", "box", "roof")),
        "pair 'p' names geom 'roof', but the geoms are floor, box",
    ),
    "itself": (lambda: ds.Pair("p", "box", "box"), "pair 'p': geom 'box' cannot touch itself"),
    "no dimension": (lambda: ds.Pair("p", "box", "floor", condim=2), "pair 'p': condim is 2"),
    "friction below zero": (lambda: ds.Pair("p", "box", "floor", friction=-1), "pair 'p': friction is -1"),
    "one body": (
        lambda: ds.Articulated(
            [
                ds.Link(
                    "ball",
                    joints=ds.Joint("root", "free"),
                    mass=1.0,
                    inertia=(1, 1, 1),
                    geoms=[ds.Geom("a", "sphere", 0.1), ds.Geom("b", "sphere", 0.1)],
                )
            ],
            pairs=ds.Pair("p", "a", "b"),
        ),
        "pair 'p': geoms 'a' and 'b' are of one rigid body",
    ),
    "two of a name": (
        lambda: sledge([ds.Pair("p", "box", "floor"), ds.Pair("p", "floor", "box")]),
        "two pairs are named 'p'",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_a_pair_cannot_be_is_said(case):
    make, words = BAD[case]
    with pytest.raises(InputError, match=words):
        make()
