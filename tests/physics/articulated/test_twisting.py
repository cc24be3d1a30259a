"""Friction against turning and rolling (condim 4 and 6), and which geom says what it is: closed forms and gradients."""

import numpy as np
import pytest

import diffsim as ds
from diffsim.errors import InputError
from diffsim.physics.articulated.mjcf import load_mjcf

from .slopes import assert_slopes_agree

mujoco = pytest.importorskip("mujoco")

G, R, MASS, DT = 9.81, 0.1, 2.0, 1e-3
INERTIA = 0.4 * MASS * R * R
TORSION, ROLLING = 0.004, 0.003


UNEVEN = (INERTIA, 1.1 * INERTIA, 1.2 * INERTIA)
"""The smallest moment counts, which has a kink where two are equal."""


def ball(name, place, bit=1, inertia=(INERTIA,) * 3, **changes):
    shape = ds.Geom(name, "sphere", R, friction=0.8, contype=bit, **{"conaffinity": 0, **changes})
    return ds.Link(name, joints=ds.Joint(f"{name} root", "free"), position=(*place, R - 1.5e-3), mass=MASS,
                   inertia=inertia, geoms=shape)  # fmt: skip


def roll(integrator):
    """Balls on a floor: one spins, one rolls, one does both without such friction."""
    links = [
        ball("spinning", (0, 0), condim=4, torsion=TORSION),
        ball("rolling", (1, 0), condim=6, torsion=0.0, rolling=ROLLING),
        ball("free", (2, 0), torsion=TORSION, rolling=ROLLING),
    ]
    floor = ds.Geom("floor", "plane", friction=0.8, contype=0, conaffinity=1, torsion=0.0, rolling=0.0)
    scene = ds.Articulated(links, geoms=floor, dt=DT, integrator=integrator)
    speed = np.zeros((3, 6))
    speed[0, 5], speed[1], speed[2] = 3.0, [1, 0, 0, 0, 1 / R, 0], [1, 0, 0, 0, 1 / R, 3]
    with ds.Simulation(ds.Problem(scene, steps=400, tune=("scene.initial_velocity",)), precision="f64") as simulation:
        return simulation.rollout({"scene.initial_velocity": speed.ravel()}).joint_velocity.reshape(-1, 3, 6)


@pytest.mark.parametrize("integrator", ["euler", "rk4"])
def test_spin_and_rolling_are_lost_as_they_should(integrator):
    velocity = roll(integrator)
    row = 200
    spun = 3.0 - TORSION * MASS * G / INERTIA * row * DT
    assert velocity[row, 0, 5] == pytest.approx(spun, rel=0.02)
    # Rolling without slip: m a = F, I a / R = -F R - T, of a torque T = mu_r m g.
    slower = ROLLING * G / (R * (1.0 + INERTIA / (MASS * R * R)))
    assert velocity[row, 1, 0] == pytest.approx(1.0 - slower * row * DT, rel=0.01)
    assert velocity[row, 2, [0, 5]] == pytest.approx([1.0, 3.0], abs=0.02)


def test_spin_stops_and_stays():
    velocity = roll("euler")
    stops = 3.0 / (TORSION * MASS * G / INERTIA)
    assert np.abs(velocity[round(stops / DT) + 20 :, 0, 5]).max() < 0.01


XML = """<mujoco><worldbody>
  <geom name="floor" type="plane" size="1 1 1" friction="0.2 0.01 0.002" {floor}/>
  <body pos="0 0 0.1"><freejoint/><geom name="foot" size="0.1" friction="0.9 0.003 0.0005" {foot}/></body>
</worldbody></mujoco>"""


@pytest.mark.parametrize(
    ("foot", "floor", "expected"),
    [
        ("", "", (0.9, 0.0, 0.0)),
        ('condim="4"', "", (0.9, 0.01, 0.0)),
        ("", 'condim="6"', (0.9, 0.01, 0.002)),
        ('condim="1"', 'condim="1"', (0.0, 0.0, 0.0)),
        ('condim="4" priority="1"', 'condim="6"', (0.9, 0.003, 0.0)),
        ('condim="6"', 'condim="4" priority="2"', (0.2, 0.01, 0.0)),
        ('condim="1" priority="1"', 'condim="3"', (0.0, 0.0, 0.0)),
    ],
)
def test_a_contact_has_the_friction_that_it_has_in_mujoco(foot, floor, expected):
    """By what it takes from a ball that slides, spins and rolls in a step, and by MuJoCo's own numbers."""
    source = XML.format(foot=foot, floor=floor)
    model = mujoco.MjModel.from_xml_string(source)
    data = mujoco.MjData(model)
    data.qpos[2] = 0.0999
    mujoco.mj_forward(model, data)
    contact = data.contact[0]
    kept = [contact.dim > 1, contact.dim > 3, contact.dim > 4]
    assert np.array(contact.friction)[[0, 2, 3]] * kept == pytest.approx(expected)
    scene = load_mjcf(source)
    from diffsim.physics.articulated import pairs

    (spot,) = pairs.spots(scene)
    dimensions, prior = pairs.dimensions(scene, spot), pairs.prior(scene, spot)
    assert dimensions == contact.dim
    geoms = [scene.all_geoms[k][1] for k in spot.geoms]
    for name, least, value in zip(("friction", "torsion", "rolling"), (1, 3, 4), expected, strict=True):
        both = [getattr(each, name) for each in geoms]
        found = (max(both), *both)[prior] * (dimensions > least)
        assert found == pytest.approx(value)


def test_a_gap_changes_no_force():
    """Within it MuJoCo lists a contact that does not push."""
    source = XML.format(foot='margin="0.03" gap="0.01"', floor="")
    assert [geom.margin for _, geom in load_mjcf(source).all_geoms] == [0.0, 0.03]
    model = mujoco.MjModel.from_xml_string(source)
    for height, pushes in ((0.1299, True), (0.1301, False), (0.15, False)):
        data = mujoco.MjData(model)
        data.qpos[2] = height
        mujoco.mj_forward(model, data)
        assert bool(data.qfrc_constraint[2] > 0.0) == pushes


@pytest.mark.parametrize("share", [0.9, 1.1])
@pytest.mark.parametrize("integrator", ["euler", "rk4"])
@pytest.mark.parametrize("executor", ["staged", *(pytest.param(e, marks=pytest.mark.bench) for e in ("fused", "wide"))])
def test_gradients_agree_with_differences(executor, integrator, share):
    """Of balls one on the other, the upper with a share of the lower's inertia: the lighter counts, another kink."""
    upper = tuple(share * moment for moment in UNEVEN)
    links = [
        ball("one", (0, 0), bit=3, inertia=UNEVEN, conaffinity=2, condim=6, torsion=0.02, rolling=0.01),
        ball("two", (0.02, 0.01), bit=2, inertia=upper, condim=4, torsion=0.03, priority=1),
        ball("three", (0, 2), bit=1, inertia=UNEVEN, condim=4, torsion=0.04),
    ]
    floor = ds.Geom("floor", "plane", friction=0.7, contype=0, conaffinity=1, torsion=0.001, rolling=0.002)
    place = np.zeros((3, 7))
    place[:, :4] = [[0, 0, 0.098, 1], [0.02, 0.01, 0.295, 1], [0, 2, 0.098, 1]]
    scene = ds.Articulated(links, geoms=floor, dt=2e-3, integrator=integrator, initial_position=place.ravel())
    names = ("torsion", "rolling", "friction", "inertia", "slip_speed", "initial_velocity")
    problem = ds.Problem(scene, objective=ds.Travel(direction=(1.0, 0.5, -0.3)), steps=12,
                         tune=tuple(f"scene.{name}" for name in names))  # fmt: skip
    rng = np.random.default_rng(0)
    with ds.Simulation(problem, precision="f64", executor=executor) as simulation:
        params = simulation.params()
        speed = rng.uniform(-1, 1, (3, 6))
        speed[:, 2] = [-0.01, -0.02, -0.03]
        params["scene.initial_velocity"] = speed.ravel()
        forces = np.abs(simulation.rollout(params).contact_force).sum(axis=(0, 2))
        assert (forces > 0.0).sum() == 3
        assert_slopes_agree(simulation, params, rng, absolute=1e-9)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"condim": 5}, "geom 'g': condim is 5"),
        ({"torsion": -1.0}, "geom 'g': torsion is -1"),
        ({"rolling": -1.0}, "geom 'g': rolling is -1"),
        ({"priority": 0.5}, "geom 'g': priority is 0.5"),
    ],
)
def test_what_friction_cannot_be_is_said(changes, words):
    with pytest.raises(InputError, match=words):
        ds.Geom("g", "sphere", 1.0, **changes)
