"""What the numbers of a `HealthReport` mean, in words: findings, and the advice that follows from each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from diffsim.gradients.health_numbers import DIGITS, HealthNumbers, Passes
from diffsim.rollout import Place

__all__ = ["advise", "diagnose"]

TOO_MANY = 3.0
"""Decimal digits that an adjoint may gain. Beyond them, gradients of neighbouring parameters differ by orders of
magnitude, whatever the precision."""

SPARE = 3.0
"""Decimal digits of a gradient that a descent needs."""

ANGLE = 5.0  # between the gradients in float32 and float64 from which on they disagree [degrees],
RATIO = 0.1  # and what the ratio of their norms may differ from 1
NOISE = 1e3  # and from which ratio on they are nothing but rounding, if the adjoint vanishes

HUGE = {"f32": float(np.finfo(np.float32).max) ** 0.25, "f64": float(np.finfo(np.float64).max) ** 0.25}
"""Numbers of this size (4e9, 1e77) are on their way out of the range: their fourth power overflows."""

DOMINANT = 0.5, 0.25
"""Contacts dominate if steps in which one switches have this share of the growth, and are at most that of the steps."""

NAMES = {"f32": "float32", "f64": "float64"}


def diagnose(report: HealthNumbers) -> dict[str, str]:
    """Findings by kind, see `HealthReport.findings`."""
    passes, found = report.passes, {}
    if passes.forward:
        exact = _in_f64(report)
        better = ", though in float64 it is" if exact is not None and not exact.forward else ""
        found["forward"] = f"Not finite: {passes.forward[0]}{better}{_likewise(passes.forward)}."
    backward = _backward(passes)
    if backward:
        place = backward[0]
        last = ", the last one that was looked at" if place.step == report.at[-1] else ""
        found["backward"] = (
            f"Not finite, going back in time: the adjoint of {place}{last}, though the rollout is{_likewise(backward)}."
        )
    lost = [row.name for row in report.gradient if row.name != "all" and not np.isfinite(row.norm).all()]
    if lost and not found:
        found["gradient"] = f"Not finite: the gradient of {', '.join(lost)}, though the adjoint of the state is."
    if _gained(passes) > TOO_MANY:
        found["explodes"] = _explosion(report)
    vanishing = _vanishing(report)
    if vanishing:
        env, step = vanishing[0]
        found["vanishes"] = (
            f"The adjoint is zero, to rounding, at step {step} and before, in environment {env}: the loss does not "
            f"depend on the state up to there{_likewise(vanishing)}."
        )
    if _disagrees(report):
        found["precision"] = _disagreement(report)
    return found


def advise(report: HealthNumbers) -> dict[str, str]:
    """Advice by kind, see `HealthReport.advice`."""
    passes, found = report.passes, {}
    blown = [place for place in passes.forward if passes.largest[place.env] >= HUGE[passes.precision]]
    if blown:
        place = blown[0]
        found["dt"] = (
            f"Take a smaller dt than {report.dt:g} s, softer springs or smaller parameters: in environment {place.env} "
            f"numbers grow to {passes.largest[place.env]:.0e} until step {place.step}."
        )
    sudden = [place for place in passes.forward if place not in blown]
    if sudden:
        found["forward"] = (
            f"Look at what computes {sudden[0].array}: all numbers before are of ordinary size, so it is not dt but a "
            "division by zero, or a root or logarithm of a negative number."
        )
    steep = _steep(report)
    if steep:
        found["slope"] = (
            f"Look at what reads {steep}: a slope is infinite or not defined there, such as that of a root at zero. A "
            "small number under the root helps."
        )
    exact = _in_f64(report)
    if exact is not None and _exact_suffices(report):
        found["precision"] = (
            f'Take precision="f64": of its {exact.limit:.1f} digits the growth needs {max(_gained(exact), 0.0):.1f}.'
        )
    if _gained(passes) > TOO_MANY:
        found.update(_against_growth(report))
    vanishing = _vanishing(report)
    if vanishing:
        found["objective"] = (
            "Let the loss see more of the trajectory, by a term that counts at every step, or start elsewhere: what "
            f"happens up to step {vanishing[0][1]} cannot be tuned."
        )
    return found


# Not finite


def _likewise(found: Sequence[Any]) -> str:
    """How many more environments have what the first one has."""
    more = len(found) - 1
    return f"; {more} more environment{'s' * (more > 1)} likewise" if more > 0 else ""


def _in_f64(report: HealthNumbers) -> Passes | None:
    """The passes in float64 of a simulation in float32."""
    return report.other if report.passes.precision == "f32" else None


def _backward(passes: Passes) -> list[Place]:
    """Where the adjoint is not finite though the rollout is."""
    lost = {place.env for place in passes.forward}
    return [place for place in passes.backward if place.env not in lost]


def _steep(report: HealthNumbers) -> str:
    """What has an infinite slope: an array whose adjoint is lost all at once, or a parameter."""
    passes = report.passes
    for place in _backward(passes):
        if np.nanmax(passes.norms[place.env], initial=0.0) < HUGE[passes.precision]:
            return place.array
    if passes.forward or passes.backward:
        return ""
    return next((row.name for row in report.gradient if not np.isfinite(row.norm).all()), "")


# Growth


def _gained(passes: Passes) -> float:
    """Digits of the environment that gains most."""
    return float(np.nanmax(passes.digits, initial=-np.inf))


def _explosion(report: HealthNumbers) -> str:
    passes = report.passes
    env = int(np.nanargmax(passes.digits))
    digits = float(passes.digits[env])
    text = f"Going back in time the adjoint grows by {digits:.1f} digits, {passes.growth[env]:.4f} times per step"
    text += f" (environment {env})" if report.envs > 1 else ""
    if digits >= passes.limit:
        return (
            f"{text}. So do rounding errors: after {passes.horizon[env]} steps nothing is left of the "
            f"{passes.limit:.1f} digits of {NAMES[passes.precision]}."
        )
    return f"{text}. Rounding errors leave {passes.limit - digits:.1f} of the {passes.limit:.1f} digits."


def _against_growth(report: HealthNumbers) -> dict[str, str]:
    passes, found = report.passes, {}
    env = int(np.nanargmax(passes.digits))
    window = _window(report, env)
    found["window"] = (
        f"Backpropagate through shorter windows, tune(window={window}) or adjoint=ds.Truncated({window}): in so many "
        f"steps the adjoint grows by {TOO_MANY:.0f} digits."
    )
    size = float(report.gradient[-1].norm.max()) if report.gradient else np.nan
    least = size * 10.0 ** -float(passes.digits[env])
    if np.isfinite(size) and least > 0.0:
        found["clip"] = (
            f"Limit the length of gradients, which may be anything from {least:.0e} to {size:.0e}: "
            f"tune(clip={least:.0e}), or steps of a set length with ds.NormalisedGradientDescent."
        )
    exact = _in_f64(report) or passes
    share = _share_of_contacts(report, env)
    if _gained(exact) > DIGITS["f64"] - SPARE:
        why = "not even float64 has the digits for this growth"
    else:
        why = f"{100.0 * share:.0f} % of the growth is in steps in which a contact switches" if share else ""
    if why:
        found["smoothing"] = (
            f'Average over perturbed copies, tune(estimator="mixed") with envs=16 and shared=False: {why}.'
        )
    return found


def _window(report: HealthNumbers, env: int) -> int:
    """Steps in which the adjoint grows by `TOO_MANY` digits: as the fit says or, beyond the rollout, as it did."""
    norms, factor = report.passes.norms[env], float(report.passes.growth[env])
    if factor > 1.0 and TOO_MANY / np.log10(factor) < report.steps:
        return max(1, int(TOO_MANY / np.log10(factor)))
    known = np.flatnonzero(np.isfinite(norms) & (norms > 0.0))
    logs = np.log10(norms[known])
    beyond = known[logs - logs[-1] >= TOO_MANY]
    return int(report.at[known[-1]] - report.at[beyond[-1]])


def _share_of_contacts(report: HealthNumbers, env: int) -> float:
    """Share of the growth in steps in which some contact switches; 0 unless contacts dominate it."""
    norms = report.passes.norms[env]
    if report.contacts is None or len(report.at) < report.steps or not (np.isfinite(norms) & (norms > 0.0)).all():
        return 0.0
    switched = {change.step for change in report.contacts if change.env == env and change.step < report.steps - 1}
    steps = np.array(sorted(switched), dtype=np.intp)
    logs = np.log(norms)
    share = float((logs[steps] - logs[steps + 1]).sum() / (logs.max() - logs[-1]))
    return share if share >= DOMINANT[0] and len(steps) <= DOMINANT[1] * report.steps else 0.0


# Vanishing


def _vanishing(report: HealthNumbers) -> list[tuple[int, int]]:
    """(environment, step) up to which the adjoint is zero.

    One that is zero throughout counts only if the gradient is zero too; else the state is not the way to the loss.
    """
    found = []
    norms = report.gradient[-1].norm if report.gradient else np.zeros(1)
    for env, step in enumerate(report.passes.vanished):
        if step is not None and (step < report.at[-1] or norms[env % len(norms)] == 0.0):
            found.append((env, step))
    return found


# Precision


def _disagrees(report: HealthNumbers) -> bool:
    row = _compared(report)
    if row is None:
        return False
    counts = np.ones(len(row.ratio), dtype=bool)
    for env, _ in _vanishing(report):
        copy = env % len(counts)
        counts[copy] = 1.0 / NOISE < row.ratio[copy] < NOISE
    return bool((counts & ((row.angle > ANGLE) | (np.abs(row.ratio - 1.0) > RATIO))).any())


def _compared(report: HealthNumbers) -> Any:
    """The gradient of all parameters, of a simulation in float32 that was compared to float64; else None."""
    return report.gradient[-1] if _in_f64(report) is not None and report.gradient else None


def _disagreement(report: HealthNumbers) -> str:
    row = _compared(report)
    copy = int(np.argmax(np.nan_to_num(row.angle, nan=-1.0) + np.abs(np.nan_to_num(row.ratio, nan=1.0) - 1.0)))
    text = f"The gradient in float32 is {row.angle[copy]:.3g} degrees off the one in float64, and {row.ratio[copy]:.3g}"
    parted = _parted(report, slice(copy, copy + 1) if len(row.angle) > 1 else slice(None))
    when = f"; going back in time, the adjoints part at step {parted}" if parted is not None else ""
    return f"{text} times as long{when}."


def _parted(report: HealthNumbers, envs: slice) -> int | None:
    """The last step at which the adjoints are as far apart as they are long."""
    assert report.apart is not None
    with np.errstate(invalid="ignore"):
        steps = np.flatnonzero((report.apart[envs] >= 1.0).any(axis=0))
    return int(report.at[steps[-1]]) if len(steps) else None


def _exact_suffices(report: HealthNumbers) -> bool:
    """Whether float64 is right where float32 is not."""
    exact = _in_f64(report)
    if exact is None or exact.forward or exact.backward or _gained(exact) > exact.limit - SPARE:
        return False
    lost = bool(report.passes.forward or report.passes.backward)
    for row in report.gradient:
        if row.other is None or not np.isfinite(row.other).all():
            return False
        lost = lost or not np.isfinite(row.norm).all()
    return lost or _disagrees(report)
