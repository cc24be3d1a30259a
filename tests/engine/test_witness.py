"""A rollout knows that it ended, and its reverse as well: kernels that stop early are planted here, on a CPU.

On a device that does stop, `test_vulkan` looks. And what a device has no room for is said beforehand.
"""

import numpy as np
import pytest
import taichi as ti

import diffsim as ds
from diffsim.engine import assembly, devices, executors

STEPS = 12

PROBLEM = ds.Problem(
    ds.MassSpring(
        points=[[0.0, 0.21], [0.31, 0.24], [0.12, 0.57]],
        springs=[[0, 1], [0, 2], [1, 2]],
        stiffness=60.0,
        actuation=0.2,
        ground=ds.Ground(height=0.1, friction=0.4, restitution=0.6),
        dt=0.01,
    ),
    ds.Sine(),
    ds.Travel(point=1),
    steps=STEPS,
)

STOPPED = 9  # the first step that a planted kernel leaves out


def early(run):
    """A run whose kernel does not come beyond a step, and to nothing that follows."""

    def stopped(first, count, begins, ends, weight):
        whole = first + count <= STOPPED
        run(first, count if whole else max(STOPPED - first, 0), begins, ends if whole else 0, weight)

    return stopped


def without_reverse(run):
    """A run whose reverse never happens."""
    return ti.ad.no_grad(run)


@pytest.fixture(scope="module", params=["fused", "wide"])
def whole(request, keep):
    return keep(PROBLEM, executor=request.param, envs=2)


@pytest.fixture(scope="module", params=["fused", "wide"])
def segments(request, keep):
    return keep(PROBLEM, executor=request.param, adjoint=ds.Checkpointed(every=5))


CALLS = {
    "value": lambda sim, params: sim.value(params),
    "rollout": lambda sim, params: sim.rollout(params),
    "gradient": lambda sim, params: sim.value_and_grad(params),
}


def plant(monkeypatch, sim, cut):
    monkeypatch.setattr(sim._trajectory, "_run", cut(sim._trajectory._run))


@pytest.mark.parametrize("call", CALLS)
def test_a_rollout_that_stops_is_an_error_and_never_a_loss(monkeypatch, whole, call):
    params = whole.params(seed=1)
    before = whole.value_and_grad(params)
    plant(monkeypatch, whole, early)
    with pytest.raises(ds.DeviceError, match=f"the rollout of copy 0 came to step {STOPPED}, of steps 0 to {STEPS}, "):
        CALLS[call](whole, params)
    monkeypatch.undo()
    after = whole.value_and_grad(params)
    assert after[0] == before[0]
    assert all(np.array_equal(after[1][name], value) for name, value in before[1].items())


@pytest.mark.parametrize("call", CALLS)
def test_so_is_a_segment(monkeypatch, segments, call):
    plant(monkeypatch, segments, early)
    with pytest.raises(ds.DeviceError, match=f"the rollout came to step {STOPPED}, of steps 5 to 10, so there is no"):
        CALLS[call](segments, segments.params(seed=1))


def test_a_reverse_that_stops_is_an_error(monkeypatch, whole, segments):
    plant(monkeypatch, whole, without_reverse)
    plant(monkeypatch, segments, without_reverse)
    for sim, last in ((whole, f"0 to {STEPS}"), (segments, f"10 to {STEPS}")):
        params = sim.params(seed=1)
        sim.value(params)  # which needs none
        with pytest.raises(ds.DeviceError, match=f"the reverse.* came to step {STEPS}, of steps {last}"):
            sim.value_and_grad(params)


def test_what_prepares_and_what_concludes_are_watched_as_well(monkeypatch, whole):
    params = whole.params(seed=1)
    for left_out in ((1, 0), (0, 1)):

        def make(run, left_out=left_out):
            def cut(first, count, begins, ends, weight):
                run(first, count, begins and not left_out[0], ends and not left_out[1], weight)

            return cut

        plant(monkeypatch, whole, make)
        with pytest.raises(ds.DeviceError, match="the device stopped a kernel before it had ended"):
            whole.value(params)
        monkeypatch.undo()


def test_windows_are_watched(monkeypatch, keep):
    sim = keep(PROBLEM, executor="fused", adjoint=ds.Truncated(5))
    plant(monkeypatch, sim, early)
    with pytest.raises(ds.DeviceError, match=f"the rollout came to step {STOPPED}, of steps 5 to 10"):
        sim.value_and_grad(sim.params(seed=1))


@pytest.mark.parametrize(
    ("count", "every", "expected"),
    [(0, 4, []), (3, 4, [(0, 3)]), (4, 4, [(0, 4)]), (9, 4, [(0, 4), (4, 4), (8, 1)])],
)
def test_pieces_of_a_rollout(count, every, expected):
    assert executors._pieces(count, every) == expected


# Room


def test_memory_is_counted_before_it_is_taken(monkeypatch):
    """The count is that of the fields, up to what segments keep of the state."""
    counts = []

    def count(device, fields, rows, checkpointed):
        counts.append(fields.row_bytes * (rows + 1) + fields.other_bytes)

    with monkeypatch.context() as during:
        during.setattr(assembly, "check_memory", count)
        with ds.Simulation(PROBLEM, envs=3) as sim:
            parts = [part for array in sim._fields._arrays for part in (array, array.grad) if part is not None]
            taken = sum(part.view.nbytes for part in parts)
    assert 0.9 * taken <= counts[0] <= taken
    monkeypatch.setattr(devices, "memory_of", lambda device: taken + 1.0)
    ds.Simulation(PROBLEM, envs=3).close()
    monkeypatch.setattr(devices, "memory_of", lambda device: 0.5 * taken)
    with pytest.raises(ds.DeviceError) as caught:
        ds.Simulation(PROBLEM, envs=3)
    text = str(caught.value)
    assert f"3 copies x {STEPS + 1} rows x" in text
    assert "at most 1 copies (envs)" in text
    assert "adjoint=Checkpointed(memory=" in text


def test_what_is_advised_fits(monkeypatch):
    monkeypatch.setattr(devices, "memory_of", lambda device: 6e6)
    problem = ds.Problem(PROBLEM.scene, PROBLEM.controller, PROBLEM.objective, steps=40_000)
    with pytest.raises(ds.DeviceError, match=r"adjoint=Checkpointed\(memory='\dMB'\)") as caught:
        ds.Simulation(problem)
    memory = str(caught.value).partition("memory='")[2].partition("'")[0]
    ds.Simulation(problem, adjoint=ds.Checkpointed(memory=memory)).close()


def test_nobody_is_refused_where_nobody_says_how_much_there_is(monkeypatch):
    monkeypatch.setattr(devices, "_of_this_machine", lambda: 1 / 0)
    assert devices.memory_of("cpu") is None
    ds.Simulation(PROBLEM).close()
