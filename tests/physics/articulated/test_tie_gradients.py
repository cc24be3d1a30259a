"""Tendons, equalities and holds by MuJoCo's law in every executor: all of their numbers against central differences.

One machine that compiles in seconds: a cart with an arm of two links, nothing that touches. All ties push from the
first step on, so that no number switches anything.
"""

import numpy as np
import pytest

import diffsim as ds

STEPS, SEGMENT = 7, 3
"""Segments of 3, 3 and 1 steps."""

SOFT = (0.4, 0.85, 0.2, 0.45, 2.3)
"""solimp that no row has reached the end of."""

ADJOINTS = {"full": ds.FullTape(), "segments": ds.Checkpointed(every=SEGMENT)}

SHOWN = [("staged", "full"), ("staged", "segments")]
"""In each run; `fused` and `wide` take four times as long to compile."""

ALL = [(executor, adjoint) for executor in ("staged", "fused", "wide") for adjoint in ADJOINTS]

GRADIENT = 1e-7
"""Differences of a loss of order one are right to 1e-10, of derivatives from 1e-3 on."""

ROUNDING = 1e-10
"""Two orders of adding, and what stiff constraints make of it."""


def machine():
    """A cord beyond its limit that rubs, a line that it follows, a rod held to the world, a joint led by another."""
    links = [
        ds.Link("cart", joints=ds.Joint("rail", "slide", axis=(1, 0, 0), damping=0.1, stiffness=2.0), mass=1.0),
        ds.Link(
            "arm",
            "cart",
            joints=ds.Joint("shoulder", axis=(0, 1, 0.1), damping=0.05),
            mass=0.5,
            centre=(0.02, 0.01, 0.2),
            inertia=(0.01, 0.012, 0.004),
        ),
        ds.Link(
            "rod",
            "arm",
            joints=ds.Joint("elbow", axis=(0.1, 1, 0), reference=0.1),
            position=(0.0, 0.0, 0.4),
            mass=0.3,
            centre=(0.0, 0.01, 0.15),
            inertia=(0.006, 0.005, 0.002),
        ),
    ]
    cord = ds.Tendon(
        "cord",
        {"rail": 1.0, "shoulder": 0.4},
        limits=(-0.5, 0.1),
        limit_solref=(0.06, 0.9),
        limit_solimp=SOFT,
        friction_loss=0.6,
        friction_solref=(0.05, 1.1),
        friction_solimp=SOFT,
        damping=0.2,
        armature=0.03,
    )
    line = ds.Tendon("line", {"shoulder": 0.7, "elbow": -0.5}, stiffness=4.0, friction_loss=5.0, friction_solimp=SOFT)
    return ds.Articulated(
        links,
        tendons=[cord, line],
        equalities=[
            ds.Equality("geared", "cord", "line", of="tendons", polynomial=(0.4, 0.6, 0.3, 0.2, 0.1), impedance=SOFT),
            ds.Equality(
                "led", "elbow", "shoulder", polynomial=(0.2, -0.4, 0.2, 0.1, 0.1), reference=(0.04, 0.8), impedance=SOFT
            ),
        ],
        holds=[
            ds.Hold("leash", "rod", (0.5, 0.02, 0.6), anchor=(0.01, 0.0, 0.3), impedance=SOFT),
            ds.Hold(
                "strap", "rod", (0.2, 0.01, 0.38), (0.95, 0.01, 0.25, 0.05), other="cart", impedance=SOFT, lever=0.3
            ),
        ],
        initial_position=(0.1, 0.3, 0.25),
        initial_velocity=(0.4, -0.2, 0.5),
        contact_law="mujoco",
        integrator="implicitfast",
        dt=0.005,
    )


class Made:
    """The simulations of the machine, each made when it is first asked for, and one point for all of them."""

    def __init__(self):
        goal = ds.Travel(direction=(1.0, 0.2, -0.6), point="rod")
        self.problem, self.open = ds.Problem(machine(), objective=goal, steps=STEPS, tune=("*",)), {}

    def __call__(self, executor, adjoint):
        key = executor, adjoint
        if key not in self.open:
            settings = {"precision": "f64", "executor": executor, "adjoint": ADJOINTS[adjoint]}
            self.open[key] = ds.Simulation(self.problem, **settings)
        return self.open[key]

    def found(self, executor, adjoint):
        """Loss, gradients, and what was recorded."""
        simulation = self(executor, adjoint)
        params = simulation.params()
        loss, grad = simulation.value_and_grad(params)
        return {"loss": loss, **grad, **simulation.rollout(params).arrays}


@pytest.fixture(scope="module")
def made():
    machines = Made()
    yield machines
    for simulation in machines.open.values():
        simulation.close()


def asked(cases, shown):
    return [pytest.param(*case, id="-".join(case), marks=() if case in shown else pytest.mark.bench) for case in cases]


@pytest.mark.parametrize(("executor", "adjoint"), asked(ALL, SHOWN))
def test_gradient_of_every_number_agrees_with_differences(made, executor, adjoint):
    simulation = made(executor, adjoint)
    report = ds.check_gradients(simulation, tolerance=GRADIENT)
    print(report)
    assert report.passed, report
    assert all(check.verdict == "agrees" for check in report.checks), report
    assert {check.name for check in report.checks} >= set(made.problem.numbers())


def test_every_tie_counts(made):
    """The cord slips and is beyond its limit, the line holds; nothing is without effect."""
    found = made.found("staged", "full")
    assert all(np.any(found[name]) for name in made.problem.numbers())
    for name, (cord, line) in {"loss": (True, False), "solref": (False, True), "solimp": (False, True)}.items():
        grad = found[f"scene.tendon_friction_{name}"]
        assert (np.any(grad[0]), np.any(grad[1])) == (cord, line), name


@pytest.mark.bench
def test_other_ways_to_add_differ_by_rounding(made):
    one, other = made.found("staged", "full"), made.found("wide", "segments")
    for name, value in one.items():
        assert other[name] == pytest.approx(value, rel=ROUNDING, abs=ROUNDING), name


@pytest.mark.bench
@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("staged", "full"), ("fused", "full")),
        *(((executor, "full"), (executor, "segments")) for executor in ("staged", "fused", "wide")),
    ],
    ids="-".join,
)
def test_what_the_docs_promise_is_the_same_to_the_bit(made, one, other):
    """docs/how_stages_work.md: of `staged` and `fused`, and of the full tape and segments in each."""
    found, again = made.found(*one), made.found(*other)
    for name, value in found.items():
        assert np.array_equal(value, again[name]), name
