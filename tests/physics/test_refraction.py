"""What the sun makes of waves on the floor below them."""

import numpy as np
import pytest

from diffsim.physics.refraction import caustics

INDEX = 4.0 / 3.0


def test_below_still_water_the_floor_is_as_bright_as_the_sun_makes_it():
    assert caustics(np.zeros((5, 7)), 0.1, True, 2.0, INDEX) == pytest.approx(np.ones((5, 7)))


def test_light_is_neither_made_nor_lost():
    height = 0.05 * np.random.default_rng(0).normal(size=(12, 9))
    found = caustics(height, 0.2, True, 3.0, INDEX)
    assert found.mean() == pytest.approx(1.0, abs=1e-12)
    assert found.max() > 1.5  # it has moved


@pytest.mark.parametrize("share", [-1.0, 0.25, 0.5])
def test_a_crest_is_a_lens(share):
    """Of curvature k it has the focal length 1 / (k (1 - 1 / index)): before it light is 1 / (1 - depth / f)^2."""
    n, depth = 81, 1.0
    x, y = np.meshgrid(*[(np.arange(n) - n // 2) / n] * 2, indexing="ij")
    curvature = share / (depth * (1.0 - 1.0 / INDEX))
    height = -0.5 * curvature * (x**2 + y**2)
    found = caustics(height, 1.0 / n, False, depth, INDEX)
    middle = found[n // 2 - 1 : n // 2 + 2, n // 2 - 1 : n // 2 + 2].mean()
    assert middle == pytest.approx(1.0 / (1.0 - share) ** 2, rel=0.02)
