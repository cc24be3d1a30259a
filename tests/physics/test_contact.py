"""The functions of the shared contact, each by itself: values and gradients against closed forms."""

import numpy as np
import pytest
import taichi as ti

from diffsim.engine import runtime
from diffsim.physics.contact import (
    SKIN,
    SLOWEST,
    STILL,
    discs_meet,
    gap_of_discs,
    grip,
    impulse,
    leaves,
    lifts,
    meets,
    moved,
    normal_at_impact,
    rebound,
    rests,
    slides,
    slipping,
    slowed,
    speed_of_discs,
    sunken,
    time_ahead,
    time_of_bounce,
    time_of_discs,
    time_of_impact,
)

DT = 0.01


class Lab:
    """Runs kernels over fields of its own, which it gives back."""

    def __init__(self):
        runtime.attach(self, "cpu")
        self.trees = []

    def field(self, values, width=0):
        values = np.asarray(values, float)
        found = ti.Vector.field(width, ti.f64, needs_grad=True) if width else ti.field(ti.f64, needs_grad=True)
        builder = ti.FieldsBuilder()
        builder.dense(ti.i, len(values)).place(found, found.grad)
        self.trees.append(builder.finalize())
        found.from_numpy(values)
        return found

    def close(self):
        for tree in self.trees:
            tree.destroy()
        runtime.detach(self)


@pytest.fixture(scope="module")
def lab():
    made = Lab()
    with runtime.precision("f64"):
        yield made
    made.close()


# A point and a plane


CASES = {  # gap, speed, before: does it meet, does it rest, is it sunken
    "lands in the step": (0.004, -1.0, -0.9, True, False, False),
    "flies on": (0.011, -1.0, -0.9, False, None, None),
    "leaves": (0.0, 0.1, -0.9, False, None, None),
    "leaves from below": (-0.1, 0.1, -0.9, False, None, None),
    "creeps": (-0.1, -0.5 * SLOWEST, 0.0, False, None, None),
    "lies on it": (0.0, -0.1, 0.0, True, True, False),
    "lies in the skin": (0.9 * SKIN, -0.1, -0.9 * STILL, True, True, False),
    "lands in the skin": (0.9 * SKIN, -0.1, -1.1 * STILL, True, False, False),
    "starts above the skin": (1.1 * SKIN, -0.1, 0.0, True, False, False),
    "is below by rounding": (-0.9e-4, -1.0, -0.9, True, False, False),
    "is below by more": (-1.1e-4, -1.0, -0.9, True, False, True),
    "lies below by more": (-1.1e-3, -0.1, 0.0, True, True, True),
}


@pytest.fixture(scope="module")
def plane(lab):
    """For each case: decisions, times of impact and bounce, and the times' slopes by gap and speed."""
    gap, speed, before = (lab.field([case[k] for case in CASES.values()]) for k in range(3))
    decided = lab.field(np.zeros((len(CASES), 3)), 3)
    impact, bounce = lab.field(np.zeros(len(CASES))), lab.field(np.zeros(len(CASES)))

    @ti.kernel
    def decide():
        for i in range(gap.shape[0]):
            decided[i] = [meets(gap[i], speed[i], DT), rests(gap[i], before[i]), sunken(gap[i], speed[i], DT)]

    @ti.kernel
    def first():
        for i in range(gap.shape[0]):
            impact[i] = time_of_impact(gap[i], speed[i], before[i], DT)

    @ti.kernel
    def other():
        for i in range(gap.shape[0]):
            bounce[i] = time_of_bounce(gap[i], speed[i], DT)

    decide()
    found = [decided.to_numpy()]
    for kernel, out in ((first, impact), (other, bounce)):
        kernel()
        for field in (gap, speed):
            field.grad.fill(0.0)
        out.grad.fill(1.0)
        kernel.grad()
        found.append(np.stack([out.to_numpy(), gap.grad.to_numpy(), speed.grad.to_numpy()], axis=1))
    return {name: [part[k] for part in found] for k, name in enumerate(CASES)}


@pytest.mark.parametrize("name", CASES)
def test_a_point_meets_the_plane_when_it_should(plane, name):
    gap, speed, _, meeting, resting, deep = CASES[name]
    decided, impact, bounce = plane[name]
    assert decided[0] == meeting
    if meeting:
        assert (decided[1], decided[2]) == (resting, deep)
        timed, clamped = [gap / -speed, -1.0 / speed, gap / speed**2], [0.0, 0.0, 0.0]
        np.testing.assert_allclose(bounce, clamped if deep else timed, rtol=1e-15)
        np.testing.assert_allclose(impact, clamped if resting or deep else timed, rtol=1e-15)


# Looking ahead


AHEAD = {  # gap, closing: time and its slopes by both
    "comes": (0.004, 1.0, (0.004, 1.0, -0.004)),
    "comes from within the skin": (0.5 * SKIN, 1.0, (0.5 * SKIN, 1.0, -0.5 * SKIN)),
    "does not arrive": (0.011, 1.0, (DT, 0.0, 0.0)),
    "parts": (0.004, -1.0, (DT, 0.0, 0.0)),
    "parts while it touches": (0.0, -1.0, (0.0, 0.0, 0.0)),  # as float32 often has it: the slope was a billion
    "parts by rounding": (1e-15, -1e-3, (0.0, 0.0, 0.0)),
    "rests by rounding": (1e-15, 1e-15, (0.0, 0.0, 0.0)),
    "comes by rounding": (1e-15, 0.9 * SKIN / DT, (0.0, 0.0, 0.0)),
    "is below": (-0.1, 1.0, (0.0, 0.0, 0.0)),
    "is below and rises": (-0.1, -1.0, (0.0, 0.0, 0.0)),
}


def test_a_look_ahead_has_a_slope_only_where_something_comes(lab):
    gap, closing = (lab.field([case[k] for case in AHEAD.values()]) for k in range(2))
    out = lab.field(np.zeros(len(AHEAD)))

    @ti.kernel
    def look():
        for i in range(out.shape[0]):
            out[i] = time_ahead(gap[i], closing[i], DT)

    look()
    out.grad.fill(1.0)
    look.grad()
    found = np.stack([out.to_numpy(), gap.grad.to_numpy(), closing.grad.to_numpy()], axis=1)
    for row, (name, case) in zip(found, AHEAD.items(), strict=True):
        np.testing.assert_allclose(row, case[2], rtol=1e-14, err_msg=name)


def test_discs_that_hardly_move_have_no_time_of_impact(lab):
    """Two discs that touch, to rounding, and approach each other a skin a step, and a tenth of that."""
    reach, approach = 0.5, np.array([[-10.0 * SKIN / DT, 0.0], [-0.1 * SKIN / DT, 0.0]])
    apart, speed = lab.field([[reach + 1e-12, 0.0]] * 2, 2), lab.field(approach, 2)
    out = lab.field(np.zeros(2))

    @ti.kernel
    def look():
        for i in range(out.shape[0]):
            out[i] = time_of_discs(apart[i], speed[i], reach, DT)

    look()
    out.grad.fill(1.0)
    look.grad()
    np.testing.assert_allclose(out.to_numpy(), [1e-12 / -approach[0, 0], 0.0], rtol=1e-3)  # 1e-12 is 1e4 roundings
    np.testing.assert_allclose(apart.grad.to_numpy()[:, 0], [-1.0 / approach[0, 0], 0.0], rtol=1e-9)


# Two discs


def discs(seed, dimension, count=40, far=1.0):
    """Random pairs that meet off centre: centres, approach, reach, [m] and [m/s]."""
    rng = np.random.default_rng(seed)
    reach = rng.uniform(0.2, 1.0, count)
    normal, side = rng.normal(size=(2, count, dimension))
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    approach = -normal * rng.uniform(0.5, 2.0, (count, 1)) + 0.3 * side
    approach *= np.where(np.sum(approach * normal, axis=1) < -0.1, 1.0, np.nan)[:, None]
    kept = np.isfinite(approach[:, 0])
    time = far * rng.uniform(0.0, 1.0, count)
    return (reach[:, None] * normal - time[:, None] * approach)[kept], approach[kept], reach[kept], time[kept]


@pytest.mark.parametrize("dimension", [2, 3])
def test_discs_touch_at_the_first_root(lab, dimension):
    apart, approach, reach, time = discs(dimension, dimension)
    fields = [lab.field(apart, dimension), lab.field(approach, dimension), lab.field(reach)]
    first, second, distance = fields
    out, normal = lab.field(np.zeros(len(time))), lab.field(np.zeros((len(time), dimension)), dimension)
    meeting = lab.field(np.zeros((len(time), 2)), 2)

    @ti.kernel
    def touch():
        for i in range(out.shape[0]):
            gap = gap_of_discs(first[i], distance[i])
            out[i] = time_of_bounce(gap, speed_of_discs(first[i], second[i], distance[i]), 1.0)

    @ti.kernel
    def rest(before: ti.f64, after: ti.f64):
        for i in range(out.shape[0]):
            normal[i] = normal_at_impact(first[i], second[i], out[i])
            near = discs_meet(first[i], second[i], distance[i], before * out[i])
            meeting[i] = [near, discs_meet(first[i], second[i], distance[i], after * out[i])]

    touch()
    np.testing.assert_allclose(out.to_numpy(), time, rtol=0, atol=1e-14)
    out.grad.fill(1.0)
    touch.grad()
    at = apart + time[:, None] * approach
    # |apart + t approach|^2 = reach^2, differentiated.
    rate = np.sum(at * approach, axis=1)[:, None]
    np.testing.assert_allclose(first.grad.to_numpy(), -at / rate, rtol=1e-12)
    np.testing.assert_allclose(second.grad.to_numpy(), -time[:, None] * at / rate, rtol=1e-11)
    np.testing.assert_allclose(distance.grad.to_numpy(), reach / rate[:, 0], rtol=1e-12)
    rest(0.999, 1.001)
    np.testing.assert_allclose(normal.to_numpy(), at / reach[:, None], rtol=0, atol=1e-13)
    np.testing.assert_array_equal(meeting.to_numpy(), np.tile([0.0, 1.0], (len(time), 1)))


def test_discs_that_start_far_apart_touch_as_exactly_as_their_places_are_known(lab):
    # 0.2 to 1 m of reach, up to 2 km apart: the discriminant as b^2 - a c would be off by 1e-10 of reach^2.
    apart, approach, reach, time = discs(7, 2, far=1000.0)
    first, second, distance = lab.field(apart, 2), lab.field(approach, 2), lab.field(reach)
    out = lab.field(np.zeros(len(time)))

    @ti.kernel
    def touch():
        for i in range(out.shape[0]):
            gap = gap_of_discs(first[i], distance[i])
            out[i] = gap / -speed_of_discs(first[i], second[i], distance[i])

    touch()
    there = np.linalg.norm(apart + out.to_numpy()[:, None] * approach, axis=1)
    # A rounding of 2e-16 of 2,000 m, a few times; askew by up to a factor of ten in the distance.
    np.testing.assert_allclose(there, reach, rtol=0, atol=2e-11)


NEVER = {  # apart, approach; reach 1
    "a miss": ([3.0, 1.001], [-1.0, 0.0]),
    "parting": ([3.0, 0.0], [1.0, 0.0]),
    "parting while they overlap": ([0.5, 0.0], [1.0, 0.0]),
    "at rest": ([0.5, 0.0], [0.0, 0.0]),
    "grazing": ([3.0, 1.0], [-1.0, 0.0]),
    "creeping": ([0.99, 0.0], [-0.5 * SLOWEST, 0.0]),
    "too far": ([10.5, 0.0], [-1.0, 0.0]),
}
MEET = {
    "head on": ([3.0, 0.0], [-1.0, 0.0]),
    "at the edge": ([3.0, 0.999], [-1.0, 0.0]),
    "overlapping and closing": ([0.5, 0.0], [-1.0, 0.0]),
    "through and out in one step": ([3.0, 0.0], [-100.0, 0.0]),
}


def test_discs_meet_or_not(lab):
    cases = {**NEVER, **MEET}
    apart, approach = (lab.field([case[k] for case in cases.values()], 2) for k in range(2))
    out = lab.field(np.zeros(len(cases)))

    @ti.kernel
    def decide():
        for i in range(out.shape[0]):
            out[i] = discs_meet(apart[i], approach[i], 1.0, 9.0)

    decide()
    assert dict(zip(cases, out.to_numpy(), strict=True)) == {name: name in MEET for name in cases}


# What happens at the impact


def test_impulse_friction_and_the_rest_of_the_step(lab):
    numbers = lab.field([0.0] * 20)

    @ti.kernel
    def compute():
        for _ in range(1):
            numbers[0] = impulse(-2.0, 1.0, 4.0)
            numbers[1] = grip(0.5, 3.0)
            numbers[2] = slides(1.6, 1.5)
            numbers[3] = slides(1.5, 1.5)
            numbers[4] = slowed(-2.0, 2.0, 0.5)
            numbers[5] = slowed(-6.0, 2.0, 0.5)  # a body whose surface gets three times the speed of the impulse
            numbers[6] = moved(1.0, -2.0, 3.0, 0.1, 0.4)
            numbers[7] = rebound(-2.0, -0.4, 0.25, 0.5)
            numbers[8] = rebound(-2.0, 0.0, 0.25, 0.5)
            numbers[9] = leaves(0.3, -0.4, 0.5)
            numbers[10] = leaves(0.1, -0.4, 0.5)
            numbers[11] = leaves(-0.1, 0.4, 0.5)
            numbers[12] = leaves(0.1, 0.4, 0.5)
            numbers[13] = leaves(0.1, 0.4, 0.0)
            numbers[14] = lifts(0.001, -0.2, 0.1)
            numbers[15] = lifts(0.001, -0.2, -0.1)
            numbers[16] = lifts(0.5 * SKIN, -0.5 * STILL, 0.1)  # it lay there
            held, slid = slipping(ti.Vector([3.0, 4.0]), 5.0), slipping(ti.Vector([3.0, 4.0]), 1.0)
            numbers[17], numbers[18], numbers[19] = held.norm(), slid[0], slid[1]

    compute()
    # rebound: at the impact, a quarter into the step, the speed is -2 + 0.25 * 0.4 = -1.9; half of it, 0.95 upwards,
    # loses 0.1 until the middle of the step.
    lifted, slipped = [1, 0, 0], [0, 2.4, 3.2]
    expected = [0.75, 1.5, 1, 0, -1.5, -4.5, 1.7, 0.85, 1.0, 1, 0, 0, 1, 0, *lifted, *slipped]
    np.testing.assert_allclose(numbers.to_numpy(), expected, rtol=1e-15)
