"""Two kernels that differ in anything have different names, or none."""

import enum
import types

import numpy as np
import pytest
import taichi as ti

import diffsim as ds
from diffsim.engine.fingerprint import Unknown, fingerprint

TABLE = None


class Listed(list):
    pass


class Named(dict):
    pass


class Fixed(tuple):
    pass


class Base:
    __slots__ = ("value",)


class Slotted(Base):
    def __getitem__(self, k):
        return self.value


def slotted(value):
    made = Slotted()
    made.value = value
    return made


def own(number):
    class Made:
        def __init__(self):
            self.value = number

        def __getitem__(self, k):
            return self.value

    return Made


def member(number):
    values = np.arange(5000.0)
    values[2500] = number
    return enum.Enum("Made", {"A": values}).A


def module(number):
    made = types.ModuleType("mine")
    made.value = number
    return made


def plain():
    return TABLE


def first():
    return TABLE[0]


def called():
    return TABLE()[0]


def of_member():
    return TABLE.value[0]


def computed():
    return getattr(TABLE, "val" + "ue")


def by_name():
    return globals()["TABLE"]


def loaded():
    return float(np.load("table.npy")[0])


def opened():
    with open("table.txt") as file:
        return float(file.read())


def imported():
    import this_is_imported

    return this_is_imported.value


READ = plain


@ti.func
def stage(x):
    return x * ti.static(READ())


@pytest.fixture(scope="module", autouse=True)
def started():
    with ds.Simulation(ds.Problem(ds.MassSpring([[0.0, 1.0]], [], dt=0.01), steps=1)):
        yield


KINDS = {
    "number": (plain, float),
    "list": (first, lambda x: [x]),
    "subclass of list": (first, lambda x: Listed([x])),
    "subclass of dict": (first, lambda x: Named({0: x})),
    "subclass of tuple": (first, lambda x: Fixed((x,))),
    "array": (first, lambda x: np.array([x])),
    "slots of a base": (first, slotted),
    "a class's own __init__": (called, own),
    "a large array in an enumeration": (of_member, member),
    "an attribute by a computed name": (computed, module),
    "a global by its name": (by_name, float),
    "a file of NumPy's": (loaded, float),
    "a file": (opened, float),
    "an import": (imported, float),
}


@pytest.mark.parametrize("name", KINDS)
def test_other_values_have_another_name_or_none(name, monkeypatch):
    read, make = KINDS[name]
    monkeypatch.setitem(globals(), "READ", read)
    found = []
    for number in (1.0, 2.0):
        monkeypatch.setitem(globals(), "TABLE", make(number))
        try:
            found.append(fingerprint(stage))
        except Unknown:
            found.append(None)
    assert found == [None, None] or (None not in found and found[0] != found[1])
    if read in (by_name, loaded, opened, imported):
        assert found == [None, None]
