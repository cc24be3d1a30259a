"""Contacts, limits and friction losses by MuJoCo's own law: steps, Jacobians and laws in contact."""

from dataclasses import replace

import numpy as np
import pytest

import diffsim as ds
from diffsim.errors import InputError, OmissionWarning

from ... import examples
from ... import gymnasium_robots as gym
from .slopes import assert_slopes_agree

mujoco = pytest.importorskip("mujoco")

STEPS = {"half_cheetah": 100, "ant": 100, "hopper": 500, "walker2d": 500}
"""Of one second."""

LATE = ("hopper", "walker2d")
"""Robots on request, as others show the same."""

EXACT = 1e-9
"""MuJoCo's Newton stops where a step gains nothing to rounding; what forces of hundreds leave of that."""


def exactly(model):
    """MuJoCo's solver as exact as it can be."""
    model.opt.tolerance, model.opt.iterations = 0.0, 100
    model.opt.ls_tolerance, model.opt.ls_iterations = 1e-10, 100
    return model


class Landing:
    """A robot that falls and lands in MuJoCo under random controls, and what becomes of each of its states here."""

    def __init__(self, name):
        self.model = exactly(gym.peer(name))
        self.scene = gym.load(name, contact_law="mujoco")
        steps = STEPS[name]
        data, rng = mujoco.MjData(self.model), np.random.default_rng(0)
        low, high = self.model.actuator_ctrlrange.T
        self.actuation = rng.uniform(-1.0, 1.0, (steps, self.model.nu))
        position, velocity, self.rows = [data.qpos.copy()], [data.qvel.copy()], []
        for u in self.actuation:
            data.ctrl[:] = low + 0.5 * (high - low) * (u + 1.0)
            mujoco.mj_step(self.model, data)
            position.append(data.qpos.copy())
            velocity.append(data.qvel.copy())
            self.rows.append((data.ncon, data.nefc))
        self.position, self.velocity = np.array(position), np.array(velocity)
        problem = ds.Problem(self.scene, ds.OpenLoop(), steps=steps, tune=("scene.initial_*", "controller.values"))
        self.simulation = ds.Simulation(problem, precision="f64", executor="staged")

    def params(self):
        return {
            **self.simulation.params(),
            "scene.initial_position": self.position[0],
            "scene.initial_velocity": self.velocity[0],
            "controller.values": self.actuation,
        }


@pytest.fixture(scope="module", params=[pytest.param(n, marks=pytest.mark.bench if n in LATE else ()) for n in STEPS])
def landing(request):
    made = Landing(request.param)
    yield made
    made.simulation.close()


def test_a_second_of_a_robot_that_lands_is_mujocos(landing):
    found = landing.simulation.rollout(landing.params())
    assert max(contacts for contacts, _ in landing.rows) >= 2
    apart = np.abs(found.joint_position - landing.position)
    assert apart.max() < EXACT
    assert np.abs(found.joint_velocity - landing.velocity).max() < 1e3 * EXACT


# Every number of condim, both signs of solref, priorities, pairs, margins, limits and losses. Bodies are far from each
# other, but for two spheres, two capsules and what rolls off the box and the drum.
WORLD = """
<mujoco>
  <option timestep="0.002" cone="{cone}" impratio="{impratio}"/>
  <default><geom friction="0.5 0.01 0.005"/></default>
  <worldbody>
    <geom name="floor" type="plane" size="9 9 .1" euler="4 8 0" margin=".002" solimp=".8 .9 .01"/>
    <geom name="table" type="box" size=".3 .3 .1" pos="0 4 2" euler="6 4 10"/>
    <geom name="drum" type="cylinder" size=".3 .1" pos="0 5 2" euler="5 2 0"/>
    <body pos="0 0 .11"><freejoint/><geom type="sphere" size=".1" condim="6"/></body>
    <body pos="1 0 .02" quat=".9 .3 .4 .1">
      <freejoint/>
      <geom type="capsule" size=".05 .1" margin=".003" solmix="3"/>
    </body>
    <body pos="2 0 -.12" quat=".9 .3 .4 .1"><freejoint/><geom type="box" size=".1 .07 .05" condim="4"/></body>
    <body pos="3 0 -.24" quat=".9 .3 .4 .1"><freejoint/><geom type="cylinder" size=".1 .07" condim="6"/></body>
    <body pos="4 0 -.4"><freejoint/><geom type="cylinder" size=".1 .07" euler="4 8 0"/></body>
    <body pos="5 0 -.54" quat=".9 .3 .4 .1"><freejoint/><geom type="ellipsoid" size=".1 .07 .12"/></body>
    <body pos="0 1 .15"><freejoint/><geom type="sphere" size=".1" priority="1" condim="1" solref="-3000 -40"/></body>
    <body pos="0 1 .36"><freejoint/><geom type="sphere" size=".1" solref=".03 .7"/></body>
    <body pos="0 2 .3"><freejoint/><geom name="bare" type="sphere" size=".1" contype="0" conaffinity="0"/></body>
    <body pos=".23 4 2.19"><freejoint/><geom type="sphere" size=".1"/></body>
    <body pos="0 5 2.199"><freejoint/><geom type="sphere" size=".1"/></body>
    <body pos="0 0 3">
      <joint type="ball" limited="true" range="0 40" damping=".1"/>
      <geom type="capsule" size=".05 .2" pos=".2 0 .1" euler="0 90 0"/>
      <body pos=".4 0 .1">
        <joint type="slide" axis="1 0 0" frictionloss="3" solreffriction=".05 1" solimpfriction=".5 .9 .01"/>
        <geom type="sphere" size=".1"/>
        <body pos=".2 0 0">
          <joint axis="0 1 0" frictionloss=".4" limited="true" range="-30 20" margin=".05" solreflimit=".03 .8"/>
          <geom type="capsule" size=".04 .1" pos=".1 0 0" euler="0 90 0"/>
        </body>
      </body>
    </body>
  </worldbody>
  <contact>
    <pair geom1="floor" geom2="bare" condim="4" friction=".3 .3 .01 .01 .01" margin=".01" solref=".03 .7"
      solimp=".5 .9 .01"/>
  </contact>
</mujoco>
"""


OVERRIDE = """<option o_margin=".02" o_solref=".04 .8" o_solimp=".7 .9 .02 .5 2" o_friction=".4 .4 .02 .01 .01">
    <flag override="enable"/></option>"""
"""Numbers of all contacts, in place of the geoms' and the pair's."""


@pytest.mark.parametrize(
    ("cone", "impratio", "more"), [("pyramidal", 1.0, ""), ("elliptic", 4.0, ""), ("pyramidal", 1.0, OVERRIDE)]
)
def test_a_world_of_contacts_is_mujocos(cone, impratio, more):
    source = WORLD.format(cone=cone, impratio=impratio).replace("</mujoco>", f"{more}</mujoco>")
    model, steps = exactly(mujoco.MjModel.from_xml_string(source)), 150
    scene = ds.load_mjcf(source, contact_law="mujoco")
    assert (scene.cone, scene.impratio) == (cone, impratio)
    data, theirs, rows = mujoco.MjData(model), [], 0
    theirs.append(data.qpos.copy())
    for _ in range(steps):
        mujoco.mj_step(model, data)
        theirs.append(data.qpos.copy())
        rows = max(rows, data.nefc)
    assert rows > 20
    with ds.Simulation(ds.Problem(scene, steps=steps, tune=()), precision="f64", executor="staged") as sim:
        found = sim.rollout(sim.params())
    assert np.abs(found.joint_position - np.array(theirs)).max() < EXACT


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"cone": "elliptic", "impratio": 2.0, "integrator": "implicitfast", "substeps": 2}, id="elliptic"),
        pytest.param({"integrator": "rk4"}, id="rk4", marks=pytest.mark.bench),
    ],
)
def test_gradients_of_other_cones_and_integrators(changes):
    with gym.quiet():
        scene = replace(examples.SCENES[ds.Articulated]["sledge"](), **changes)
    goal = ds.ReachPose((0.3, 0.1, 0.5), (0.8, 0.1, -0.3, 0.2), "leg", size=0.4) + ds.ReachTarget(
        (0.3, 0.4, 0.1), point=1
    )
    with ds.Simulation(ds.Problem(scene, ds.PD(), goal, steps=6, tune=("scene.*",)), precision="f64") as sim:
        report = ds.check_gradients(sim, sim.params(seed=1), tolerance=1e-6)
    assert report.passed, report


CHEETAH = 60
"""A step at which both feet of the half-cheetah push and a limit does, as seeds have it."""


def test_the_jacobian_of_a_step_in_contact_is_that_of_mujocos_differences():
    model = exactly(gym.peer("half_cheetah"))
    scene = gym.load("half_cheetah", contact_law="mujoco")
    data, rng = mujoco.MjData(model), np.random.default_rng(0)
    for _ in range(CHEETAH):
        data.ctrl[:] = rng.uniform(-1.0, 1.0, model.nu)
        mujoco.mj_step(model, data)
    position, velocity, control = data.qpos.copy(), data.qvel.copy(), data.ctrl.copy()
    nv, nu = model.nv, model.nu
    by_state, by_control = np.zeros((2 * nv, 2 * nv)), np.zeros((2 * nv, nu))
    mujoco.mjd_transitionFD(model, data, 1e-6, True, by_state, by_control, None, None)
    assert data.ncon >= 1
    problem = ds.Problem(scene, ds.OpenLoop(), steps=1, tune=("scene.initial_*", "controller.values"))
    with ds.Simulation(problem, precision="f64", executor="staged") as sim:
        params = {
            "scene.initial_position": position,
            "scene.initial_velocity": velocity,
            "controller.values": control[None],
        }
        rows = [sim.pull(params, {"joint_velocity": np.eye(2 * nv)[nv + k].reshape(2, nv)}) for k in range(nv)]
    # The differences have an error of second order, the curvature of the impedance times the squared step.
    for name, found in (
        ("scene.initial_velocity", by_state[nv:, nv:]),
        ("scene.initial_position", by_state[nv:, :nv]),
        ("controller.values", by_control[nv:]),
    ):
        ours = np.array([row[name].reshape(-1) for row in rows])
        assert np.abs(ours - found).max() < 1e-6 * np.abs(found).max(), name


@pytest.mark.bench  # it compiles for long
def test_slopes_of_what_rolls_agree():
    """A cylinder and an ellipsoid on a plane, spheres on a box, its edge and a cylinder."""
    soft, still = {"solimp": (0.3, 0.8, 0.02, 0.4, 2.2)}, {"contype": 1, "conaffinity": 0}
    shapes = {
        "can": ("cylinder", (0.1, 0.07), (0, 0, 0.105), (0.9, 0.3, 0.4, 0.1)),
        "egg": ("ellipsoid", (0.1, 0.07, 0.12), (1, 0, 0.08), (0.9, 0.3, 0.2, 0.1)),
        "stone": ("sphere", 0.1, (0, 2, 0.19), (1, 0, 0, 0)),
        "edge": ("sphere", 0.1, (0.36, 2, 0.12), (1, 0, 0, 0)),
        "pearl": ("sphere", 0.1, (0, 3, 0.19), (1, 0, 0, 0)),
    }
    links = [
        ds.Link(
            name,
            joints=ds.Joint(f"{name} free", "free"),
            position=place,
            orientation=turn,
            mass=1.0,
            inertia=(4e-3, 5e-3, 6e-3),
            geoms=ds.Geom(f"{name} geom", shape, size, friction=0.5, contype=0, conaffinity=1),
        )
        for name, (shape, size, place, turn) in shapes.items()
    ]
    tilt = (1.0, 0.02, 0.03, 0.0)
    ground = [
        ds.Geom("floor", "plane", **still, **soft),
        ds.Geom("table", "box", (0.3, 0.3, 0.1), position=(0, 2, 0), orientation=tilt, **still, **soft),
        ds.Geom("drum", "cylinder", (0.3, 0.1), position=(0, 3, 0), orientation=tilt, **still, **soft),
    ]
    rng = np.random.default_rng(0)
    velocity = rng.uniform(-0.3, 0.3, 30)
    scene = ds.Articulated(links, geoms=ground, contact_law="mujoco", initial_velocity=velocity, dt=0.004)
    goals = [ds.ReachTarget((0.3 + 0.1 * k, 0.4 - 0.1 * k, 0.2), point=name) for k, name in enumerate(shapes)]
    names = ("geom_size", "geom_position", "geom_orientation", "initial_position", "initial_velocity", "friction")
    tune = [f"scene.{name}" for name in names]
    problem = ds.Problem(scene, objective=sum(goals[1:], goals[0]), steps=5, tune=tune)
    with ds.Simulation(problem, precision="f64", executor="staged") as simulation:
        params = simulation.params(seed=0)
        pressed = np.linalg.norm(simulation.rollout(params).arrays["contact_force"], axis=2).max(axis=0) > 1.0
        assert pressed.sum() == 5
        assert_slopes_agree(simulation, params, rng)


# Laws

SOLREF, SOLIMP, G = (0.03, 0.9), (0.3, 0.9, 0.01, 0.5, 2.0), 9.81


def block(friction=0.4, *, height=0.0, loss=0.0, **changes):
    """A sphere that cannot turn, on a floor: slides along x and z, of 2 kg."""
    joints = [ds.Joint("x", "slide", axis=(1, 0, 0), friction_loss=loss), ds.Joint("z", "slide", axis=(0, 0, 1))]
    ball = ds.Geom("ball", "sphere", 0.1, friction=friction, solref=SOLREF, solimp=SOLIMP)
    link = ds.Link("block", joints=joints, position=(0, 0, 0.1), mass=2.0, inertia=(0.1, 0.1, 0.1), geoms=[ball])
    floor = ds.Geom("floor", "plane", friction=0.0, solref=SOLREF, solimp=SOLIMP)
    settings = {"dt": 0.002, "initial_position": (0.0, height), "contact_law": "mujoco", **changes}
    return ds.Articulated([link], geoms=[floor], **settings)


def depth_of(friction):
    """At which a block of its own weight rests: R f = k d r of each of four edges of a pyramid that push alike."""
    least, most, width = SOLIMP[:3]
    pull = 1.0 / (most * SOLREF[0] * SOLREF[1]) ** 2
    # The mobility is the mean of the three axes, of which one does not move.
    lightness = 2.0 / 3.0 / 2.0
    low, high = 0.0, width
    for _ in range(80):
        depth = 0.5 * (low + high)
        d = least + 2.0 * (depth / width) ** 2 * (most - least)
        softness = 2.0 * friction**2 * (1.0 + friction**2) * lightness * (1.0 - d) / d
        low, high = (depth, high) if 4.0 * pull * d * depth / softness < 2.0 * G else (low, depth)
    assert depth < 0.5 * width
    return depth


def test_a_block_rests_as_deep_as_the_law_says():
    depth = depth_of(0.4)
    problem = ds.Problem(block(height=-depth), steps=400, tune=("scene.initial_*",))
    with ds.Simulation(problem, precision="f64", executor="staged") as sim:
        found = sim.rollout(sim.params())
    assert np.abs(found.joint_position[:, 1] + depth).max() < 1e-9
    assert np.abs(found.contact_force[:, 0, 2] - 2.0 * G).max() < 1e-6


def test_a_block_slides_as_far_as_friction_lets_it():
    """With the friction mu times what presses, x + mu z goes as a throw: v_0 t - mu g t (t + dt) / 2, and so do slopes.

    What slides is lifted by a pyramid, of which only one edge pushes then: z is not zero.
    """
    friction, speed, dt, steps = 0.4, 3.0, 0.002, 300
    scene = block(friction, height=-depth_of(friction), initial_velocity=(speed, 0.0))
    problem = ds.Problem(scene, steps=steps, tune=("scene.initial_velocity", "scene.friction"))
    thrown = np.zeros((steps + 1, 2))
    thrown[-1] = 1.0, friction
    with ds.Simulation(problem, precision="f64", executor="staged") as sim:
        found = sim.rollout(sim.params())
        grad = sim.pull(sim.params(), {"joint_position": thrown})
    x, z = found.joint_position[-1] - found.joint_position[0]
    span = steps * dt
    fall = 0.5 * G * span * (span + dt)
    assert abs(z) > 1e-4
    assert x + friction * z == pytest.approx(speed * span - friction * fall, abs=1e-12)
    assert grad["scene.initial_velocity"][0] == pytest.approx(span, abs=1e-9)
    assert grad["scene.friction"][1] == pytest.approx(-fall - z, abs=1e-9)


def test_a_robot_with_the_law_is_written_into_its_file(tmp_path):
    scene = gym.load("half_cheetah", contact_law="mujoco")
    other = scene.with_numbers({"damping": 1.1 * scene.numbers()["damping"]})
    with gym.quiet():
        path = ds.save_mjcf(other, tmp_path / "other.xml", like=gym.path("half_cheetah"))
        found = ds.load_mjcf(path, contact_law="mujoco")
    assert all(np.allclose(value, found.numbers()[name]) for name, value in other.numbers().items())


# Bad input


def test_what_the_law_does_not_know_is_said():
    with pytest.raises(InputError, match=r"contact_law is 'springs', but .*compliant.*mujoco"):
        block(contact_law="springs")
    with pytest.raises(InputError, match="impratio"):
        block(impratio=0.0)


REFUSED = {
    "refsafe": ('<option><flag refsafe="disable"/></option>', "option flag refsafe='disable' is not simulated"),
    "diagexact": ('<option><flag diagexact="enable"/></option>', "option flag diagexact='enable' is not simulated"),
    "two ways": (
        '<contact><pair geom1="floor" geom2="bare" condim="6" friction=".3 .4 .01 .01 .01"/></contact>',
        "pair .* has other friction along its second axis",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_simulated_is_refused_by_name(case):
    more, words = REFUSED[case]
    source = WORLD.format(cone="pyramidal", impratio=1.0).replace("</mujoco>", f"{more}</mujoco>")
    with pytest.raises(InputError, match=words):
        ds.load_mjcf(source, contact_law="mujoco")


def test_what_is_left_out_is_said():
    source = WORLD.format(cone="pyramidal", impratio=1.0)
    asked = source.replace("<option ", '<option noslip_iterations="3" integrator="discrete" ')
    with pytest.warns(OmissionWarning, match="integrator discrete, .*; noslip_iterations=3: friction is as soft"):
        scene = ds.load_mjcf(asked, contact_law="mujoco")
    assert scene.integrator == "implicitfast"
