"""What the mass-spring model declares."""

import pytest

import diffsim as ds
from diffsim.engine import runtime
from diffsim.engine.fields import Fields
from diffsim.physics.mass_spring.stages import build

SENSED = ("centre", "observation", "actuator_position", "actuator_velocity")


class Owner:
    """Keeps Taichi running."""


@pytest.mark.parametrize("record_all", [False, True])
@pytest.mark.parametrize("reads", [(), ("centre", "observation", "actuator_state")])
def test_arrays_are_declared_in_the_order_in_which_a_step_computes_them(reads, record_all):
    # So that of several arrays that stop being finite in one step, the first is the cause.
    scene = ds.MassSpring(points=[[0.0, 1.0], [1.0, 1.0]], springs=[[0, 1]], ground=ds.Ground())
    owner = Owner()
    runtime.attach(owner, "cpu")
    numbers = {f"scene.{name}": value for name, value in scene.numbers().items()}
    fields = Fields(numbers, (), envs=1, precision="f32", record_all=record_all)
    build(scene, fields, 3, frozenset(reads))
    names = [rows.name for rows in fields.trajectories]
    fields.close()
    runtime.detach(owner)
    contact = ("contact",) if record_all else ()
    assert names == ["position", "velocity", "load", *(SENSED if reads else ()), "actuation", "force", *contact]
    assert fields.record_all is record_all


BODY = ds.grid((1, 1))
PLAIN = ["muscle_force", "advance"]
STEPS = {
    "springs": (ds.MassSpring(BODY.points, BODY.springs, actuation=0.1), PLAIN),
    "cells that do nothing": (ds.MassSpring(BODY, actuation=0.1, cell_stiffness=0.0), PLAIN),
    "cells": (ds.MassSpring(BODY, actuation=0.1), ["muscle_force", "area_force", "advance"]),
    "contact": (
        ds.MassSpring(BODY, actuation=0.1, cells=(), self_contact=ds.SelfContact()),
        ["muscle_force", "search", "press_edge", "advance"],
    ),
    "in space": (
        ds.MassSpring(ds.grid((1, 1, 1)), self_contact=ds.SelfContact()),
        ["spring_force", "volume_force", "search", "press_triangle", "advance"],
    ),
}


@pytest.mark.parametrize("name", STEPS)
def test_a_step_has_the_stages_of_what_a_scene_uses_and_no_others(name):
    """So that nothing is compiled for the rest: a stage without elements is none."""
    scene, expected = STEPS[name]
    owner = Owner()
    runtime.attach(owner, "cpu")
    numbers = {f"scene.{name}": value for name, value in scene.numbers().items()}
    fields = Fields(numbers, (), envs=1, precision="f32")
    model = build(scene, fields, 3, frozenset())
    found = [stage.function.__name__ for stage in model.step if stage.elements]
    fields.close()
    runtime.detach(owner)
    assert found == expected
