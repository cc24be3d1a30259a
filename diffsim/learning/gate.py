"""What keeps gradients from going back through a stiff step."""

from __future__ import annotations

from typing import Any

import numpy as np

from diffsim.bridges.packages import needed

torch: Any = needed("torch", "ds.learn", "torch")

__all__ = ["Gate", "stretch"]


class Gate:
    """Lets the gradients of a step and of those after it back to where it began, but in copies where it is closed.

    Whether it is closed is only known once the step was taken: gradients come later.

    Attributes:
        closed: (envs,) where nothing comes through.
    """

    def __init__(self, envs: int):
        """Open everywhere."""
        self.closed = torch.zeros(envs, dtype=torch.bool)

    def through(self, tensor: Any) -> Any:
        """A tensor (envs, ...) as it is; gradients of what comes of the result come through the gate."""
        if not tensor.requires_grad:
            return tensor
        found = tensor.view_as(tensor)
        found.register_hook(self._let)
        return found

    def _let(self, gradient: Any) -> Any:
        return gradient.masked_fill(self.closed.reshape(-1, *[1] * (gradient.ndim - 1)), 0.0)

    def close(self, lengths: Any, times: float) -> None:
        """Where a length (envs,) is more than ``times`` the median of all, or is not finite."""
        self.closed = ~(lengths <= times * lengths.nanmedian())


def stretch(state: Any, following: Any, rng: np.random.Generator) -> Any:
    """(envs,) how much a step stretches what is small: about the Frobenius norm of its derivative by the state.

    Of random signs u the mean of ``|u J|^2`` is the square of that norm (Hutchinson 1990). One u is drawn, the same for
    all copies, so that they can be compared.

    Args:
        state: (envs, n) where the step began.
        following: (envs, n) where it led.
        rng: draws the signs.
    """
    signs = torch.tensor(rng.choice((-1.0, 1.0), following.shape[1]), dtype=following.dtype)
    (back,) = torch.autograd.grad(following, state, signs.expand_as(following), retain_graph=True)
    return back.norm(dim=1)
