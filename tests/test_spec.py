"""Specifications in general: equality, pickles, JSON, and the checks of numbers."""

import copy
import json
import pickle
from dataclasses import FrozenInstanceError, dataclass
from typing import Any

import numpy as np
import pytest

from diffsim.errors import InputError
from diffsim.spec import Spec, array, choices, number, whole


@dataclass(frozen=True, eq=False, repr=False)
class Sample(Spec):
    value: Any = 1.0
    inside: Any = None


@dataclass(frozen=True, eq=False, repr=False)
class Other(Spec):
    value: Any = 1.0
    inside: Any = None


VALUES = {
    "nothing": None,
    "a flag": True,
    "text": "a",
    "a number": 0.1,
    "infinity": float("inf"),
    "minus infinity": -float("inf"),
    "a whole number": 3,
    "a matrix": np.arange(6.0).reshape(2, 3),
    "whole numbers": np.array([1, -(2**62)]),
    "single precision": np.array([0.1, 0.2], dtype=np.float32),
    "flags": np.array([True, False]),
    "no rows": np.zeros((0, 2), dtype=np.int64),
    "one entry": np.array(0.1),
    "odd entries": np.array([[np.inf, -np.inf], [0.1, np.nan]]),
    "an odd entry": np.array(np.inf),
    "a tuple": (1, 2.0, "b", (np.inf, None)),
    "a dictionary": {"scene.mass": (None, 2.0), "b": np.ones(2)},
    "a specification": Sample(np.ones(3)),
    "specifications": (Sample(1.0), Other(Sample(np.zeros(2)))),
}


@pytest.mark.parametrize("name", VALUES)
def test_json_is_strict_and_brings_an_equal_specification_back(name):
    made = Sample(VALUES[name], inside=Sample(VALUES[name]))
    again = Spec.from_dict(json.loads(json.dumps(made.to_dict(), allow_nan=False)))
    assert again == made
    if isinstance(made.value, np.ndarray):
        assert again.value.dtype == made.value.dtype
        assert again.value.shape == made.value.shape


@pytest.mark.parametrize("name", VALUES)
def test_pickles_and_copies_are_equal(name):
    made = Sample(VALUES[name], inside=Sample(VALUES[name]))
    assert pickle.loads(pickle.dumps(made)) == made
    assert copy.deepcopy(made) == made


def test_nan_is_written_and_read():
    again = Spec.from_dict(json.loads(json.dumps(Sample(float("nan")).to_dict(), allow_nan=False)))
    assert np.isnan(again.value)


def test_numpy_numbers_are_written_as_numbers():
    assert Sample(np.float64(0.5), np.int64(2)).to_dict() == {"type": "Sample", "value": 0.5, "inside": 2}
    assert Sample(np.float64("inf")).to_dict()["value"] == {"number": "inf"}


def test_every_value_differs_from_every_other():
    for a, first in VALUES.items():
        for b, second in VALUES.items():
            assert (Sample(first) == Sample(second)) is (a == b), (a, b)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (np.zeros(3), np.array([0.0, 0.0, 1e-300])),
        (np.zeros(3), np.zeros(4)),
        (np.zeros(3), np.zeros((3, 1))),
        ((np.zeros(2), 1), (np.ones(2), 1)),
        ({"a": np.zeros(2)}, {"a": np.ones(2)}),
        ({"a": 1}, {"b": 1}),
        (np.zeros(1), 0.0),
        (Sample(1), Other(1)),
    ],
)
def test_specifications_differ_by_one_entry(first, second):
    assert Sample(first) != Sample(second)


def test_specifications_of_two_classes_differ():
    assert Sample(1.0) != Other(1.0)
    assert Sample(1.0) != 1.0


def test_specifications_are_frozen_and_have_no_hash():
    with pytest.raises(FrozenInstanceError):
        Sample().value = 2.0
    with pytest.raises(TypeError, match="unhashable"):
        hash(Sample())


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"type": "Walrus"}, ["no specification named 'Walrus'", "Sample"]),
        ({"type": "Sample", "weight": 1}, ["Sample has no field 'weight'", "value, inside"]),
        ({"value": 1}, ["'type'", "{'value': 1}"]),
        ([1, 2], ["'type'", "[1, 2]"]),
    ],
)
def test_from_dict_names_what_it_does_not_know(data, words):
    with pytest.raises(InputError) as caught:
        Spec.from_dict(data)
    assert all(word in str(caught.value) for word in words)


def test_repr_gives_large_arrays_by_shape():
    assert repr(Sample(np.zeros((100, 3)), np.arange(3))) == "Sample(value=<100 x 3 array>, inside=[0, 1, 2])"


def test_repr_gives_many_specifications_by_their_number():
    four, five = (Other(1), Sample(2), Sample(3), Sample(4)), (Sample(1), Other(2), Sample(3), Sample(4), Sample(5))
    assert repr(Other(five)) == "Other(value=<5 of Other, Sample>, inside=None)"
    assert "Sample(value=3, inside=None)" in repr(Other(four))


def test_array_gives_a_read_only_copy_in_rows():
    given = np.asfortranarray(np.arange(6).reshape(2, 3))
    found = array("thing", given, (2, 3))
    given[0, 0] = 9
    assert found[0, 0] == 0
    assert found.dtype == np.float64
    assert found.flags.c_contiguous
    assert not found.flags.writeable


def test_array_takes_whole_numbers_in_any_type():
    for given in ([1, 2], [1.0, 2.0], np.array([1, 2], dtype=np.uint8)):
        found = array("thing", given, (2,), dtype=np.int64)
        assert found.dtype == np.int64
        assert found.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("make", "given", "allowed"),
    [
        (lambda: array("thing", [1, 2], (3,)), "thing has shape (2,)", "but (3,) is needed"),
        (lambda: array("thing", [1, 2], ()), "thing has shape (2,)", "a single number is needed"),
        (lambda: array("thing", [], ("n",)), "thing has shape (0,)", "(n,) is needed, with n of at least 1"),
        (lambda: array("thing", [0, 1], above=0), "thing[0] is 0", "greater than 0"),
        (lambda: array("thing", [0, -1], least=0), "thing[1] is -1", "at least 0"),
        (lambda: array("thing", [[0, 2]], most=1), "thing[0, 1] is 2", "at most 1"),
        (lambda: array("thing", [True]), "thing takes numbers", "[True] was given"),
        (lambda: array("thing", object()), "thing takes numbers", "<object object"),
        (lambda: array("thing", "x" * 1000), "thing takes numbers", "xxx... was given"),
        (lambda: array("thing", [2**63], dtype=np.int64), "thing[0] is 9.22337e+18", "whole number"),
        (lambda: number("thing", np.nan), "thing is nan", "finite"),
        (lambda: number("thing", 2, most=1.0), "thing is 2", "at most 1"),
        (lambda: whole("thing", 1.0), "thing is 1.0", "whole number of at least 1"),
        (lambda: whole("thing", True), "thing is True", "whole number of at least 1"),
        (lambda: whole("thing", "3"), "thing is '3'", "whole number of at least 1"),
        (lambda: whole("thing", 0, least=1), "thing is 0", "at least 1"),
        (lambda: whole("thing", 0.5, least=None), "thing is 0.5", "but it must be a whole number"),
        (lambda: choices("thing", "c", ("a", "b")), "thing is 'c'", "one of 'a', 'b'"),
        (lambda: choices("thing", np.zeros(2), ("a", "b")), "thing is array", "one of 'a', 'b'"),
    ],
)
def test_checks_name_the_owner_what_was_given_and_what_is_allowed(make, given, allowed):
    with pytest.raises(InputError) as caught:
        make()
    assert given in str(caught.value)
    assert allowed in str(caught.value)


def test_checks_pass_what_is_allowed():
    assert number("thing", np.float32(0.5)) == 0.5
    assert whole("thing", np.int64(3)) == 3
    assert type(whole("thing", np.int64(3))) is int
    assert whole("thing", -3, least=None) == -3
    assert choices("thing", "b", ("a", "b")) == "b"
