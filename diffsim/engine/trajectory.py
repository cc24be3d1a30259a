"""A rollout and its reverse, with all of it in memory, segment by segment, or only within windows.

All run the same launches inside ``ti.ad.Tape``: a full tape is one segment. With several, the forward sweep keeps
the state at the start of each; the reverse sweep takes the segments from the last, runs each again inside a tape
and hands the adjoint of its first row to the segment before. Loss and gradient are the same to the bit. Truncated,
that adjoint is dropped.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np
import taichi as ti

from diffsim.engine.executors import Finish, Run

__all__ = ["Trajectory"]


class Trajectory:
    """Rollouts of one simulation, forward and reverse.

    Args:
        fields: allocated fields.
        run, finish: the rollout of a segment and its end alone, from `diffsim.engine.executors.make`.
        steps: of the whole rollout.
        truncated: drop the adjoint between segments.
    """

    def __init__(self, fields: Any, run: Run, finish: Finish, steps: int, *, truncated: bool = False):
        self._fields, self._run, self._finish = fields, run, finish
        every = fields.rows
        self._stale = True  # whether adjoints may be left over: memory is new, or a reverse pass was broken off
        self._segments = [(first, min(every, steps - first)) for first in range(0, steps, every)]
        self._truncated = truncated and len(self._segments) > 1

    def forward(
        self,
        table: np.ndarray,
        record: Callable[[int, int, dict[str, np.ndarray]], None] | None = None,
        names: Collection[str] | None = None,
        steps: int | None = None,
    ) -> np.ndarray:
        """Losses (envs,) of a rollout with the numbers of ``table``.

        ``record`` is called for each segment with its first step, its number of steps and the rows in memory, of all
        recorded arrays or those with these names. With ``steps`` the rollout ends after so many, and losses mean
        nothing.
        """
        kernels = self._fields.kernels
        self._fields.telling = record is not None
        kernels.start(table, 0, 0)
        end = sum(self._segments[-1]) if steps is None else steps
        for segment, (first, whole) in enumerate(self._segments):
            count = min(whole, end - first)
            self._enter(segment, save=False)
            self._forward(first, count, segment == 0, first + count == end)
            if record is not None:
                record(first, count, self._fields.read(names))
            if first + count == end:
                break
        losses = np.empty(self._fields.envs)
        kernels.losses(losses)
        self._fields.check_limit()
        return losses

    @property
    def envs(self) -> int:
        """Number of environments."""
        return self._fields.envs

    @property
    def own(self) -> "Trajectory":
        """Itself: what runs in this process."""
        return self

    @property
    def starts(self) -> list[int]:
        """First step of every segment."""
        return [first for first, _ in self._segments]

    def close(self) -> None:
        """Nothing: the fields are given back by who made them."""

    def norms(self) -> np.ndarray:
        """(envs, segments) norm of the adjoint of the state at each start of a segment, in the last `gradient`.

        That of the first segment is only known if they were observed, else 0.
        """
        out = np.empty((self._fields.envs, len(self._segments)))
        self._fields.kernels.norms(out)
        return out

    def gradient(
        self,
        table: np.ndarray,
        out: np.ndarray,
        weight: float,
        cotangents: Mapping[str, np.ndarray] | None = None,
        observe: Callable[[int, dict[str, np.ndarray]], None] | None = None,
    ) -> np.ndarray:
        """Losses (envs,), with the gradient of ``weight`` times their sum added to ``out``, a table like ``table``.

        ``cotangents`` adds the inner product of recorded arrays with them, (envs, steps + 1, elements[, width]).
        ``observe``, with more than one segment, is called with the first step of each, the last one first, and the
        adjoint of the state there.
        """
        kernels, fields = self._fields.kernels, self._fields
        fields.telling = cotangents is not None
        kernels.start(table, 1, int(self._stale))
        self._stale = True
        if self._truncated:
            return self._windows(out, weight, cotangents)
        for segment in range(len(self._segments) - 1):
            self._enter(segment, save=True)
            first, count = self._segments[segment]
            self._forward(first, count, segment == 0, 0)
        last = len(self._segments) - 1
        self._enter(last, save=False)
        self._reverse(last, weight, cotangents)
        losses = np.empty(fields.envs)
        fields.check_limit()
        if last:
            kernels.losses(losses)  # the segments run again below, and add to the losses again
        for segment in reversed(range(last)):
            kernels.take_adjoint(segment + 1)
            if observe is not None:
                observe(self._segments[segment + 1][0], fields.adjoint())
            kernels.restore(segment)
            kernels.clear_sums()
            kernels.clear_adjoints()
            self._reverse(segment, weight, cotangents, observe)
        kernels.gather(out, np.empty(fields.envs) if last else losses)
        self._stale = False
        return losses

    def _enter(self, segment: int, *, save: bool) -> None:
        kernels = self._fields.kernels
        if segment:
            kernels.carry_on(self._segments[segment - 1][1])
            kernels.clear_sums()
        if save:
            kernels.save(segment)

    def _forward(self, first: int, count: int, begins: int, ends: int) -> None:
        witness = self._fields.witness
        witness.expect(count, begins, ends)
        self._run(first, count, begins, ends, 0.0)
        witness.check(first, count, begins, ends, reversed=False)

    def _turn(self, first: int, count: int, begins: int, ends: int, weight: float) -> None:
        """Run inside a tape, which then turns."""
        witness = self._fields.witness
        witness.expect(count, begins, ends)
        with ti.ad.Tape(self._fields.total, clear_gradients=False):
            self._run(first, count, begins, ends, weight)
        witness.check(first, count, begins, ends, reversed=True)

    def _reverse(
        self,
        segment: int,
        weight: float,
        cotangents: Mapping[str, np.ndarray] | None,
        observe: Callable[[int, dict[str, np.ndarray]], None] | None = None,
    ) -> None:
        """Run the segment inside a tape, which then turns and adds its part to the gradients.

        All adjoints of rows must be zero before.
        """
        fields, (first, count) = self._fields, self._segments[segment]
        last = segment == len(self._segments) - 1
        if cotangents is not None:
            rows = count + 1 if last else count  # the row between two segments belongs to the later one
            fields.seed({name: value[:, first : first + rows] for name, value in cotangents.items()}, rows)
        if not last:
            fields.kernels.give_adjoint(count)
        begins = segment == 0
        if begins and observe is not None:
            # What makes the first row uses its adjoint up: turned on its own, there is a moment in between.
            self._forward(first, 0, 1, 0)
            self._turn(first, count, 0, 0, 0.0)
            fields.kernels.take_adjoint(0)
            observe(first, fields.adjoint())
            fields.kernels.clear_sums()
            self._turn(first, 0, 1, 0, 0.0)
            return
        self._turn(first, count, begins, last, weight)

    def _windows(self, out: np.ndarray, weight: float, cotangents: Mapping[str, np.ndarray] | None) -> np.ndarray:
        """Losses, and the gradient of each segment with its own end; none waits for a later one's adjoint."""
        kernels, fields = self._fields.kernels, self._fields
        losses, keep = np.empty(fields.envs), ti.ad.no_grad(kernels.losses)
        # What is prepared is read in every window: it is turned once, when all of them have added to its adjoint.
        self._forward(0, 0, 1, 0)
        for segment, (first, count) in enumerate(self._segments):
            if segment:
                kernels.next_window(self._segments[segment - 1][1], losses)
            if cotangents is not None:
                own = {name: value[:, first : first + count + 1] for name, value in cotangents.items()}
                fields.seed(own, count + 1)
            fields.witness.expect(count, 0, 1)
            with ti.ad.Tape(fields.total, clear_gradients=False):
                self._run(first, count, 0, 0, 0.0)
                keep(losses)  # without the terms of the last row, which belong to the gradient only
                self._finish(first, count, 0.0 if segment else weight)  # the adjoint of a loss stays where it was set
            fields.witness.check(first, count, 0, 1, reversed=True)
            if not segment:
                kernels.take_adjoint(0)  # of the initial state
        fields.check_limit()
        kernels.clear_adjoints()  # nothing sets the first row of the last window, so nothing used its adjoint up
        kernels.clear_sums()
        kernels.give_adjoint(0)
        self._turn(0, 0, 1, 0, 0.0)
        kernels.gather(out, losses)
        self._stale = False
        return losses
