"""The fit of how fast norms grow."""

import math

import numpy as np
import pytest

from diffsim.adjoint import growth


@pytest.mark.parametrize("factor", [0.5, 1.0, 1.02, 3.0])
def test_a_power_of_the_steps_from_the_end_has_its_base(factor):
    steps = np.array([0, 1, 4, 9, 10])
    norms = 7.0 * factor ** (10.0 - steps)  # earlier steps are larger
    assert growth(steps, norms) == pytest.approx(factor, rel=1e-14)


def test_the_line_is_the_one_of_least_squares():
    # Logarithms 0, 1, 0 at steps 0, 1, 2, and 1, 0, 0: slopes 0 and -1/2.
    assert growth([0, 1, 2], np.exp([0.0, 1.0, 0.0])) == pytest.approx(1.0, rel=1e-14)
    assert growth([0, 1, 2], np.exp([1.0, 0.0, 0.0])) == pytest.approx(math.exp(0.5), rel=1e-14)


def test_norms_without_a_logarithm_are_left_out():
    steps, norms = np.arange(6), 2.0 ** -np.arange(6.0)
    norms[[0, 3, 5]] = np.nan, 0.0, np.inf
    assert growth(steps, norms) == pytest.approx(2.0, rel=1e-14)


@pytest.mark.parametrize("norms", [[], [1.0], [1.0, 0.0], [np.nan, np.inf, 3.0], [0.0, 0.0]])
def test_one_norm_has_no_growth(norms):
    assert math.isnan(growth(range(len(norms)), np.array(norms)))
