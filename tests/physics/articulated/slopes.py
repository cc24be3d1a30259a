"""Gradients against central differences, of each parameter along a random direction."""

import pytest

__all__ = ["assert_slopes_agree"]


def assert_slopes_agree(simulation, params, rng, *, relative=2e-5, absolute=1e-8):
    """In float64; entries that are zero stay zero, and no parameter is without effect."""
    _, grad = simulation.value_and_grad(params)
    for name in params:
        way = rng.uniform(0.5, 1.0, params[name].shape) * (params[name] != 0.0)
        ends = [simulation.value({**params, name: params[name] + sign * 1e-6 * way}) for sign in (1, -1)]
        slope = (ends[0] - ends[1]) / 2e-6
        assert (grad[name] * way).sum() == pytest.approx(slope, rel=relative, abs=absolute), name
        assert slope != 0.0, name
