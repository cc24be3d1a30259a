"""Values between the steps of a rollout, and what signals and inputs are called."""

from __future__ import annotations

import numpy as np
import pytest

import diffsim as ds
from diffsim.identification.signals import Interpolation, actuations, signals_of

ROWS = {"position": (2, 2), "velocity": (2, 2)}


def test_values_at_steps_are_the_rows_and_parabolas_are_exact():
    dt, steps = 0.1, 20
    t = dt * np.arange(steps + 1)
    rows = np.stack([np.sin(t), 3 * t**2 - t + 1])
    np.testing.assert_allclose(Interpolation(t, dt, steps).values(rows), rows, atol=1e-14)
    inner = np.random.default_rng(0).uniform(dt, (steps - 1) * dt, 50)
    found = Interpolation(inner, dt, steps)
    np.testing.assert_allclose(found.values(rows[1]), 3 * inner**2 - inner + 1, atol=1e-12)
    np.testing.assert_allclose(found.slopes(rows[1]), 6 * inner - 1, atol=1e-11)


def test_the_error_is_of_third_order():
    def worst(dt):
        steps = round(2.0 / dt)
        t = np.random.default_rng(1).uniform(0.2, 1.8, 400)
        return np.abs(Interpolation(t, dt, steps).values(np.sin(3 * dt * np.arange(steps + 1))) - np.sin(3 * t)).max()

    assert worst(0.1) / worst(0.05) == pytest.approx(8.0, rel=0.25)


def test_outside_of_the_rollout_the_ends_count_and_nothing_changes():
    rows = np.array([1.0, 2.0, 5.0, 9.0])
    found = Interpolation(np.array([-0.3, 0.0, 0.3, 0.9]), 0.1, 3)
    np.testing.assert_allclose(found.values(rows), [1.0, 1.0, 9.0, 9.0])
    assert found.slopes(rows)[[0, 3]].tolist() == [0.0, 0.0]


def test_slopes_are_the_derivative_of_values():
    rows = np.random.default_rng(2).normal(size=12)
    t = np.random.default_rng(3).uniform(0.0, 1.1, 30)
    up, down = (Interpolation(t + e, 0.1, 11).values(rows) for e in (1e-6, -1e-6))
    np.testing.assert_allclose(Interpolation(t, 0.1, 11).slopes(rows), (up - down) / 2e-6, atol=1e-5)


def test_spread_is_the_transpose_of_values():
    rng = np.random.default_rng(4)
    t, rows, pulled = rng.uniform(-0.1, 1.3, 25), rng.normal(size=(3, 12)), rng.normal(size=(3, 25))
    found = Interpolation(t, 0.1, 11)
    np.testing.assert_allclose(np.sum(found.values(rows) * pulled), np.sum(rows * found.spread(pulled, 12)))


def arm(**limits):
    joints = [ds.Joint(name, axis=(0, 1, 0), limits=limits.get(name)) for name in ("shoulder", "elbow")]
    links = [
        ds.Link(f"link_{k}", f"link_{k - 1}" if k else None, joints=[joint], mass=1.0, inertia=(0.01, 0.01, 0.01))
        for k, joint in enumerate(joints)
    ]
    motors = [ds.Actuator("lift", "shoulder", control_range=(-2.0, 6.0)), ds.Actuator("bend", "elbow")]
    return ds.Articulated(links, motors, contacts=False)


ROBOT = {"position": (2, 3), "joint_position": (2,), "joint_velocity": (2,)}


def log(signals, inputs=None):
    t = [0.0, 0.5, 1.0]
    return ds.Log(t, {name: [0.0, 0.1, 0.2] for name in signals}, inputs or {})


def test_a_robot_is_measured_by_names_of_joints_links_and_entries():
    names = ["elbow", "shoulder.velocity", "link_1.z", "joint_velocity[1]", "position[-1, 0]"]
    found = signals_of(log(names), arm(), ROBOT)
    assert [(s.array, s.entry) for s in found] == [
        ("joint_position", 1), ("joint_velocity", 0), ("position", 5), ("joint_velocity", 1), ("position", 3),
    ]  # fmt: skip
    assert [s.unit for s in found] == ["rad", "rad/s", "m", "rad/s", "m"]


@pytest.mark.parametrize("name", ["wrist", "wrist.velocity", "link_1.w", "energy[0]", "position"])
def test_what_is_not_recorded_is_refused_with_what_there_is(name):
    with pytest.raises(ds.InputError, match=r"not recorded of this scene.*position.*joints shoulder, elbow"):
        signals_of(log([name]), arm(), ROBOT)


@pytest.mark.parametrize("name", ["position[5, 0]", "position[0]", "position[0, 2, 1]", "joint_position[2]"])
def test_entries_outside_of_an_array(name):
    with pytest.raises(ds.InputError, match="is no entry of"):
        signals_of(log([name]), arm(), ROBOT)


def test_angles_in_degrees_are_refused_and_taken_when_they_say_so(tmp_path):
    path = tmp_path / "swing.csv"
    path.write_text("time,q\n0,10\n0.1,20\n0.2,-80\n")
    scene = arm(shoulder=(-2.0, 2.0))
    with pytest.raises(ds.InputError, match=r"swing\.csv: column 'q' in line 2 puts joint shoulder at 10 rad.*degrees"):
        signals_of(ds.read_log(path, columns={"shoulder": "q"}), scene, ROBOT)
    signals_of(ds.read_log(path, columns={"shoulder": "q"}, units={"q": "deg"}), scene, ROBOT)
    with pytest.raises(ds.InputError, match="more than a turn"):
        signals_of(ds.read_log(path, columns={"elbow": "q"}), scene, ROBOT)


def test_inputs_are_controls_and_become_actuations():
    given = log(["elbow"], {"lift": [-2.0, 2.0, 6.0], "actuation[1]": [3.0, 4.0, 5.0]})
    found = actuations(given, arm(), np.array([0.0, 0.25, 0.5, 2.0]))
    np.testing.assert_allclose(found[:, 0], [-1.0, -0.5, 0.0, 1.0])
    np.testing.assert_allclose(found[:, 1], [3.0, 3.5, 4.0, 5.0])


def test_an_actuator_that_is_called_as_its_joint_has_a_column_of_its_own(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("time,angle,torque\n0,0.1,0.5\n0.1,0.2,7\n")
    link = ds.Link("rod", joints=[ds.Joint("elbow", axis=(0, 1, 0))], mass=1.0, inertia=(0.01, 0.01, 0.01))
    scene = ds.Articulated([link], [ds.Actuator("elbow", "elbow", control_range=(-1.0, 1.0))], contacts=False)
    given = ds.read_log(path, columns={"elbow": "angle"}, inputs={"elbow": "torque"})
    with pytest.raises(ds.InputError, match=r"log\.csv: column 'torque' in line 3 asks 7 of actuator elbow"):
        actuations(given, scene, np.zeros(1))
    path.write_text("time,angle,torque\n0,0.1,0.5\n0.1,0.2,\n")
    with pytest.raises(ds.InputError, match=r"log\.csv: column 'torque' in line 3 is nan"):
        ds.read_log(path, columns={"elbow": "angle"}, inputs={"elbow": "torque"})


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"wrist": [0.0, 0.0, 0.0]}, "input 'wrist' drives nothing; the actuators are lift, bend"),
        ({"lift": [0.0, 7.0, 0.0]}, r"lift\[1\] asks 7 of actuator lift, whose controls are -2 to 6"),
    ],
)
def test_inputs_that_drive_nothing_or_too_much(inputs, message):
    with pytest.raises(ds.InputError, match=message):
        actuations(log(["elbow"], inputs), arm(), np.zeros(1))
