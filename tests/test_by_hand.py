"""What was written before numbers could be declared, by hand: it is as good as ever.

The three examples are those of the documentation of that time, unchanged: a scene with its own checks and numbers, a
model with positional arguments that refuses what it does not provide, an objective and a controller with records.
"""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pytest
import taichi as ti

import diffsim as ds
from diffsim import physics
from diffsim.engine.stages import Model, Part, Stage
from diffsim.errors import InputError
from diffsim.spec import Spec, array, number

GRADIENT = 1e-6
"""As in the conformance tests."""


CORE = 1e-4  # added to a squared distance [m^2]: no division by zero in a planet's middle


@dataclass(frozen=True, eq=False, repr=False)
class Planets(Spec):
    kind: ClassVar[str] = "scene"
    dimension: ClassVar[int] = 2
    observations: ClassVar[int] = 0

    points: Any  # (n, 2) ships at the start [m]
    planets: Any  # (p, 2) [m]
    pull: Any = 1.0  # () or (p,) gravitational parameter of each planet [m^3/s^2]
    initial_velocity: Any = (0.0, 0.0)  # (2,) or (n, 2) [m/s]
    dt: float = 0.01  # [s]

    def __post_init__(self):
        points = array("Planets.points", self.points, ("n", 2))
        planets = array("Planets.planets", self.planets, ("p", 2))
        self._set(
            points=points,
            planets=planets,
            pull=array("Planets.pull", self.pull, (), (len(planets),)),
            initial_velocity=array("Planets.initial_velocity", self.initial_velocity, (2,), points.shape),
            dt=number("Planets.dt", self.dt, above=0.0),
        )

    @property
    def actuators(self):
        return np.arange(2 * len(self.points))  # two thrusters a ship

    def numbers(self):
        kept = {"planets": self.planets, "pull": self.pull, "initial_velocity": self.initial_velocity}
        return {"initial_position": self.points, **kept}

    def with_numbers(self, numbers):
        return replace(self, **{"points" if name == "initial_position" else name: v for name, v in numbers.items()})


@dataclass(frozen=True)
class Sky:
    start: Any  # (env, ship) [m]
    start_velocity: Any  # (env, ship) [m/s]
    planet: Any  # (env, planet) [m]
    pull: Any  # (env, planet) [m^3/s^2]
    planets: int
    dt: float  # [s]


@dataclass(frozen=True)
class Flight:
    position: Any  # (env, row, ship) [m]
    velocity: Any  # (env, row, ship) [m/s]
    acceleration: Any  # (env, row, ship) by the planets [m/s^2]
    actuation: Any  # (env, row, 2 * ship + axis) thrust [m/s^2]


@ti.func
def launch(sky: ti.template(), flight: ti.template(), env, row, step, ship):
    flight.position[env, 0, ship] = sky.start[env, ship]
    flight.velocity[env, 0, ship] = sky.start_velocity[env, ship]


@ti.func
def attract(sky: ti.template(), flight: ti.template(), env, row, step, pair):
    ship = pair // sky.planets
    planet = pair - ship * sky.planets
    apart = sky.planet[env, planet] - flight.position[env, row, ship]
    square = apart.dot(apart) + CORE
    flight.acceleration[env, row, ship] += sky.pull[env, planet] / (square * ti.sqrt(square)) * apart


@ti.func
def fly(sky: ti.template(), flight: ti.template(), env, row, step, ship):
    for c in ti.static(range(2)):
        push = flight.acceleration[env, row, ship][c] + flight.actuation[env, row, 2 * ship + c]
        velocity = flight.velocity[env, row, ship][c] + sky.dt * push
        flight.velocity[env, row + 1, ship][c] = velocity
        flight.position[env, row + 1, ship][c] = flight.position[env, row, ship][c] + sky.dt * velocity


def build(scene, fields, steps, reads):
    if reads:
        raise InputError(f"a Planets scene does not provide {', '.join(sorted(reads))}")
    n, p, number_of, rows = len(scene.points), len(scene.planets), fields.number, fields.trajectory
    sky = Sky(
        number_of("scene.initial_position", n, 2),
        number_of("scene.initial_velocity", n, 2),
        number_of("scene.planets", p, 2),
        number_of("scene.pull", p),
        planets=p,
        dt=scene.dt,
    )
    flight = Flight(
        rows("position", n, 2, state=True),
        rows("velocity", n, 2, state=True),
        rows("acceleration", n, 2, accumulates=True, recorded=False),
        rows("actuation", 2 * n, per_step=True),
    )
    return Model(
        flight, 2, scene.dt, steps, places=n, actuators=2 * n, observations=0,
        prepare=(Stage(launch, (sky, flight), n),),
        step=(Stage(attract, (sky, flight), n * p), Stage(fly, (sky, flight), n)),
    )  # fmt: skip


@dataclass(frozen=True)
class Hovering:
    height: Any  # (env, 0) [m]
    weight: Any  # (env, 0)
    centre: Any  # (env, row, 0) [m]
    up: int  # which axis
    share: float  # 1 / number of rows


@ti.func
def hover(goal: ti.template(), loss: ti.template(), env, row, step, element):
    off = goal.centre[env, row, 0][goal.up] - goal.height[env, 0]
    loss[env] += goal.share * goal.weight[env, 0] * off * off


@dataclass(frozen=True, eq=False, repr=False)
class KeepHeight(ds.Objective):
    """Mean squared distance of the centre from a height, over all steps [m^2]."""

    height: float
    weight: float = 1.0

    def __post_init__(self):
        self._set(height=number("KeepHeight.height", self.height), weight=number("KeepHeight.weight", self.weight))

    @property
    def reads(self):
        return frozenset({"centre"})

    def numbers(self, scene):
        return {"height": np.array(self.height), "weight": np.array(self.weight)}

    def build(self, fields, model, prefix="objective"):
        height, weight = fields.number(f"{prefix}.height", 1), fields.number(f"{prefix}.weight", 1)
        goal = Hovering(height, weight, model.motion.centre, model.dimension - 1, 1.0 / (model.steps + 1))
        stages = (Stage(hover, (goal, fields.loss), 1),)
        return Part(step=stages, final=stages)


@dataclass(frozen=True)
class Gain:
    gain: Any  # (env, actuator * observations + k)
    offset: Any  # (env, actuator)
    sums: Any  # (env, row, actuator)
    observations: int


@ti.func
def weigh(gain: ti.template(), motion: ti.template(), env, row, step, pair):
    actuator = pair // gain.observations
    k = pair - actuator * gain.observations
    gain.sums[env, row, actuator] += gain.gain[env, pair] * motion.observation[env, row, k]


@ti.func
def act(gain: ti.template(), motion: ti.template(), env, row, step, actuator):
    motion.actuation[env, row, actuator] = ti.tanh(gain.sums[env, row, actuator] + gain.offset[env, actuator])


@dataclass(frozen=True, eq=False, repr=False)
class Feedback(Spec):
    """Parameters: ``gain`` (actuators, observations), ``offset`` (actuators,)."""

    kind: ClassVar[str] = "controller"
    reads: ClassVar[frozenset[str]] = frozenset({"observation"})

    scale: float = 0.1  # of the starting gains

    def __post_init__(self):
        self._set(scale=number("Feedback.scale", self.scale, least=0.0))

    def check(self, scene, steps):
        if not len(scene.actuators):
            raise ds.InputError("Feedback needs actuators, but the scene has none; give springs an actuation")

    def numbers(self, scene, steps, seed=0):
        shape = (len(scene.actuators), scene.observations)
        return {"gain": self.scale * np.random.default_rng(seed).normal(size=shape), "offset": np.zeros(shape[0])}

    def build(self, fields, model, prefix="controller"):
        n, k = model.actuators, model.observations
        gain = Gain(
            gain=fields.number(f"{prefix}.gain", n * k, index=np.arange(n * k)),
            offset=fields.number(f"{prefix}.offset", n),
            sums=fields.trajectory("feedback", n, accumulates=True, recorded=False),
            observations=k,
        )
        return Part(step=(Stage(weigh, (gain, model.motion), n * k), Stage(act, (gain, model.motion), n)))


@pytest.fixture(scope="module", autouse=True)
def registered():
    before = dict(physics._REGISTRY)
    physics.register(Planets, build)
    yield
    physics._REGISTRY.clear()
    physics._REGISTRY.update(before)


def flight(**changes):
    scene = Planets(points=[[1.0, 0.0]], planets=[[0.0, 0.0], [2.5, 0.5]], pull=[1.0, 0.6], initial_velocity=(0.0, 1.0))
    goal = ds.ReachTarget((2.0, -1.0), point=0) + 1e-3 * ds.Effort()
    return ds.Problem(**{"scene": scene, "controller": ds.OpenLoop(knots=6), "objective": goal, "steps": 30, **changes})


def jump():
    body = ds.grid((1, 1), spacing=0.1, origin=(0.0, 0.3))
    scene = ds.MassSpring(body.points, body.springs, stiffness=500.0, mass=0.1, actuation=0.2, dt=0.004)
    goal = 10.0 * KeepHeight(0.2) + ds.Effort(0.01)
    return ds.Problem(scene, Feedback(), goal, steps=20, tune=("controller.*", "objective.*"))


@pytest.mark.parametrize("executor", ["fused", "wide"])
@pytest.mark.parametrize("make", [lambda: flight(tune=("*",)), jump], ids=["model", "controller and objective"])
def test_gradients_agree_with_differences(keep, make, executor):
    simulation = keep(make(), precision="f64", executor=executor)
    report = ds.check_gradients(simulation, simulation.params(seed=1), tolerance=GRADIENT)
    assert report.passed, report
    assert set(make().tuned) < {check.name for check in report.checks}


def test_values_are_the_formulas(keep):
    simulation = keep(jump(), precision="f64")
    params = simulation.params(seed=1)
    rollout = simulation.rollout(params)
    height = np.mean((rollout.position.mean(axis=1)[:, 1] - 0.2) ** 2)
    assert rollout.loss == pytest.approx(10.0 * height + 0.01 * 0.004 * np.sum(rollout.actuation**2), rel=1e-12)


def test_numbers_can_be_exchanged_and_written():
    problem = flight(tune=("scene.*",))
    assert Spec.from_dict(problem.to_dict()) == problem
    moved = problem.with_tuned({"scene.initial_position": np.array([[1.0, 2.0]])}).scene
    assert np.array_equal(moved.points, [[1.0, 2.0]])


def test_a_model_may_refuse_by_itself():
    with pytest.raises(ds.InputError, match="a Planets scene does not provide observation"):
        ds.Simulation(flight(controller=ds.MLP()))
