"""Links that stick to what they touch: MuJoCo's steps with its law, force balance with the other, gradients."""

import re

import numpy as np
import pytest

import diffsim as ds
from diffsim.errors import InputError

from ... import gymnasium_robots as gym

mujoco = pytest.importorskip("mujoco")

EXACT = 1e-9
"""Of positions in MuJoCo's law: where its solver stops."""

GRAVITY = 9.81

# Under a ceiling: a sphere, a box on its four corners, a capsule on both ends that lets go again, and a sphere that is
# in the gap but does not touch. A claw on an arm at a ball that is free, and two that pull at the same pair.
WORLD = """
<mujoco>
  <option timestep="0.002" integrator="{integrator}"/>
  <worldbody>
    <geom name="ceiling" type="plane" size="9 9 .1" pos="0 0 1" euler="175 0 0"/>
    <body name="ball" pos="0 0 .9005"><freejoint/><geom type="sphere" size=".1"/></body>
    <body name="box" pos="1 0 .951" euler="-5 0 0"><freejoint/><geom type="box" size=".1 .08 .05"/></body>
    <body name="rod" pos="2 0 .9505"><freejoint/><geom type="capsule" size=".05 .1" euler="0 90 0"/></body>
    <body name="near" pos="3 0 .898"><freejoint/><geom type="sphere" size=".1" gap=".004"/></body>
    <body pos="0 3 0">
      <joint name="shoulder" axis="0 1 0" damping=".1"/><geom type="capsule" size=".03 .1" pos=".1 0 0" euler="0 90 0"/>
      <body name="claw" pos=".3 0 0">
        <joint name="wrist" axis="0 1 0"/><geom type="capsule" size=".04 .05"/>
        <geom type="sphere" size=".03" pos="0 .2 0"/>
      </body>
    </body>
    <body name="prey" pos=".3 3 -.12"><freejoint/><geom type="sphere" size=".0301" mass=".3"/></body>
  </worldbody>
  <actuator>
    <adhesion name="a" body="ball" ctrlrange="0 1" gain="70"/>
    <adhesion name="b" body="box" ctrlrange="0 1" gain="90"/>
    <adhesion name="c" body="rod" ctrlrange="0 1" gain="40"/>
    <adhesion name="d" body="near" ctrlrange="0 1" gain="60"/>
    <adhesion name="e" body="claw" ctrlrange="0 1" gain="8"/>
    <general name="f" body="prey" gainprm="3" gear="1.5" ctrlrange="0 1" dyntype="filter" dynprm=".02"/>
  </actuator>
</mujoco>
"""


# A claw at the ceiling, and a ball that it holds.
HANGING = """
<mujoco>
  <worldbody>
    <geom type="plane" size="9 9 .1" pos="0 0 1" euler="175 0 0"/>
    <body name="claw" pos="0 0 .9005"><freejoint/><geom type="sphere" size=".1"/></body>
    <body name="prey" pos=".02 0 .7515"><freejoint/><geom type="sphere" size=".05" mass=".3"/></body>
  </worldbody>
  <actuator>
    <adhesion body="claw" ctrlrange="0 1" gain="300"/>
    <adhesion body="prey" ctrlrange="0 1" gain="9"/>
  </actuator>
</mujoco>
"""


def in_mujoco(source, controls):
    """(rows, nq) positions, and how many contacts and how many of them in a gap there were at most."""
    model = mujoco.MjModel.from_xml_string(source)
    model.opt.tolerance, model.opt.iterations, model.opt.ls_tolerance, model.opt.ls_iterations = 0.0, 100, 1e-10, 100
    data, most = mujoco.MjData(model), np.zeros(2, dtype=int)
    found = [data.qpos.copy()]
    for u in controls:
        data.ctrl[:] = u
        mujoco.mj_step(model, data)
        found.append(data.qpos.copy())
        most = np.maximum(most, [data.ncon, sum(contact.exclude for contact in data.contact)])
    return np.array(found), most


@pytest.mark.parametrize("integrator", ["Euler", "implicitfast"])
def test_what_sticks_does_as_in_mujoco(integrator):
    source, steps = WORLD.format(integrator=integrator), 60
    controls = np.ones((steps, 6)) - 0.2 * np.random.default_rng(0).uniform(size=(steps, 6))
    controls[30:, 2] = 0.1  # less than its weight: it lets go
    theirs, most = in_mujoco(source, controls)
    assert most[0] >= 9
    assert most[1] >= 1
    with gym.quiet():
        scene = ds.load_mjcf(source, contact_law="mujoco")
    problem = ds.Problem(scene, ds.OpenLoop(), steps=steps, tune=("controller.values",))
    with ds.Simulation(problem, precision="f64", executor="staged") as simulation:
        found = simulation.rollout({"controller.values": 2.0 * controls - 1.0})
    assert np.abs(found.joint_position - theirs).max() < EXACT


# The compliant law


def hanging(gain, *, shape="sphere", size=0.1, height=0.899, gap=0.0, link="body"):
    """A link of 2 kg below a ceiling at 1 m."""
    ceiling = ds.Geom("ceiling", "plane", position=(0, 0, 1), orientation=(0, 1, 0, 0))
    geom = ds.Geom("pad", shape, size, gap=gap)
    body = ds.Link("body", joints=ds.Joint("root", "free"), mass=2.0, inertia=(0.01, 0.01, 0.01), geoms=geom)
    start = (0.0, 0.0, height, 1.0, 0.0, 0.0, 0.0)
    grip = ds.Actuator.adhesion(link, gain)
    return ds.Articulated([body], grip, geoms=ceiling, initial_position=start, dt=0.002)


def pulled(scene, steps, control=1.0):
    problem = ds.Problem(scene, ds.OpenLoop(), steps=steps)
    with ds.Simulation(problem, precision="f64", executor="staged") as simulation:
        return simulation.rollout({"controller.values": np.full((steps, 1), 2.0 * control - 1.0)})


@pytest.mark.parametrize(("shape", "size", "height"), [("sphere", 0.1, 0.9), ("box", (0.1, 0.08, 0.05), 0.95)])
def test_what_hangs_is_pressed_by_what_is_left_of_the_force(shape, size, height):
    """The ceiling pushes with the adhesion less the weight, over all corners alike."""
    found = pulled(hanging(50.0, shape=shape, size=size, height=height + 1e-4), 500)
    pushes = found.arrays["contact_force"][-1]
    touched = np.abs(pushes[:, 2]) > 0.0
    assert touched.sum() == (4 if shape == "box" else 1)
    assert pushes.sum(axis=0) == pytest.approx([0.0, 0.0, -(50.0 - 2.0 * GRAVITY)], abs=1e-6)
    assert pushes[touched, 2] == pytest.approx(pushes[touched, 2].mean(), abs=1e-6)
    assert found.joint_velocity[-1] == pytest.approx(np.zeros(6), abs=1e-7)


def test_what_is_too_heavy_falls():
    found = pulled(hanging(50.0, height=0.9001), 200, control=0.3)
    apart = 1.0 - 0.1 - found.joint_position[:, 2]
    left = int(np.argmax(apart > 0.0))
    falling = found.joint_velocity[left + 1 :, 2]
    assert 0 < left < 50
    assert np.diff(falling) == pytest.approx(-GRAVITY * 0.002, abs=1e-12)


def test_what_is_in_the_gap_is_drawn_by_its_law():
    """Without touching: z = z0 + (F / m - g) t (t + h) / 2 of Euler's steps, and so is what follows from the gain."""
    steps, gain, control = 20, 30.0, 0.8
    scene = hanging(gain, height=0.895, gap=0.01)
    tune = ("scene.gain", "controller.values")
    problem = ds.Problem(scene, ds.OpenLoop(), ds.Travel(direction=(0, 0, 1)), steps=steps, tune=tune)
    half = 0.5 * (steps * 0.002) * ((steps + 1) * 0.002)
    with ds.Simulation(problem, precision="f64", executor="staged") as simulation:
        params = {**simulation.params(), "controller.values": np.full((steps, 1), 2.0 * control - 1.0)}
        loss, grad = simulation.value_and_grad(params)
        found = simulation.rollout(params)
    assert found.joint_position[-1, 2] - 0.895 == pytest.approx((control * gain / 2.0 - GRAVITY) * half, abs=1e-14)
    assert grad["scene.gain"] == pytest.approx([-control / 2.0 * half], rel=1e-10)
    assert loss == pytest.approx(-(control * gain / 2.0 - GRAVITY) * half, rel=1e-10)


@pytest.mark.parametrize("executor", ["staged", *(pytest.param(e, marks=pytest.mark.bench) for e in ("fused", "wide"))])
@pytest.mark.parametrize("law", ["compliant", "mujoco"])
def test_gradients_are_central_differences(law, executor):
    with gym.quiet():
        scene = ds.load_mjcf(HANGING, contact_law=law)
    goal = ds.ReachTarget((0.3, 0.2, 0.6), point="claw") + ds.ReachTarget((0.1, 0.3, 0.4), point="prey")
    tune = ("scene.gain", "scene.mass", "scene.geom_position", "controller.values")
    problem = ds.Problem(scene, ds.OpenLoop(), goal, steps=8, tune=tune)
    with ds.Simulation(problem, precision="f64", executor=executor, adjoint=ds.Checkpointed(every=3)) as simulation:
        report = ds.check_gradients(simulation, simulation.params(seed=1), tolerance=1e-6)
    assert report.passed, report


# When it begins and ends


MASS, PULL, NEAR, TIME = 2.0, 12.0, 0.7, 0.12
"""Of a ball of 0.1 m [kg, N], held from 0.7 m on in x by a wall, in z by a ceiling [m]; how long it flies [s]."""


def flying(dt, integrator):
    """A ball that comes into the corner between a wall and a ceiling, and touches neither."""
    ceiling = ds.Geom("ceiling", "plane", position=(0, 0, 1), orientation=(0, 1, 0, 0))
    wall = ds.Geom("wall", "plane", position=(1, 0, 0), orientation=(np.sqrt(0.5), 0, -np.sqrt(0.5), 0))
    ball = ds.Geom("ball", "sphere", 0.1, gap=0.9 - NEAR)
    body = ds.Link("body", joints=ds.Joint("root", "free"), mass=MASS, inertia=(0.01, 0.01, 0.01), geoms=ball)
    start = {"initial_position": (0, 0, 0, 1, 0, 0, 0), "initial_velocity": (0, 0, 0, 0, 0, 0)}
    grip = ds.Actuator.adhesion("body", PULL)
    scene = ds.Articulated([body], grip, geoms=[ceiling, wall], dt=dt, integrator=integrator, **start)
    steps = round(TIME / dt)
    controller = ds.OpenLoop(np.ones((steps, 1)))
    tune = ("scene.initial_position", "scene.initial_velocity")
    return ds.Problem(scene, controller, ds.Travel(direction=(0.6, 0.0, 0.8)), steps=steps, tune=tune)


def gone_by_law(position, velocity):
    """(2,) how far it is at last from where it began, in x and z: in pieces in which as much holds it."""
    at, v, left = np.array(position, dtype=float), np.array(velocity, dtype=float), TIME
    held = (at > NEAR) | ((at == NEAR) & (v > 0.0))
    while left > 0.0:
        a = np.array([0.0, -GRAVITY]) + held * PULL / MASS / max(held.sum(), 1)
        roots = [np.roots([0.5 * a[c], v[c], at[c] - NEAR]) for c in range(2)]
        times = [min([t.real for t in found if abs(t.imag) < 1e-12 and t.real > 1e-9], default=9.0) for found in roots]
        h = min(left, *times)
        held = held ^ (np.array(times) == h)
        at, v, left = at + v * h + 0.5 * a * h * h, v + a * h, left - h
    return at - position


PATHS = [((0.64, 0.68), (1.0, 1.2)), ((0.68, 0.64), (1.0, 1.2)), ((0.73, 0.75), (-1.0, -0.7))]
"""Place and speed: it comes to the ceiling first, to the wall first, and leaves the wall, then the ceiling."""


@pytest.mark.parametrize("integrator", ["euler", pytest.param("rk4", marks=pytest.mark.bench)])
def test_when_it_begins_and_ends_is_in_the_gradient(integrator):
    """At any phase of a step: what is gone within 2 mm of some 100, its derivative within 0.02."""
    rng, copies, by, way = np.random.default_rng(0), 16, 1e-5, np.array([0.6, 0.8])
    problem = flying(0.002, integrator)
    with ds.Simulation(
        problem, precision="f64", executor="staged", envs=len(PATHS) * copies, shared=False
    ) as simulation:
        params = simulation.params()
        for k, (place, speed) in enumerate(PATHS):
            own = slice(k * copies, (k + 1) * copies)
            params["scene.initial_position"][own, 0:3:2] = place + rng.uniform(-0.01, 0.01, (copies, 2))
            params["scene.initial_velocity"][own, 0:3:2] = speed
        losses, grads = simulation.value_and_grad(params)
    starts = (each[:, 0:3:2] for each in (*params.values(), grads["scene.initial_position"]))
    for loss, place, speed, grad in zip(losses, *starts, strict=True):
        assert -loss == pytest.approx(way @ gone_by_law(place, speed), abs=2e-3)
        ahead, behind = ([way @ gone_by_law(place + e, speed) for e in s * by * np.eye(2)] for s in (1.0, -1.0))
        slopes = (np.array(ahead) - behind) / (2.0 * by)
        assert np.abs(slopes).max() > 0.1
        assert -grad == pytest.approx(slopes, abs=0.02)


# What is refused


def test_what_cannot_stick_is_said():
    with pytest.raises(InputError, match="actuator 'a': bias or gain_slope is given, but link 'body' has no position"):
        ds.Actuator("a", link="body", bias=(0.0, -1.0, 0.0))
    with pytest.raises(InputError, match="actuator 'hand' drives link 'hand', but the links are body"):
        hanging(1.0, link="hand")


REFUSED = {
    "a servo": ('body="b" gainprm="1" biastype="affine" biasprm="0 -1 0"', "acts on a body with a force that depends"),
    "the world": ('body="world"', "acts on the world"),
    "a plane": ('body="plate"', "acts on a body with a plane"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_stick_is_refused_by_name(case):
    words, message = REFUSED[case]
    source = f"""<mujoco><worldbody><body name="plate"><geom type="plane" size="1 1 1"/></body>
        <body name="b"><freejoint/><geom size="1"/></body></worldbody>
        <actuator><general name="m" {words}/></actuator></mujoco>"""
    with pytest.raises(InputError, match=re.escape("actuator 'm'") + ".*" + message):
        ds.load_mjcf(source)
