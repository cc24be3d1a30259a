"""Parameters of networks and states of optimizers as arrays, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from diffsim.bridges.packages import needed

torch: Any = needed("torch", "ds.learn", "torch")

__all__ = ["module_state", "optimizer_state", "restore_module", "restore_optimizer"]


def module_state(module: Any) -> dict[str, np.ndarray]:
    """Parameters by name."""
    return {name: value.detach().numpy() for name, value in module.state_dict().items()}


def restore_module(module: Any, held: Mapping[str, np.ndarray]) -> None:
    """Take parameters that `module_state` gave."""
    module.load_state_dict({name: torch.tensor(value) for name, value in held.items()})


def optimizer_state(optimizer: Any) -> dict[str, np.ndarray]:
    """What an optimizer remembers of each parameter, by its number and name: "0/exp_avg"."""
    state = optimizer.state_dict()["state"]
    return {f"{k}/{name}": value.numpy() for k, own in state.items() for name, value in own.items()}


def restore_optimizer(optimizer: Any, held: Mapping[str, np.ndarray]) -> None:
    """Take what `optimizer_state` gave."""
    state: dict[int, dict[str, Any]] = {}
    for key, value in held.items():
        k, _, name = key.partition("/")
        state.setdefault(int(k), {})[name] = torch.tensor(value)
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
