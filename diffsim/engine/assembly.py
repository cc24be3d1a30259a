"""From a problem to what runs it: fields, stages in their order, an executor, and who keeps the trajectory."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from diffsim.adjoint import Adjoint, Truncated
from diffsim.engine import native, places
from diffsim.engine.background import Assisted, allowed, portable
from diffsim.engine.compiling import Helpers
from diffsim.engine.devices import SINGLE, check_memory
from diffsim.engine.executors import choose, make
from diffsim.engine.fields import Fields
from diffsim.engine.stages import Part, requests
from diffsim.engine.trajectory import Trajectory
from diffsim.errors import InputError

__all__ = ["Assembly", "assemble"]


@dataclass(frozen=True)
class Assembly:
    """What a `Simulation` runs.

    Attributes:
        fields: allocated.
        trajectory: rollouts, forward and reverse.
        executor: what was asked for; off a CPU what "auto" chose.
    """

    fields: Fields
    trajectory: Any
    executor: str


def assemble(
    problem: Any,
    build: Callable[..., Any],
    numbers: Mapping[str, np.ndarray],
    tuned: Iterable[str],
    *,
    device: str,
    precision: str,
    envs: int,
    record_all: bool,
    adjoint: Adjoint,
    executor: str,
    settings: Mapping[str, Any],
    copies: int,
    rooms: Mapping[str, int],
) -> Assembly:
    """Declare fields and stages of model, controller and objective, and take the memory.

    Args:
        problem: scene, controller, objective and steps.
        build: of the model, from `diffsim.physics`.
        numbers: of the problem, by dotted name.
        tuned: those that have a gradient.
        device, precision, envs, adjoint, executor: as of `Simulation`.
        record_all: whether a rollout reports every trajectory field.
        settings: with which another process makes the same simulation, but for the executor.
        copies: of the parameters, in a table of gradients.
        rooms: how much room rollouts needed, see `Fields.room`.

    Raises:
        InputError: what is read is not there, or does not fit the executor.
        DeviceError: the device has not enough memory.
    """
    serial = device == "cpu"
    single = device in SINGLE
    fields = Fields(
        numbers,
        tuned,
        serial=serial,
        single=single,
        envs=envs,
        precision=precision,
        record_all=record_all,
        rooms=rooms,
    )
    try:
        trajectory, executor = _assembled(problem, build, fields, device, adjoint, executor, settings, copies)
    except BaseException:
        fields.close()
        raise
    return Assembly(fields, trajectory, executor)


def _assembled(
    problem: Any,
    build: Callable[..., Any],
    fields: Fields,
    device: str,
    adjoint: Adjoint,
    executor: str,
    settings: Mapping[str, Any],
    copies: int,
) -> tuple[Any, str]:
    controller, objective, serial = problem.controller, problem.objective, device == "cpu"
    model = build(problem.scene, fields, problem.steps, requests(controller, objective))
    model = model.complete(problem.scene, problem.steps, fields.arrays)
    for part in (controller, *getattr(objective, "terms", (objective,))):
        model.check(part)
    nothing = Part()
    known = len(fields.trajectories)
    drive = nothing if controller is None else controller.build(fields, model)
    fields.put_before("actuation", known)  # what a controller computes, it computes before it sets the actuation
    aim = nothing if objective is None else objective.build(fields, model)
    # What is sensed only for the last row's sake is not sensed at every step.
    feedback = bool(requests(controller)) or bool(aim.step and requests(objective))
    step = model.place + (model.sense if feedback else ()) + drive.step + model.step + aim.step
    largest = max(stage.elements for stage in step)
    fast = native.available()  # small kernels are about as fast as the fused one then: nobody need compile that as well
    form = choose(executor, device, fields.envs, largest, small=fast or portable(problem))
    executor = executor if serial else form
    rows = adjoint.rows(problem.steps, fields.row_bytes)
    fields.check_sizes(rows)
    check_memory(device, fields, rows, rows < problem.steps)
    # On a GPU, fused gives each environment a thread, and neighbouring threads want neighbouring memory.
    fields.allocate(rows, segments=-(-problem.steps // rows), env_last=not serial and form == "fused")
    if form == "staged" and not fields.beds.fit:
        if executor == "staged":
            raise InputError(
                "the arrays of this problem are too large together for executor='staged', which counts their "
                "elements with 32 bits; use 'fused', fewer copies, or Checkpointed()"
            )
        form = "fused"
    prepare, final = model.prepare + drive.prepare + aim.prepare, model.place + model.sense + aim.final
    helpers = Helpers(problem, settings) if fast else None
    places.check(prepare, step, final)
    run, finish = make(form, prepare, step, final, fields, serial=serial, helpers=helpers)
    own = Trajectory(fields, run, finish, problem.steps, truncated=isinstance(adjoint, Truncated))
    if executor == "auto" and form == "staged" and not fast and allowed():
        return Assisted(own, (problem, dict(settings)), copies), executor
    return own, executor
