"""Builders of particles."""

import numpy as np
import pytest

from diffsim import Matter
from diffsim.errors import InputError


def test_a_box_is_filled_evenly():
    found = Matter.box((1.0, 2.0), (0.3, 0.2), (0.05, 0.07), "box")
    assert len(found) == 6 * 3
    assert found.volume.sum() == pytest.approx(0.06)
    assert found.points.min(axis=0) == pytest.approx([1.025, 2.0 + 0.1 / 3])
    assert found.points.max(axis=0) == pytest.approx([1.275, 2.2 - 0.1 / 3])


@pytest.mark.parametrize(("d", "whole"), [(2, np.pi * 0.09), (3, 4.0 / 3.0 * np.pi * 0.027)])
def test_a_ball_has_its_own_volume(d, whole):
    found = Matter.ball(np.full(d, 0.5), 0.3, 0.07)
    assert found.volume.sum() == pytest.approx(whole)
    assert found.points.mean(axis=0) == pytest.approx(np.full(d, 0.5))
    assert np.linalg.norm(found.points - 0.5, axis=1).max() <= 0.3


def test_pieces_are_put_together_by_the_names_of_their_regions():
    one, two = Matter.box((0, 0), (1, 1), 0.5, "a"), Matter.box((2, 0), (1, 1), 1.0, "b")
    found = one + two + Matter.box((4, 0), (1, 1), 1.0, "a")
    assert found.regions == ("a", "b")
    assert found.region("a").tolist() == [True] * 4 + [False, True]
    assert found.by_region({"b": 2.0}, 1.0).tolist() == [1.0] * 4 + [2.0, 1.0]
    assert found.by_region({"b": (0.0, 1.0)}, (1.0, 0.0))[4].tolist() == [0.0, 1.0]
    assert found.by_region({"b": "liquid"}, "corotated")[4] == "liquid"
    with pytest.raises(InputError, match="there is no region 'c'; there are 'a', 'b'"):
        found.region("c")


def test_a_picture_becomes_matter_with_its_colours_as_regions():
    picture = np.ones((6, 5, 3))
    picture[1:5, 1:3], picture[3:5, 3:4] = (0.9, 0.1, 0.1), (0.1, 0.2, 0.9)  # an L: red, its foot blue
    found = Matter.from_image(picture, (1.0, 2.0), 0.8, 0.1)
    assert found.volume.sum() == pytest.approx(10 * 0.2**2)
    assert len(found) == 10 * 4
    assert found.points.min(axis=0) == pytest.approx([1.05, 2.05])
    assert found.points.max(axis=0) == pytest.approx([1.55, 2.75])
    blue = found.region("blue")
    assert blue.sum() == 8
    assert found.points[blue].min(axis=0) == pytest.approx([1.45, 2.05])
    assert found.points[blue].max(axis=0) == pytest.approx([1.55, 2.35])
    plain = Matter.from_image(np.array([[False, True], [True, True]]), (0.0, 0.0), 1.0, 0.25)
    assert plain.regions == ("",)
    assert len(plain) == 12
    with pytest.raises(InputError, match="too wide for 1 m: it holds no particle"):
        Matter.from_image(np.eye(2) > 0, (0.0, 0.0), 1.0, 1.1)


def test_what_is_no_matter_is_refused():
    with pytest.raises(InputError, match="in 2 dimensions and in 3 cannot be put together"):
        Matter.box((0, 0), (1, 1), 0.5) + Matter.box((0, 0, 0), (1, 1, 1), 0.5)
    with pytest.raises(InputError, match=r"too wide for a radius of 0\.1 m: no particle is inside"):
        Matter.ball((0.0, 0.0), 0.1, 1.0)
    with pytest.raises(InputError, match=r"Matter\.box\.size\[1\] is 0, but it must be greater than 0"):
        Matter.box((0, 0), (1, 0), 0.5)
    with pytest.raises(InputError, match=r"Matter\.volume is -1, but it must be greater than 0"):
        Matter([(0.0, 0.0)], -1.0)
    with pytest.raises(TypeError):
        Matter.box((0, 0), (1, 1), 0.5) + 1
