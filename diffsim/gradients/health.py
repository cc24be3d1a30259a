"""How the gradient comes about: the adjoint of the state step by step, and where anything stops being finite."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from diffsim.adjoint import Checkpointed, growth
from diffsim.errors import InputError
from diffsim.events import contact_name
from diffsim.gradients.health_numbers import DIGITS, Change, ParameterGradient, Passes
from diffsim.gradients.health_report import HealthReport
from diffsim.rollout import Place, Rollout, first_not_finite
from diffsim.spec import whole

if TYPE_CHECKING:
    from diffsim.simulation import Simulation

__all__ = ["gradient_health"]

Arrays = dict[str, np.ndarray]

MOST_STEPS = 1000
"""How many steps are looked at unless ``every`` says otherwise. Each costs some launches, a third of a millisecond."""

ROUNDINGS = 16
"""An adjoint below so many rounding errors of what it was at a later step is zero: a point that lands leaves one or two
of them, as the difference of equal numbers."""

FARTHEST = 10
"""A horizon that the fit puts beyond so many rollouts is none: it says that the norm does not grow, not when."""


def gradient_health(
    sim: Simulation,
    params: Mapping[str, Any] | None = None,
    *,
    seed: int = 0,
    every: int | None = None,
    compare: bool = True,
) -> HealthReport:
    """Look at the gradient of a simulation step by step: does it explode, vanish, or stop being finite, and where?

    The adjoint of the state at a step is the gradient of the loss with respect to the positions and velocities there.
    From it, and from a rollout that records everything, come

    * its norm at each step, the factor per step by which it grows backwards, how many decimal digits it gains, and
      after how many steps rounding errors that grow as much leave no digit of the precision;
    * the step from which on backwards it is zero, to rounding: the loss does not depend on anything earlier;
    * the first number that is not finite, of the rollout and, backwards, of the adjoint, in each environment;
    * how far the gradients in float32 and float64 are apart;
    * where contact switches, if the model records it;
    * findings and advice in words: see `HealthReport`.

    Nothing that is found raises an error. The whole rollout is differentiated, also where ``sim`` takes `Truncated`
    windows. It is done on simulations made for it and closed again; they hold one rollout with all arrays and the
    adjoints of all steps that are looked at, in float64.

    Args:
        sim: of any precision, adjoint and executor, with one or several environments.
        params: where to look; None is ``sim.params(seed)``.
        seed: of those.
        every: look at every so many steps; None looks at each, or at about a thousand of a longer rollout. An adjoint
            that is not finite is then looked for again in every step, to tell the very one.
        compare: do it in the other precision as well.

    Returns:
        The report; ``print(report)`` shows a summary, `diffsim.plot_health` draws it.

    Raises:
        InputError: the problem has no objective or only one step, or ``every`` leaves nothing to look at; and the
            simulation's own, about ``params``.
    """
    steps = sim.problem.steps
    if sim.problem.objective is None:
        raise InputError("gradient_health needs a loss, but this problem has no objective")
    if steps < 2:
        raise InputError("gradient_health needs a rollout of at least 2 steps, but this problem has 1")
    every = -(-steps // MOST_STEPS) if every is None else whole("gradient_health(every)", every)
    if every >= steps:
        raise InputError(f"gradient_health(every) is {every}, but it must be less than the problem's {steps} steps")
    params = sim.params(seed) if params is None else params
    own = _Look(sim, params, sim.precision, every)
    other = _Look(sim, params, "f64" if sim.precision == "f32" else "f32", every) if compare else None
    return HealthReport(
        steps=steps,
        dt=float(sim.problem.scene.dt),
        at=own.at,
        passes=own.passes,
        other=None if other is None else other.passes,
        apart=None if other is None else _apart(own, other),
        gradient=_compare(own, other),
        contacts=own.contacts,
    )


class _Look:
    """Forward and reverse pass in one precision."""

    def __init__(self, sim: Simulation, params: Mapping[str, Any], precision: str, every: int):
        with sim.again(precision=precision, adjoint=Checkpointed(every=every), record="all") as made:
            rollout = made.rollout(params, finite=False)
            self.at, self.adjoint = made.adjoints(params)
            loss, gradient = made.value_and_grad(params, finite=False)
        at, adjoint = self.at, self.adjoint
        forward, backward = _places(_by_env(rollout)), _places_backwards(at, adjoint)
        if every > 1 and {place.env for place in backward} - {place.env for place in forward}:
            with sim.again(precision=precision, adjoint=Checkpointed(every=1)) as made:
                backward = _places_backwards(*made.adjoints(params))
        norms = _norms(adjoint)
        zeros = [_zeros(own, DIGITS[precision]) for own in norms]
        factor = np.array([growth(at[count:], own[count:]) for own, count in zip(norms, zeros, strict=True)])
        self.copies = 1 if sim.shared else sim.envs
        self.gradient = {name: value.reshape(self.copies, -1) for name, value in gradient.items()}
        self.contacts = _changes(rollout)
        self.passes = Passes(
            precision=precision,
            loss=np.atleast_1d(np.asarray(loss, np.float64)),
            norms=norms,
            growth=factor,
            digits=np.array([_digits(own) for own in norms]),
            horizon=tuple(
                _horizon(at, own, g, DIGITS[precision], sim.problem.steps)
                for own, g in zip(norms, factor.tolist(), strict=True)
            ),
            vanished=tuple(int(at[count - 1]) if count else None for count in zeros),
            largest=_largest(_by_env(rollout)),
            forward=forward,
            backward=backward,
        )


def _by_env(rollout: Rollout) -> Arrays:
    """The recorded arrays, (envs, rows, elements[, width])."""
    return {name: value if rollout.envs > 1 else value[None] for name, value in rollout.arrays.items()}


def _places(arrays: Arrays) -> tuple[Place, ...]:
    """Where each environment stopped being finite, of those that did; the earliest step first."""
    envs = len(next(iter(arrays.values())))
    each = [first_not_finite({name: value[env : env + 1] for name, value in arrays.items()}) for env in range(envs)]
    found = [place._replace(env=env) for env, place in enumerate(each) if place is not None]
    return tuple(sorted(found, key=lambda place: place.step))


def _places_backwards(at: np.ndarray, adjoint: Arrays) -> tuple[Place, ...]:
    """The same of the adjoint, from the last step on; the latest step first."""
    found = _places({name: value[:, ::-1] for name, value in adjoint.items()})
    return tuple(place._replace(step=int(at[len(at) - 1 - place.step])) for place in found)


def _largest(arrays: Arrays) -> np.ndarray:
    """(envs,) largest size of all finite numbers."""
    flat = np.concatenate([value.reshape(len(value), -1) for value in arrays.values()], axis=1)
    return np.abs(np.where(np.isfinite(flat), flat, 0.0)).max(axis=1, initial=0.0)


def _flat(adjoint: Arrays) -> np.ndarray:
    """(envs, n, all numbers of the state)."""
    return np.concatenate([value.reshape(*value.shape[:2], -1) for value in adjoint.values()], axis=2)


def _norms(adjoint: Arrays) -> np.ndarray:
    """(envs, n) norm of the adjoint of the whole state; nan where a part of it is not finite."""
    flat = _flat(adjoint)
    size = np.abs(flat).max(axis=2, initial=0.0)
    finite = np.isfinite(size)
    scale = np.where(finite & (size > 0.0), size, 1.0)  # squares of large float64 overflow
    shares = np.where(finite[:, :, None], flat, 0.0) / scale[:, :, None]
    return np.where(finite, scale * np.sqrt((shares**2).sum(axis=2)), np.nan)


def _known(norms: np.ndarray) -> np.ndarray:
    """Indices of norms with a logarithm."""
    return np.flatnonzero(np.isfinite(norms) & (norms > 0.0))


def _digits(norms: np.ndarray) -> float:
    """Decimal digits between the norm at the end and the largest; nan if there is none."""
    known = _known(norms)
    return float(np.log10(norms[known].max() / norms[known[-1]])) if len(known) else np.nan


def _horizon(at: np.ndarray, norms: np.ndarray, factor: float, digits: float, steps: int) -> int | None:
    """Steps in which the norm grows by so many digits: as it did or, if it did not, as the fit says."""
    known = _known(norms)
    if not len(known):
        return None
    logs = np.log10(norms[known])
    beyond = np.flatnonzero(logs >= logs[-1] + digits)
    if len(beyond):
        return int(at[known[-1]] - at[known[beyond[-1]]])
    if not factor > 1.0:
        return None
    found = digits / np.log10(factor)
    return int(np.ceil(found)) if found <= FARTHEST * steps else None


def _zeros(norms: np.ndarray, digits: float) -> int:
    """At how many steps from the start on the adjoint is zero, or what rounding left of zero.

    The first step counts as the second does: where the loss looks at the start itself, as `Travel` does, its own
    part would hide that nothing comes back to it.
    """
    later = np.fmax.accumulate(norms[::-1])[::-1]
    there = np.flatnonzero(~(norms <= ROUNDINGS * 10.0**-digits * later))
    if len(norms) > 2 and len(there) and there[0] == 0 and (len(there) == 1 or there[1] > 1):
        there = there[1:]
    return int(there[0]) if len(there) else len(norms)


def _apart(own: _Look, other: _Look) -> np.ndarray:
    """(envs, n) norm of the difference of two adjoints, relative to that of the one in float64."""
    exact = own if own.passes.precision == "f64" else other
    with np.errstate(divide="ignore", invalid="ignore"):
        difference = {name: value - other.adjoint[name] for name, value in own.adjoint.items()}
        found: np.ndarray = _norms(difference) / exact.passes.norms
    return found


def _compare(own: _Look, other: _Look | None) -> tuple[ParameterGradient, ...]:
    """A row for each parameter and, if there are several, one for all together."""
    names = list(own.gradient)
    rows = [(name, [name]) for name in names] + ([("all", names)] if len(names) > 1 else [])
    return tuple(_row(label, parts, own, other) for label, parts in rows)


def _row(label: str, names: list[str], own: _Look, other: _Look | None) -> ParameterGradient:
    mine = np.concatenate([own.gradient[name] for name in names], axis=1)
    size = _sizes(mine)
    if other is None:
        return ParameterGradient(label, size, None, None, None)
    theirs = np.concatenate([other.gradient[name] for name in names], axis=1)
    single, double = (mine, theirs) if own.passes.precision == "f32" else (theirs, mine)
    sizes = _sizes(single), _sizes(double)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where((sizes[0] == 0.0) & (sizes[1] == 0.0), 1.0, sizes[0] / sizes[1])
    angle = np.array([_angle(a, b) for a, b in zip(single, double, strict=True)])
    return ParameterGradient(label, size, _sizes(theirs), angle, ratio)


def _sizes(rows: np.ndarray) -> np.ndarray:
    """(copies,) norms; nan where not finite."""
    return _norms({"": rows[None]})[0]


def _angle(one: np.ndarray, two: np.ndarray) -> float:
    """Between two vectors [degrees], right for small ones too; 0 if both are zero, nan if it is not known.

    Kahan, "How futile are mindless assessments of roundoff in floating-point computation?", 2006, section 12.
    """
    if not one.any() and not two.any():
        return 0.0
    sizes = _sizes(np.stack([one, two]))
    if not np.isfinite(sizes).all() or not sizes.all():
        return np.nan
    a, b = one / sizes[0], two / sizes[1]
    return float(np.degrees(2.0 * np.arctan2(np.linalg.norm(a - b), np.linalg.norm(a + b))))


def _changes(rollout: Rollout) -> tuple[Change, ...] | None:
    """Where an entry of ``contact`` is another one than in the step before; None if it is not recorded."""
    codes = _by_env(rollout).get("contact")
    if codes is None or codes.ndim != 3:
        return None
    scene = rollout.problem.scene
    before, after = codes[:, :-1], codes[:, 1:]
    known = np.isfinite(before) & np.isfinite(after)
    where = np.argwhere(known & (before != after))
    return tuple(
        Change(
            env,
            step + 1,
            element,
            int(before[env, step, element]),
            int(after[env, step, element]),
            contact_name(scene, element),
        )
        for step, env, element in sorted((step, env, element) for env, step, element in where.tolist())
    )
