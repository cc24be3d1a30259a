"""Equalities of joints, and fixed tendons: steps of MuJoCo's, laws, gradients, what is refused."""

import numpy as np
import pytest

import diffsim as ds
from diffsim.errors import InputError, OmissionWarning

from ... import gymnasium_robots as gym
from .slopes import assert_slopes_agree
from .stepped import step_errors

pytest.importorskip("mujoco")

ROUNDING = 1e-10
"""MuJoCo iterates on the dual or primal problem up to its tolerance."""

ARMS = """
<mujoco>
  <option timestep="0.002" integrator="{integrator}" tolerance="1e-15" iterations="200"/>
  <worldbody>
    <body name="trunk" pos="0 0 1"><joint name="root" type="{root}"/><geom type="box" size="0.2 0.1 0.1"/>
      <body name="upper" pos="0 0 0.1"><joint name="a" axis="0 1 0"/>
        <geom type="capsule" size="0.05 0.2" pos="0.1 0 0.2"/>
        <body name="lower" pos="0 0 0.4"><joint name="c" axis="1 1 0"/>
          <geom type="capsule" size="0.04 0.2" pos="0.1 0 0"/></body></body>
      <body name="other" pos="0.3 0 0"><joint name="b" axis="0 0 1" ref="20" springref="30" stiffness="1"/>
        <geom type="capsule" size="0.05 0.2" pos="0.1 0.1 0"/>
        <body name="rod" pos="0 0 0.4"><joint name="d" type="slide" axis="1 1 0"/>
          <geom type="capsule" size="0.03 0.2" pos="0.1 0 0"/></body></body>
    </body>
  </worldbody>
  {parts}
</mujoco>
"""

TENDONS = """<tendon><fixed name="bow" {bow}><joint joint="a" coef="1.5"/><joint joint="b" coef="-0.7"/></fixed>
  <fixed name="line"><joint joint="c" coef="1"/><joint joint="d" coef="2"/></fixed></tendon>"""

EQUALITIES = """<equality><joint joint1="a" joint2="b" polycoef="0.1 0.5 0.7 0.2 0.1" solref="0.03 0.8"/>
  <joint joint1="d" joint2="c" polycoef="0 -1 0 0 0" solimp="0.8 0.9 0.5 0.3 3"/>
  <joint joint1="c" polycoef="0.2 0 0 0 0" solref="-300 -20"/>{more}</equality>"""

AXES = ("1 0 0", "0 1 0", "0 0 1")

CASES = {
    "equalities": EQUALITIES.format(more=""),
    "equality that is off": EQUALITIES.format(more='<joint joint1="b" active="false"/>'),
    "spring": TENDONS.format(bow='stiffness="20"'),
    "slack spring": TENDONS.format(bow='stiffness="20" springlength="-0.2 0.3" damping="0.5"'),
    "equality of a tendon": TENDONS.format(bow="")
    + '<equality><tendon tendon1="bow" polycoef="0.2 0 0 0 0"/><joint joint1="c" joint2="d"/></equality>',
    "equality of two tendons": TENDONS.format(bow="")
    + '<equality><tendon tendon1="bow" tendon2="line" polycoef="0.2 0.5 0.3 0.2 0.1"/></equality>',
}


def xml(parts, integrator="Euler", root="free"):
    return ARMS.format(parts=parts, integrator=integrator, root=root)


@pytest.mark.parametrize("case", CASES)
def test_a_step_is_mujocos(case):
    for seed in range(2):
        assert step_errors(xml(CASES[case]), seed=seed)[0] < ROUNDING


def test_more_joints_than_bodies_hold_each_other():
    """Numbers of joints are no numbers of bodies."""
    joints = "".join(f'<joint name="{axis}" type="slide" axis="{way}"/>' for axis, way in zip("xyz", AXES, strict=True))
    source = f"""<mujoco><option tolerance="1e-15" iterations="200"/><worldbody><body>{joints}<geom size="0.1"/></body>
      </worldbody><equality><joint joint1="z" joint2="y" polycoef="0 2 0 0 0"/></equality></mujoco>"""
    assert step_errors(source)[0] < ROUNDING


def test_a_step_of_runge_and_kuttas_is_mujocos():
    assert step_errors(xml(CASES["equalities"], "RK4"))[0] < ROUNDING
    assert step_errors(xml(CASES["slack spring"], "RK4"))[0] < ROUNDING


@pytest.mark.parametrize("what", ["damping", "armature"])
def test_what_is_implicit_of_a_tendon_is_mujocos(what):
    """Along one branch, and along two, of which MuJoCo leaves out what couples them."""
    for other in ("b", "c"):
        joints = f'<joint joint="a" coef="1.5"/><joint joint="{other}" coef="-0.7"/>'
        parts = f'<tendon><fixed {what}="3">{joints}</fixed></tendon>'
        assert step_errors(xml(parts, "implicitfast", "hinge"))[0] < ROUNDING


# Laws: two carts of 1 and 3 kg on rails, a tendon along both


def carts(*, velocity=(0.0, 0.0), force=0.0, dt=0.002, integrator="euler", equalities=(), **tendon):
    """The tendon is as long as the first cart's position and half the second's."""
    links = [
        ds.Link(name, joints=ds.Joint(f"{name}_rail", "slide", axis=(1, 0, 0)), mass=mass)
        for name, mass in (("one", 1.0), ("other", 3.0))
    ]
    return ds.Articulated(
        links,
        tendons=[ds.Tendon("line", {"one_rail": 1.0, "other_rail": 0.5}, **tendon)],
        equalities=equalities,
        initial_velocity=velocity,
        gravity=(force, 0.0, 0.0),
        integrator=integrator,
        dt=dt,
    )


MASS = 1.0 / (1.0 / 1.0 + 0.25 / 3.0)
"""That a force along the line moves [kg]."""


def rolled(scene, steps, **options):
    with ds.Simulation(ds.Problem(scene, steps=steps, tune=("scene.mass",)), precision="f64") as simulation:
        return simulation.rollout(simulation.params())


def lengths(rollout):
    return rollout.joint_position @ (1.0, 0.5)


@pytest.mark.parametrize("integrator", ["euler", "rk4"])
def test_friction_along_a_tendon_stops_it(integrator):
    """A line whose end goes at 1 m/s stops after m v^2 / 2 F, as what has all of its mass."""
    loss = 0.5
    # Velocities in the ratio of what the line's force gives: nothing but the line is in motion.
    velocity = np.array([1.0, 0.5 / 3.0]) / (1.0 + 0.25 / 3.0)
    found = rolled(carts(velocity=velocity, friction_loss=loss, integrator=integrator), 1250)
    assert lengths(found)[-1] == pytest.approx(MASS / (2.0 * loss), rel=5e-3)
    assert np.abs(found.joint_velocity[-1]).max() < 1e-3


@pytest.mark.parametrize("integrator", ["euler", "rk4"])
def test_a_tendon_rests_beyond_its_limit(integrator):
    """Where the spring of the limit carries what pulls: both carts pulled by 2 m/s^2, the second held by the other."""
    scene = carts(
        force=2.0,
        integrator=integrator,
        limits=(-1.0, 0.02),
        limit_stiffness=200.0,
        limit_damping=60.0,
        equalities=ds.Equality("stay", "other_rail", polynomial=(0, 0, 0, 0, 0)),
    )
    length = lengths(rolled(scene, 2000))[-1]
    assert length - 0.02 == pytest.approx(2.0 / 200.0 + 0.005, rel=0.01)  # it sets in over 0.01


def test_a_joint_follows_another():
    """With a tenth of the weight's inertia lacking: ten time constants later it is where the polynomial says."""
    follows = ds.Equality("mimic", "one_rail", "other_rail", polynomial=(0.1, 0.5, 0.2, 0.0, 0.0))
    scene = carts(velocity=(0.0, 0.3), equalities=follows)
    position = rolled(scene, 400).joint_position
    x = position[-1, 1]
    assert x > 0.1
    assert position[-1, 0] == pytest.approx(0.1 + 0.5 * x + 0.2 * x * x, abs=2e-4)


def test_weights_follow_from_what_is_moved():
    with gym.quiet():
        scene = ds.load_mjcf(xml(CASES["equality of a tendon"]), contacts=False)
    given = scene.numbers()["equality_weight"]
    bare = [ds.Equality(e.name, e.first, e.second, of=e.of, polynomial=e.polynomial) for e in scene.equalities]
    found = ds.Articulated(scene.links, tendons=scene.tendons, equalities=bare).numbers()["equality_weight"]
    assert found == pytest.approx(given, rel=1e-9)
    renewed = scene.with_numbers({"tendon_coefficient": np.array([1.0, 2.0, 3.0, 4.0][:2])})
    assert renewed.tendons[0].joints == {"a": 1.0, "b": 2.0}


def test_the_energy_holds_springs_of_tendons():
    found = rolled(carts(velocity=(1.0, -0.5), stiffness=30.0, rest=0.1, integrator="rk4"), 200)
    assert np.abs(lengths(found)).max() > 0.1
    assert found["energy"] == pytest.approx(found["energy"][0], rel=1e-8)


# Gradients


@pytest.mark.parametrize("integrator", ["Euler", "implicitfast", "RK4"])
def test_gradients_agree_with_differences(integrator):
    """Of all numbers of tendons and equalities, beyond a limit; in other executors in test_conformance.py."""
    bow = 'stiffness="20" damping="0.4" range="-0.1 0.2" limited="true" frictionloss="0.3" armature="0.02"'
    more = '<tendon tendon1="line" polycoef="0.2 0 0 0 0"/><tendon tendon1="bow" tendon2="line" polycoef="0 1 2 3 4"/>'
    parts = TENDONS.format(bow=bow) + EQUALITIES.format(more=more)
    with gym.quiet():
        scene = ds.load_mjcf(xml(parts, integrator), contacts=False)
    named = [name for name in scene.numbers() if name.startswith(("tendon_", "equality_"))]
    assert len(named) == 14
    tune = (*(f"scene.{name}" for name in named), "scene.initial_velocity", "scene.mass", "scene.reference")
    problem = ds.Problem(scene, objective=ds.Travel(direction=(1.0, 0.5, -0.3), point="rod"), steps=10, tune=tune)
    rng = np.random.default_rng(0)
    with ds.Simulation(problem, precision="f64", executor="staged") as simulation:
        params = simulation.params()
        params["scene.initial_velocity"] = rng.uniform(-1, 1, scene.freedoms)
        params["scene.equality_impedance"] = np.tile([0.8, 0.95, 2.0, 0.4, 2.5], (len(scene.equalities), 1))
        assert_slopes_agree(simulation, params, rng)


# What is refused


def robot(**changes):
    return ds.Articulated(
        [
            ds.Link("arm", joints=ds.Joint("elbow"), mass=1.0, inertia=(1, 1, 1)),
            ds.Link("ball", "arm", joints=ds.Joint("wrist", "ball"), mass=1.0, inertia=(1, 1, 1)),
        ],
        **changes,
    )


BAD = {
    "a joint that is not there": (
        lambda: robot(tendons=ds.Tendon("t", {"knee": 1.0})),
        "tendon 't' runs along joint 'knee', but the hinges and slides are elbow",
    ),
    "a ball": (lambda: robot(equalities=ds.Equality("e", "wrist")), "equality 'e' holds joint 'wrist', but the hinges"),
    "no tendon": (
        lambda: robot(equalities=ds.Equality("e", "elbow", of="tendons")),
        "equality 'e' holds tendon 'elbow', but the tendons are none",
    ),
    "two of a name": (
        lambda: robot(tendons=[ds.Tendon("t", {"elbow": 1.0}), ds.Tendon("t", {"elbow": 2.0})]),
        "two tendons are named 't'",
    ),
    "itself": (lambda: ds.Equality("e", "elbow", "elbow"), "equality 'e': joint 'elbow' cannot follow itself"),
    "no joints": (lambda: ds.Tendon("t", {}), "tendon 't': joints is {}"),
    "a coefficient that is none": (lambda: ds.Tendon("t", {"elbow": "x"}), "tendon 't': coefficient of joint 'elbow'"),
    "a rest the wrong way round": (lambda: ds.Tendon("t", {"elbow": 1}, rest=(2, 1)), "tendon 't': rest is"),
    "a tendon after itself": (
        lambda: ds.Equality("e", "bow", "bow", of="tendons"),
        "equality 'e': tendon 'bow' cannot follow itself",
    ),
    "too few powers": (lambda: ds.Equality("e", "elbow", polynomial=(0, 1)), "equality 'e': polynomial"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_they_cannot_be_is_said(case):
    make, words = BAD[case]
    with pytest.raises(InputError, match=words):
        make()


REFUSED = {
    "an equality of one": (
        TENDONS.format(bow='stiffness="1 2"')
        + '<equality><tendon name="pair" tendon1="bow" tendon2="line"/></equality>',
        "equality 'pair'",
    ),
    "a spring that is no spring": (TENDONS.format(bow='stiffness="1 2"'), "tendon 'bow' has a spring"),
    "efforts": (TENDONS.format(bow='stiffness="1" actuatorfrcrange="-1 1"'), "tendon 'bow' has an actuatorfrcrange"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_simulated_is_refused_by_name(case):
    parts, words = REFUSED[case]
    with pytest.raises(InputError, match=words):
        ds.load_mjcf(xml(parts), contacts=False)


def test_words_leave_them_out():
    with pytest.warns(OmissionWarning, match="equality"):
        scene = ds.load_mjcf(xml(CASES["equality of a tendon"]), contacts=False, ignore=("equality", "tendon"))
    assert not scene.tendons
    assert not scene.equalities
