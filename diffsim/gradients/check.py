"""Compare gradients with differences."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from diffsim.errors import DivergenceError, GradientError
from diffsim.events import contact_name
from diffsim.gradients.differences import STEPS, Judgement, judge
from diffsim.gradients.report import ALL, GradientReport, ParameterCheck
from diffsim.gradients.stale import stale_reads
from diffsim.spec import whole

if TYPE_CHECKING:
    from diffsim.simulation import Simulation

__all__ = ["check_gradients"]

MOST_RECORDED = 10**7
"""Numbers in a rollout beyond which it is not recorded to find which contact switches."""

Arrays = dict[str, np.ndarray]


def check_gradients(
    simulation: Simulation,
    params: Mapping[str, Any] | None = None,
    *,
    tolerance: float = 1e-6,
    directions: int = 1,
    seed: int = 0,
    raises: bool = True,
) -> GradientReport:
    """Compare the gradient with differences in float64, parameter by parameter, and of all parameters at once.

    Every row of the report is one random direction: each entry of a parameter is moved by half to one and a half times
    the parameter's size, its root mean square, or 1 if it is zero, to one side or the other. Where all parameters are
    moved at once, entries that are 0 stay, unless all are: two coefficients of 0, whose mean is a root of their
    product, have a kink there that neither has alone. Differences along it over a ladder of steps are judged as
    `diffsim.gradients.differences.judge` says; the verdict is one of

    * "agrees": within the tolerance and the uncertainty of the differences; an error of a thousandth would have been
      seen;
    * "disagrees";
    * "not differentiable": the slopes to both sides differ here, or the loss jumps, and the gradient is one of the
      slopes or lies between;
    * "too noisy": differences cannot tell, as rounding is amplified too much or too much switches nearby.

    If differences do not come to a clear end, the rollouts behind them are recorded, to find which contact switches
    between them; then only steps within which none does are used, if they suffice. Environments with parameters of
    their own are judged one by one. A gradient by `Truncated` windows is not that of the loss and disagrees.

    Before all that, the point is run twice, with other numbers in the memory of the rollout: a loss that depends on
    what was there before is read from rows that no stage has written (`GradientReport.stale`).

    Args:
        simulation: of any precision; one in float32 is made again in float64 for the check.
        params: where to check; None is ``simulation.params(seed)``.
        tolerance: relative difference of the slopes that passes.
        directions: random directions for each parameter, and for all of them.
        seed: of the directions.
        raises: raise GradientError if anything disagrees; what cannot be judged is only reported.

    Returns:
        The report; ``print(report)`` shows a table.

    Raises:
        GradientError: holding the table; or two rollouts of the same parameters differ.
        DivergenceError: the loss at ``params`` is not finite.
        InputError: as the simulation's own, about ``params``.
    """
    directions = whole("directions", directions)
    params = simulation.params(seed) if params is None else params
    with contextlib.ExitStack() as stack:
        exact = simulation
        if simulation.precision != "f64":
            exact = stack.enter_context(simulation.again(precision="f64"))
        stale = stale_reads(exact, params)
        checks = _check(exact, params, tolerance, directions, np.random.default_rng(seed), stack)
    report = GradientReport(tuple(checks), tolerance, stale)
    if raises and stale:
        raise GradientError(f"{stale}\n{report}")
    if raises and report.exit_status == 1:
        raise GradientError(f"the gradient disagrees with differences\n{report}")
    return report


def _check(
    simulation: Simulation,
    params: Mapping[str, Any],
    tolerance: float,
    directions: int,
    rng: np.random.Generator,
    stack: contextlib.ExitStack,
) -> list[ParameterCheck]:
    loss, grad = simulation.value_and_grad(params)
    if not np.isfinite(loss).all():  # of environments with parameters of their own: else it was raised
        simulation.rollout(params)
        env = int(np.flatnonzero(~np.isfinite(loss))[0])
        message = f"the loss of environment {env} is not finite, though its trajectory is"
        raise DivergenceError(message, array="loss", env=env, step=simulation.problem.steps)
    lead = 1 if simulation.shared else simulation.envs
    # One axis of environments for all: of length 1 if they share their parameters.
    grads = {name: np.asarray(value).reshape(lead, -1) for name, value in grad.items()}
    point = {name: _spread(value, grads[name].shape) for name, value in params.items()}
    contacts = _Contacts(simulation, stack)
    rows: list[tuple[str, tuple[str, ...]]] = [(name, (name,)) for name in grads]
    if len(rows) > 1:
        rows.append((ALL, tuple(grads)))
    checks = []
    for label, names in rows:
        for direction in range(directions):
            way = _way(rng, {name: point[name] for name in names}, grads)
            if label == ALL and any(point[name].any() for name in names):
                way = {name: np.where(point[name] == 0.0, 0.0, value) for name, value in way.items()}
            line = _Line(simulation, point, way)
            slopes = sum(np.sum(grads[name] * way[name], axis=1) for name in names)
            for env, slope in enumerate(np.asarray(slopes).tolist()):
                found = _judge(line, env, slope, tolerance, contacts)
                checks.append(
                    ParameterCheck(
                        name=label,
                        env=None if simulation.shared else env,
                        direction=direction,
                        adjoint=slope,
                        differences=found.differences,
                        uncertainty=found.uncertainty,
                        step=found.step,
                        verdict=found.verdict,
                        note=found.note,
                        slopes=found.slopes,
                    )
                )
    return checks


def _spread(value: Any, shape: tuple[int, int]) -> np.ndarray:
    """(envs, entries): what is given for all environments is repeated."""
    found = np.array(value, np.float64)
    return np.broadcast_to(found.reshape(-1 if found.size != shape[0] * shape[1] else shape), shape)


def _way(rng: np.random.Generator, point: Arrays, grads: Arrays) -> Arrays:
    """A random direction for each environment, (envs, entries) by name.

    One along which the gradient happens to cancel tells little; another one is drawn.
    """
    way = {name: np.empty(value.shape) for name, value in point.items()}
    envs = next(iter(point.values())).shape[0]
    for env in range(envs):
        for _ in range(20):
            terms = []
            for name, value in point.items():
                count = value.shape[1]
                size = float(np.linalg.norm(value[env])) / max(count, 1) ** 0.5 or 1.0
                way[name][env] = size * rng.choice((-1.0, 1.0), count) * rng.uniform(0.5, 1.5, count)
                terms.append(grads[name][env] * way[name][env])
            along = np.concatenate(terms)
            if not abs(along.sum()) < 0.3 * np.linalg.norm(along):
                break
    return way


class _Line:
    """The losses along a line through the parameters; each place is simulated once."""

    def __init__(self, simulation: Simulation, point: Arrays, way: Arrays):
        self._simulation, self._point, self._way = simulation, point, way
        self._shapes = {name: value.shape for name, value in simulation.params().items()}
        self._losses: dict[float, np.ndarray] = {}
        self.switches: dict[float, list[str | None]] = {}  # what `_Contacts` found at each place, by environment

    def params(self, t: float) -> Arrays:
        """The parameters at place ``t``."""
        moved = {
            name: value + t * self._way[name] if name in self._way else value for name, value in self._point.items()
        }
        return {name: value.reshape(self._shapes[name]) for name, value in moved.items()}

    def losses(self, t: float) -> np.ndarray:
        """(envs,) losses there; nan where a rollout diverges."""
        if t not in self._losses:
            try:
                self._losses[t] = np.atleast_1d(np.asarray(self._simulation.value(self.params(t)), np.float64))
            except DivergenceError:
                self._losses[t] = np.full(len(next(iter(self._point.values()))), np.nan)
        return self._losses[t]


class _Contacts:
    """Which contacts differ from those at the point itself, by rollouts that record everything.

    The simulation that records is made when it is first needed.

    Attributes:
        lacking: why nothing can be told, in words; empty if the model records no contacts.
    """

    def __init__(self, simulation: Simulation, stack: contextlib.ExitStack):
        self._simulation, self._stack = simulation, stack
        self._recorder: Simulation | None = None
        self._begun = False
        self._base: np.ndarray | None = None
        self.lacking = ""

    def known(self, line: _Line) -> bool:
        """Whether the model tells what its contacts do."""
        if not self._begun:
            self._begun = True
            recorder = self._simulation
            if recorder.record != "all":
                recorder = self._stack.enter_context(self._simulation.again(record="all"))
            shapes = recorder._fields.recorded().values()
            rows = recorder.envs * (recorder.problem.steps + 1)
            numbers = rows * sum(math.prod(shape) for shape in shapes)
            if numbers > MOST_RECORDED:
                self.lacking = f"which contact switches is not looked for: a rollout would record {numbers:.0e} numbers"
            else:
                self._recorder = recorder
                self._base = self._contact(line.params(0.0))
        return self._base is not None

    def switch(self, line: _Line, env: int, t: float) -> str | None:
        """The first contact that is another one at ``t`` than at the point, in words; None if all are the same."""
        if t not in line.switches:
            line.switches[t] = self._compare(line.params(t))
        return line.switches[t][env]

    def _contact(self, params: Arrays) -> np.ndarray | None:
        """(copies, envs of each, steps, decisions); None if there is no such array."""
        assert self._recorder is not None
        arrays = self._recorder.rollout(params).arrays
        if "contact" not in arrays:
            return None
        # `bonds` tells what sticks, `branch` what decides within the contact law; `contact` says what comes of it.
        found = np.concatenate([arrays[name] for name in ("contact", "bonds", "branch") if name in arrays], axis=-1)
        envs = self._recorder.envs
        found = found.reshape(envs, *found.shape[-2:])
        return found[None] if self._recorder.shared else found[:, None]

    def _compare(self, params: Arrays) -> list[str | None]:
        assert self._base is not None
        try:
            found = self._contact(params)
        except DivergenceError:
            found = None
        if found is None:
            return ["the rollout diverges"] * len(self._base)
        words: list[str | None] = []
        for mine, theirs in zip(found, self._base, strict=True):
            places = np.argwhere(np.any(mine != theirs, axis=0))
            if not len(places):
                words.append(None)
                continue
            step, element = places[0].tolist()
            env = int(np.flatnonzero(mine[:, step, element] != theirs[:, step, element])[0])
            where = f" in environment {env}" if len(mine) > 1 else ""
            name = contact_name(self._simulation.problem.scene, element)
            words.append(f"a contact switches: {name} at step {step}{where}")
        return words


def _judge(line: _Line, env: int, slope: float, tolerance: float, contacts: _Contacts) -> Judgement:
    """The judgement of one environment's slope, by steps within which no contact switches if they suffice."""

    def loss(t: float) -> float:
        return float(line.losses(t)[env])

    found = judge(loss, slope, tolerance=tolerance)
    if found.clear:
        return found
    if not contacts.known(line):
        return _with_note(found, contacts.lacking)
    steps = [step for step in STEPS if step <= found.tried]
    same, other, what = -1, len(steps), ""  # a step within which no contact switches, and one within which one does
    while other - same > 1:
        k = (same + other) // 2
        switch = contacts.switch(line, env, steps[k]) or contacts.switch(line, env, -steps[k])
        if switch is None:
            same = k
        else:
            other, what = k, switch
    if other == len(steps):
        return found
    if same < 0:
        return _with_note(found, f"right here {what}")
    what = f"beyond {steps[same]:.0e} {what}"
    within = judge(loss, slope, tolerance=tolerance, largest=steps[same])
    if within.verdict == "too noisy":
        return _with_note(found, f"{what}, and smaller steps cannot tell")
    return _with_note(within, what)


def _with_note(found: Judgement, *notes: str) -> Judgement:
    return replace(found, note="; ".join(note for note in (found.note, *notes) if note))
