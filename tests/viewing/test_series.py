"""What a report draws over time, and the trails of what travels."""

import numpy as np
import pytest

import diffsim as ds
from diffsim.errors import InputError
from diffsim.tuning.times import compiling
from diffsim.viewing import snapshot
from diffsim.viewing.look import Bodies, Look, Part, Points, Series, Trail
from diffsim.viewing.packing import Channel, pack, unpack
from diffsim.viewing.player import recordings
from diffsim.viewing.series import alike
from diffsim.viewing.sight import look_of
from diffsim.viewing.trails import trail_of_all, trails_of_each


def told(rollout):
    """The series of a player by name: labels, and values (rows, k)."""
    recording = recordings([rollout])[0]
    return {
        series["name"]: (series["labels"], np.asarray(recording.channels[series["channel"]].values))
        for series in recording.still["series"]
    }


def test_springs_say_how_the_ground_presses():
    """What lies on it with its weight, what is pulled up by less, what lands with its momentum in one step."""
    points = [[0.0, 0.0], [1.0, 0.0], [2.0, 0.5]]
    scene = ds.MassSpring(
        points,
        mass=[1.0, 2.0, 0.5],
        force=[(0.0, 0.0), (0.0, 4.0), (0.0, 0.0)],
        ground=ds.Ground(),
        dt=0.01,
        damping=0.3,
    )
    with ds.Simulation(ds.Problem(scene, steps=60), precision="f64") as simulation:
        rollout = simulation.rollout(simulation.params(seed=0))
    labels, values = told(rollout)["contact forces"]
    assert labels == ["ground"]
    lies = 3.0 * 9.81 - 4.0
    lands = int(np.argmax(values[:, 0]))
    assert values[:lands, 0] == pytest.approx(np.full(lands, lies), rel=1e-6)
    fast = -rollout["velocity"][lands, 2, 1]
    # In the step of its landing it also gains what the step adds, less what damping takes.
    assert values[lands, 0] == pytest.approx(lies + 0.5 * (np.exp(-0.003) * fast / 0.01 + 9.81), rel=1e-6)
    after = values[lands + 1 :, 0]
    assert len(after) > 20
    assert after == pytest.approx(np.full(len(after), lies + 0.5 * 9.81), rel=1e-6)
    held = ds.MassSpring(points, ground=ds.Ground(), fixed=(0,))
    with ds.Simulation(ds.Problem(held, steps=3)) as simulation:
        assert "contact forces" not in told(simulation.rollout(simulation.params(seed=0)))


def test_a_robot_says_its_joints_by_name(make):
    rollout = make.robot()
    rollout.arrays["joint_position"][:, 3] = 1.0  # the quaternion of no turn
    rollout.arrays["joint_position"][:, 7] = np.linspace(0.0, 1.0, 61)
    rollout.arrays["joint_velocity"][:, 6] = 2.0
    found = told(rollout)
    labels, values = found["joint angles"]
    assert labels == ["hip"]
    assert np.array_equal(values[:, 0], np.linspace(0.0, 1.0, 61))
    assert (found["joint speeds"][1] == 2.0).all()
    assert found["actuation"][0] == ["hip"]
    assert np.array_equal(found["energy"][1][:, 0], rollout["energy"])


def test_planar_bodies_say_angles_at_pins_and_what_presses(make):
    found = told(make.machine())
    labels, values = found["joint angles"]
    assert labels == ["1 and 2"]
    assert not values.any()  # neither of both turns
    labels, values = found["contact forces"]
    assert labels == [f"body {k}" for k in range(5)]
    assert values[:, 0] == pytest.approx(np.hypot(1.0, 0.2))
    assert not values[:, 1:].any()


def test_a_force_between_two_bodies_is_on_both(make):
    rollout = make.machine()
    pair = rollout.problem.scene.pairs.tolist().index([0, 3])
    rollout.arrays["contact_pair"][:] = pair
    _, values = told(rollout)["contact forces"]
    assert (values[:, [0, 3]] > 1.0).all()
    assert not values[:, [1, 2, 4]].any()


def test_springs_say_how_fast_their_centre_of_mass_is(make):
    rollout = make.travelling(make.box(2, mass=[1.0, 1.0, 1.0, 3.0]))
    rollout.arrays["velocity"][:, 3] = (6.0, -2.0)
    labels, values = told(rollout)["velocity of the centre"]
    assert labels == ["x", "y"]
    assert values == pytest.approx(np.broadcast_to((3.0, -1.0), (101, 2)))


def test_a_rollout_that_lacks_what_energy_is_worked_out_from_has_none(make):
    rollout = make.travelling(make.box(2))
    del rollout.arrays["velocity"]
    assert list(told(rollout)) == ["actuation"]


def test_of_very_many_numbers_their_outline_is_told():
    values = np.random.default_rng(0).normal(size=(7, 65))
    values[3] = np.nan
    found = Series("speeds", "m/s", values)
    assert found.labels == ("least", "median", "most")
    assert np.array_equal(found.values[0], (values[0].min(), np.median(values[0]), values[0].max()))
    assert np.isnan(found.values[3]).all()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda: Series("x", "m", np.zeros((3, 2)), ["one"]), r"Series.labels of 'x' holds 1, but .* 2 columns"),
        (lambda: Series("x", "m", np.zeros((3, 2, 2))), r"Series.values has shape \(3, 2, 2\), but \(rows,\) or"),
        (lambda: Look([], series=["x"]), r"Look.series\[0\] is 'x', but a Series is needed"),
        (lambda: Trail("x"), "Trail.mover is str, but Points or Bodies are needed"),
        (lambda: Trail(Points([(0.0, 0.0)]), [1]), r"Trail.which\[0\] is 1, but it must be at least 0 and at most 0"),
        (lambda: Trail(Points([(0.0, 0.0)]), None, ["goal", "point"]), "Trail.colour holds 2 colours, but there are 1"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(wrong, words):
    with pytest.raises(InputError, match=words):
        wrong()


def test_a_blow_between_two_frames_is_seen():
    values = np.zeros((10, 2))
    values[4, 0], values[9, 1] = 7.0, 3.0
    rows = np.array([0, 3, 6, 9])
    packed = pack({"peaks": Channel(values, 0.01, peaks=True), "plain": Channel(values, 0.01)}, rows)
    found = unpack(packed, len(rows))
    assert found["peaks"][:, 0] == pytest.approx([0.0, 7.0, 0.0, 0.0])
    assert found["peaks"][:, 1] == pytest.approx([0.0, 0.0, 0.0, 3.0])
    assert not found["plain"][:, 0].any()


def test_waves_are_sorted_by_their_phase():
    phase = np.random.default_rng(1).permutation(np.linspace(0.0, 2.0 * np.pi, 50, endpoint=False))
    order = alike(np.sin(0.3 * np.arange(200)[:, None] + phase))
    assert sorted(order.tolist()) == list(range(50))
    steps = np.abs(np.angle(np.exp(1j * np.diff(phase[order]))))
    assert steps.max() < 2.5 * 2.0 * np.pi / 50


def test_many_actuators_are_sorted_in_the_player(make):
    series = recordings([make.crowd()])[0].still["series"][0]
    assert sorted(series["order"]) == list(range(90))
    assert "order" not in recordings([make.machine()])[0].still["series"][0]


# Trails


def test_what_stays_where_it_is_leaves_no_trail(make):
    box = make.box(2)
    assert look_of(make.travelling(box, distance=0.08)).of(Trail) == []
    (trail,) = look_of(make.travelling(box, distance=1.0)).of(Trail)
    assert trail.ways()[:, 0, 0] == pytest.approx(0.1 + np.linspace(0.0, 1.0, 101))


def test_bodies_that_are_alone_have_a_trail_each():
    still = np.zeros((5, 1, 2))
    moving = np.linspace(0.0, 1.0, 5)[:, None, None] * np.array([1.0, 0.0])
    bodies = Bodies(np.concatenate([still, moving], axis=1), np.zeros((5, 2)), [Part("disc", 0.1), Part("disc", 0.1)])
    (trail,) = trails_of_each(bodies, np.array([0.1, 0.1]), ["goal", "point"])
    assert trail.which.tolist() == [1]
    assert trails_of_each(bodies, np.array([0.1, 2.0]), ["goal", "point"]) == []
    assert trail_of_all(Points(np.full((5, 1, 2), np.nan))) == []


@pytest.mark.parametrize("dimension", [2, 3])
def test_pictures_show_the_way_up_to_now(make, dimension):
    rollout = make.travelling(make.box(dimension, ground=False), distance=2.0)
    with_trail = snapshot(rollout, 50, size=(400, 300)).astype(int)
    early = snapshot(rollout, 0, size=(400, 300)).astype(int)
    changed = np.abs(with_trail - early).max(axis=2) > 20
    columns = np.flatnonzero(changed[40:].any(axis=0))
    assert (np.diff(columns) == 1).all()  # from where it was to where it is: the trail is between


def test_a_table_has_cloth_cushions_and_shaded_balls(make):
    look = look_of(make.table())
    assert look.table
    assert look.ground is None
    assert {part.shape for bodies in look.of(Bodies) for part in bodies.parts} == {"ball"}
    picture = snapshot(make.table(), 30, size=(420, 300))
    assert len(look.of(Trail)[0].which) == 3
    from diffsim.viewing.style import STYLE, rgba

    shown = {tuple(colour) for colour in picture.reshape(-1, 3).tolist()}
    wanted = {tuple(np.rint(255 * rgba(getattr(STYLE, name))[:3]).astype(int).tolist()) for name in ("felt", "rail")}
    assert wanted <= shown


def test_bodies_in_free_fall_are_no_table(make):
    assert not look_of(make.machine()).table


# Times


def test_compiling_is_told_apart_from_tuning():
    history = [{"seconds": seconds} for seconds in (5.0, 5.5, 6.0, 7.5)]
    found = compiling(history)
    assert found.compiling == pytest.approx(4.5)  # the first took 0.5 s, as others do
    assert found.tuning == pytest.approx(3.0)
    assert compiling(history[:1]) is None
    assert compiling([{}, {}]) is None
    assert compiling([{"seconds": 0.1}, {"seconds": 1.1}]).compiling == 0.0
