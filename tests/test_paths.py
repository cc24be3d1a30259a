"""Places that are passed in turn, at even times."""

import numpy as np
import pytest

from diffsim.paths import along

PLACES = np.array([(0.0, 0.0), (1.0, 2.0), (1.0, -1.0)])


@pytest.mark.parametrize(
    ("share", "place", "velocity"),
    [
        (0.0, (0.0, 0.0), (2.0, 4.0)),
        (0.125, (0.25, 0.5), (2.0, 4.0)),
        (0.5, (1.0, 2.0), (0.0, -6.0)),  # what comes behind it
        (0.75, (1.0, 0.5), (0.0, -6.0)),
        (1.0, (1.0, -1.0), (0.0, -6.0)),
    ],
)
def test_places_are_passed_in_turn(share, place, velocity):
    found = along(PLACES, np.array(share))
    assert found[0] == pytest.approx(np.array(place), abs=1e-15)
    assert found[1] == pytest.approx(np.array(velocity), abs=1e-15)


def test_times_of_any_shape():
    share = np.linspace(0.0, 1.0, 6).reshape(2, 3)
    place, velocity = along(PLACES, share)
    assert place.shape == velocity.shape == (2, 3, 2)
    assert place[1, 2].tolist() == PLACES[-1].tolist()
