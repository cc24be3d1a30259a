"""Any number of states for a stepper with a number of copies: as many calls as it takes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from diffsim.stepper import Stepper, Ticket

__all__ = ["Rows"]

Arrays = dict[str, np.ndarray]


class Rows:
    """Calls of a stepper with states in rows, which are spread over its copies.

    Args:
        stepper: whose copies have the same numbers, as no row has a copy of its own.
    """

    def __init__(self, stepper: Stepper):
        self._stepper = stepper

    def step(self, at: int, state: np.ndarray, action: np.ndarray) -> tuple[np.ndarray, Arrays, np.ndarray]:
        """The next states, what is read of them, and where each was computed.

        Args:
            at: number of the first step.
            state: (..., state_size).
            action: (..., action_size).

        Returns:
            (..., state_size), ``(..., *shape)`` by name, and (..., 2) whole numbers: call and copy.
        """
        lead, envs = state.shape[:-1], self._stepper.envs
        states, actions = state.reshape(-1, state.shape[-1]), action.reshape(-1, action.shape[-1])
        count = len(states)
        following, where = np.empty_like(states), np.empty((count, 2), np.int32)
        sensed = {name: np.empty((count, *shape), state.dtype) for name, shape in self._stepper.sensed.items()}
        for first in range(0, count, envs):
            rows = np.arange(first, min(first + envs, count))
            copies = np.arange(len(rows))
            found, ticket = self._stepper.step(self._full(states, rows, copies), self._full(actions, rows, copies), at)
            following[rows], where[rows, 0], where[rows, 1] = found[copies], ticket.call, copies
            for name, value in ticket.sensed.items():
                sensed[name][rows] = value[copies]
        shaped = {name: value.reshape(*lead, *value.shape[1:]) for name, value in sensed.items()}
        return following.reshape(state.shape), shaped, where.reshape(*lead, 2)

    def pull(
        self,
        at: int,
        state: np.ndarray,
        action: np.ndarray,
        where: np.ndarray,
        following: np.ndarray,
        sensed: Mapping[str, np.ndarray],
    ) -> tuple[np.ndarray, np.ndarray]:
        """Cotangents of states and actions.

        Args:
            at, state, action: as of `step`.
            where: what `step` said.
            following: (..., state_size) cotangents of the next states.
            sensed: those of what was read, by name.
        """
        stepper, shapes = self._stepper, (state.shape, action.shape)
        states, actions = state.reshape(-1, state.shape[-1]), action.reshape(-1, action.shape[-1])
        by_state, by_action = np.empty_like(states), np.empty_like(actions)
        cotangents = following.reshape(states.shape)
        read = {name: value.reshape(len(states), *stepper.sensed[name]) for name, value in sensed.items()}
        for call, rows, copies in _calls(where.reshape(-1, 2)):
            ticket = Ticket(call, {})
            if not stepper.kept(ticket):
                _, ticket = stepper.step(self._full(states, rows, copies), self._full(actions, rows, copies), at)
            pulled = stepper.pull(
                ticket,
                self._full(cotangents, rows, copies),
                {name: self._full(value, rows, copies) for name, value in read.items()},
            )
            by_state[rows], by_action[rows] = pulled.state[copies], pulled.action[copies]
        return by_state.reshape(shapes[0]), by_action.reshape(shapes[1])

    def _full(self, values: np.ndarray, rows: np.ndarray, copies: np.ndarray) -> np.ndarray:
        """Of all copies: these rows in theirs, the first of them in what is left."""
        found = np.repeat(values[rows[:1]], self._stepper.envs, axis=0)
        found[copies] = values[rows]
        return found


def _calls(where: np.ndarray) -> list[tuple[int, np.ndarray, np.ndarray]]:
    """Calls to pull, with rows and their copies. A call is there more than once where rows share a copy of it."""
    order = np.lexsort((where[:, 1], where[:, 0]))
    call, copy = where[order].T
    new = np.r_[True, (np.diff(call) != 0) | (np.diff(copy) != 0)]
    turn = np.arange(len(order)) - np.flatnonzero(new)[np.cumsum(new) - 1]  # of rows with the same call and copy
    found = []
    for each in np.unique(call):
        for k in range(int(turn[call == each].max()) + 1):
            rows = order[(call == each) & (turn == k)]
            found.append((int(each), rows, where[rows, 1]))
    return found
