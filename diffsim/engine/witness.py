"""Whether a rollout and its reverse ended: a kernel that a device cut short says nothing of its own.

Kernels walk a number up while they run forward, by one whenever a step has ended, and another one down while they run
in reverse: each of these marks moves its number on only from where the mark before it left it. Where a number stands is
how far the kernel came, and a step that was left out stops it for good. A mark is a turn of the loops that do the work:
what ends those loops early, as Mesa's software driver does after 65,535 turns, never comes to the mark.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import taichi as ti

from diffsim.engine.stages import Passes, Stage
from diffsim.errors import DeviceError

__all__ = ["COLUMNS", "Chain", "Mark", "Witness"]

COLUMNS = 5
"""Numbers of each environment: the way up and down of two chains, and a count of decisions."""

_DECISIONS = 4


@dataclass(frozen=True)
class _Place:
    """Where a mark stands: at number ``base + row * stride`` of the chain in these columns."""

    up: int
    down: int
    base: int
    stride: int


@dataclass(frozen=True)
class Mark(Stage):
    """A stage that is only in forward kernels, or with ``reverse`` only in those of the reverse pass."""

    reverse: bool = False


@ti.func
def _up(finished: ti.template(), place: ti.template(), env, row, step, element):
    at = row * place.stride + place.base
    if finished[env, place.up] == at:
        finished[env, place.up] = at + 1


@ti.func
def _down(finished: ti.template(), place: ti.template(), env, row, step, element):
    at = row * place.stride + place.base
    if finished[env, place.down] == at + 1:
        finished[env, place.down] = at


@dataclass(frozen=True)
class Chain:
    """Marks of one rollout: so many before the steps, in each step and after them.

    Attributes:
        column: 0 or 2.
        before, during, after: how many marks, in each launch of steps.
        every: steps in a launch; those that are left over at the end have one each.
    """

    column: int
    before: int
    during: int
    after: int
    every: int = 1

    def marks(self, finished: Any, part: str, k: int) -> tuple[Mark, Mark]:
        """What begins and what ends the work of mark ``k`` of this part, "before", "during" or "after"."""
        base = k if part == "before" else self.before + k
        place = _Place(self.column, self.column + 1, base, 0 if part == "before" else self.during)
        up, down = (Mark(f, (finished, place), 1, differentiable=False, reverse=f is _down) for f in (_up, _down))
        return down, up

    def around(self, finished: Any, part: str, k: int, entry: Stage | Passes) -> tuple[Stage | Passes, ...]:
        """The entry between its marks."""
        down, up = self.marks(finished, part, k)
        return down, entry, up

    def ends(self, count: int, begins: int, ends: int) -> tuple[int, int]:
        """Where the way up begins and ends in a launch of these steps."""
        last = self.before + self.number(count) * self.during
        return 0 if begins else self.before, last + (self.after if ends else 0)

    def number(self, count: int) -> int:
        """Of launches that make so many steps."""
        return count // self.every + count % self.every

    def steps(self, reached: int, count: int) -> int:
        """How many steps, of so many, had ended when a number stood there."""
        launches, together = max(reached - self.before, 0) // max(self.during, 1), count // self.every
        return min(count, min(launches, together) * self.every + max(launches - together, 0))


class Witness:
    """Compares what kernels did with what they were told.

    Args:
        fields: allocated fields.
        chains: of the kernels; none for an executor that launches every step from Python.
        decisions: how many there are before, in each and after the steps, of those that are counted.
        remedy: what to do where a launch was too long for the device.
    """

    def __init__(self, fields: Any, chains: Iterable[Chain], decisions: tuple[int, int, int] = (0, 0, 0), remedy=""):
        self._fields, self._chains, self._decisions, self._remedy = fields, tuple(chains), decisions, remedy
        self._told: dict[tuple[int, int, int], tuple[np.ndarray, bytes, bytes]] = {}

    def _rows(self, count: int, begins: int, ends: int) -> tuple[np.ndarray, bytes, bytes]:
        """The numbers before a launch, after it, and after its reverse."""
        key = (count, bool(begins), bool(ends))
        if key not in self._told:
            before, after, turned = (np.zeros(COLUMNS, np.int32) for _ in range(3))
            for chain in self._chains:
                low, high = chain.ends(count, begins, ends)
                up, down = chain.column, chain.column + 1
                before[up], after[up], turned[up] = low, high, high
                before[down], after[down], turned[down] = high, high, low
            first, each, last = self._decisions
            after[_DECISIONS] = turned[_DECISIONS] = first * bool(begins) + each * count + last * bool(ends)
            envs = self._fields.envs
            self._told[key] = before, after.tobytes() * envs, turned.tobytes() * envs
        return self._told[key]

    def expect(self, count: int, begins: int, ends: int) -> None:
        """Set the numbers, before a launch of so many steps."""
        if self._chains:
            self._fields.kernels.expect(self._rows(count, begins, ends)[0])

    def check(self, first: int, count: int, begins: int, ends: int, *, reversed: bool) -> None:
        """Raise DeviceError unless what was launched since `expect`, and its reverse if there was one, ended."""
        if not self._chains:
            return
        found = self._fields.kernels.finished()
        rows = self._rows(count, begins, ends)
        if found.tobytes() == rows[2 if reversed else 1]:
            return
        told = np.frombuffer(rows[2 if reversed else 1], np.int32)[:COLUMNS]
        raise DeviceError(
            f"the device stopped a kernel before it had ended: {self._explain(found, told, first, count)}, of steps "
            f"{first} to {first + count}, so there is no loss and no gradient; {self._remedy}"
        )

    def _explain(self, found: np.ndarray, told: np.ndarray, first: int, count: int) -> str:
        """What stopped, and where."""
        chain = next((c for c in self._chains if c.during), self._chains[0])
        up, down = chain.column, chain.column + 1
        # A rollout that stopped has no reverse that could have ended.
        ways = [
            (up, int(np.argmin(found[:, up])), "the rollout"),
            (down, int(np.argmax(found[:, down])), "the reverse"),
        ]
        for column, env, way in ways:
            if found[env, column] != told[column]:
                reached = first + chain.steps(int(found[env, column]), count)
                return f"{way}{self._copy(env)} came to step {reached}"
        env = int(np.argmax(found[:, _DECISIONS] != told[_DECISIONS]))
        return f"a decision{self._copy(env)}, a stage that is not differentiable, did not come to its end"

    def _copy(self, env: int) -> str:
        return f" of copy {env}" if self._fields.envs > 1 else ""
