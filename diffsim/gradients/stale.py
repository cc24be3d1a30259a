"""Find stages that read what no stage of the same rollout has written: numbers that an earlier rollout left there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from diffsim.simulation import Simulation

__all__ = ["stale_reads"]

_FILLS = (0.3, -0.7)
"""What the rows hold before each of two rollouts. No NaN: zero times what is not used would be one."""

_SAME = 1e-9
"""Relative difference of two losses up to which they are equal: on a CPU they are so to the bit."""


def stale_reads(simulation: Simulation, params: Mapping[str, Any]) -> str:
    """What two rollouts of the same parameters say, if their losses differ; empty if they do not.

    Before each the rows of all trajectory fields are filled, with one number and with another: stages have to write
    every row before they read it, so no loss may depend on which. So they are between segments, but for the state
    that goes on. What is derived from numbers is filled before a rollout as well, but for zeros: what no stage writes
    is zero, and may be used so. Where a loss does depend on it, each field is filled alone, to name those that matter.
    Fields that accumulate are left as they are; every rollout clears them.
    """
    fields = simulation._fields
    arrays = {r.name: (r.field, r.state) for r in fields.trajectories if not r.accumulates}
    derived = {f"a field derived from {' and '.join(of)}": array for array, of in fields.worked_out}
    if not (arrays or derived):
        return ""

    def losses(other: tuple[str, ...]) -> np.ndarray:
        with simulation._runtime.precision(simulation.precision):
            table = simulation._load(params)

            def fill(first: int = 0, count: int = -1, rows: Any = None) -> None:
                for name, (array, state) in arrays.items():
                    _fill(array, _FILLS[name in other], count if state else -1)
                if count < 0:
                    for name, array in derived.items():
                        values = array.to_numpy()
                        values[values != 0.0] = _FILLS[name in other]
                        array.from_numpy(values)

            fill()
            trajectory = simulation._trajectory.own
            segments = len(trajectory.starts) > 1  # each but the first finds what the one before left
            return np.array(trajectory.forward(table, fill if segments else None))

    def differ(one: np.ndarray, other: np.ndarray, noise: float = 0.0) -> bool:
        return not np.allclose(one, other, rtol=_SAME, atol=noise, equal_nan=True)

    if derived:
        losses(())  # after it, what is zero is what nothing writes
    first, second = losses(()), losses((*arrays, *derived))
    if not differ(first, second):
        return ""
    noise = 10.0 * float(np.nan_to_num(np.abs(losses(()) - first)).max())  # a GPU adds in any order
    if not differ(first, second, noise):
        return ""
    names = [name for name in (*arrays, *derived) if differ(first, losses((name,)), noise)] or [*arrays, *derived]
    env = int(np.flatnonzero(~np.isclose(first, second, rtol=_SAME, atol=noise, equal_nan=True))[0])
    return (
        f"two rollouts of the same parameters differ: the loss{f' of copy {env}' if len(first) > 1 else ''} is "
        f"{first[env]:.9g}, then {second[env]:.9g}, by what {', '.join(names)} held before them; a stage reads a slot "
        "there that no stage has written yet in this rollout (a row that is written later or never, or the slot that "
        "it sets itself), and finds what is left of an earlier one"
    )


def _fill(array: Any, value: float, kept: int) -> None:
    """Fill all rows but one, -1 for none."""
    if kept < 0:
        array.fill(value)
        return
    values = array.to_numpy()
    row = values[:, kept].copy()
    values[...] = value
    values[:, kept] = row
    array.from_numpy(values)
