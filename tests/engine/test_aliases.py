"""Tags of memory: on every load and store, equal exactly where memory may be the same, and never of other bits."""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import taichi as ti

from diffsim.engine import native, runtime, staged
from diffsim.engine.aliases import tagged, with_numbers
from diffsim.engine.executors import make
from diffsim.engine.fields import Fields
from diffsim.engine.stages import Stage
from diffsim.engine.trajectory import Trajectory
from tests.engine.test_staged import Owner

ARGUMENTS = "{ { { i32 }, float* }, { { i32 }, float*, float* }, { i32, i32 } }"
TEXT = f"""define void @f(%struct.RuntimeContext* %context) {{
entry:
  %0 = bitcast %struct.RuntimeContext* %context to {ARGUMENTS}**
  %1 = load {ARGUMENTS}*, {ARGUMENTS}** %0, align 8
  %2 = getelementptr {ARGUMENTS}, {ARGUMENTS}* %1, i64 0, i32 2, i32 1
  %3 = load i32, i32* %2, align 4
  %4 = getelementptr {ARGUMENTS}, {ARGUMENTS}* %1, i64 0, i32 0, i32 1
  %5 = load float*, float** %4, align 8
  %6 = getelementptr float, float* %5, i32 %3
  %7 = bitcast float* %6 to <2 x float>*
  %8 = load <2 x float>, <2 x float>* %7, align 4
  %9 = getelementptr inbounds {ARGUMENTS}, {ARGUMENTS}* %1, i64 0, i32 1, i32 1
  %10 = load float*, float** %9, align 8
  store float 1.0, float* %10, align 4
  %11 = getelementptr {ARGUMENTS}, {ARGUMENTS}* %1, i64 0, i32 1, i32 2
  %12 = load float*, float** %11, align 8
  store float 2.0, float* %12, align 4
  %stack = alloca float, align 4
  store float 3.0, float* %stack, align 4
  ret void
}}"""


def tags(memory):
    """Of the loads and stores of `TEXT`, in order, the name that their tag stands for; None without one."""
    text = tagged(TEXT, ARGUMENTS, memory)
    names = {}
    for number, own in re.findall(r"^!(\d+) = !\{!(\d+), !\d+, i64 0, i64 \d\}$", text, re.MULTILINE):
        names[number] = re.search(rf'^!{own} = !{{!"([^"]+)"', text, re.MULTILINE)[1]
    accesses = [line for line in text.split("\n") if re.match(r"  (%\d+ = load|store) ", line)]
    found = [re.search(r"!tbaa !(\d+)$", line) for line in accesses]
    return [match and names[match[1]] for match in found]


def test_each_load_and_store_says_what_it_is_about():
    arguments, loaded, stored, gradient, local = "arguments", *tags([0, 1])[3:4], *tags([0, 1])[5:6], *tags([0, 1])[7:9]
    assert tags([0, 1]) == [arguments] * 3 + [loaded, arguments, stored, arguments, gradient, local]
    assert len({arguments, loaded, stored, gradient}) == 4
    assert local is None  # nothing is known of it: it may be anything


def test_pools_that_are_the_same_memory_share_a_tag():
    *_, first, _, second, _, _, _ = tags([0, 0])
    assert first == second
    *_, first, _, second, _, _, _ = tags([0, 1])
    assert first != second


def test_llvm_takes_the_text():
    llvm = pytest.importorskip("llvmlite.binding")
    struct = "%struct.RuntimeContext = type { i8* }\n"
    llvm.parse_assembly(struct + tagged(TEXT, ARGUMENTS, [0, 1])).verify()


def test_a_number_becomes_a_constant_and_no_other_does():
    text = with_numbers(TEXT, ARGUMENTS, 2, {1: 7})
    assert text == TEXT.replace("%3 = load i32, i32* %2, align 4", "%3 = add i32 7, 0")
    assert with_numbers(TEXT, ARGUMENTS, 2, {0: 7}) == TEXT


# The same array by several names and in several shapes


@dataclass(frozen=True)
class Views:
    start: Any  # (env, k) matrices
    value: Any  # (env, row, k) matrices
    same: Any  # (env, row, k) the same array by another name
    flat: Any  # (env, row, k) the same as vectors
    sums: Any  # (env, row, 0)


@ti.func
def begin(views: ti.template(), env, row, step, k):
    views.value[env, 0, k] = views.start[env, k]


@ti.func
def move(views: ti.template(), env, row, step, k):
    before = views.same[env, row, k]
    views.value[env, row + 1, k] = 0.5 * before @ before + 0.1 * before


@ti.func
def look(views: ti.template(), env, row, step, k):
    """What was just stored, one number by two names: in reverse, two sums go to one place."""
    views.sums[env, row, 0] += views.flat[env, row + 1, k][3] * views.same[env, row + 1, k][1, 1]


@ti.func
def total(views: ti.template(), loss: ti.template(), env, row, step, k):
    found = views.value[env, row, k]
    loss[env] += found[0, 0] * found[1, 1] + views.sums[env, row - 1, 0]


def gradient_of_views(executor):
    fields = Fields({"start": np.zeros((3, 2, 2))}, ("start",), envs=2, precision="f64")
    value = fields.trajectory("value", 3, (2, 2), state=True)
    sums = fields.trajectory("sums", 1, accumulates=True)
    views = Views(fields.number("start", 3, (2, 2)), value, value, value.flat, sums)
    fields.allocate(4, segments=1)
    step = (Stage(move, (views,), 3), Stage(look, (views,), 3))
    final = [Stage(total, (views, fields.loss), 3)]
    run, finish = make(executor, [Stage(begin, (views,), 3)], step, final, fields, serial=True)
    values = np.random.default_rng(2).uniform(0.5, 0.9, (2, 13))
    out = np.zeros_like(values)
    losses = Trajectory(fields, run, finish, 4).gradient(values, out, 1.0)
    fields.close()
    return losses, out


def test_views_of_one_array_are_the_same_memory(monkeypatch):
    runtime.attach(owner := Owner(), "cpu")
    found = []
    with runtime.precision("f64"):
        for executor, native_code in [("fused", False), ("staged", True), ("staged", False)]:
            monkeypatch.setattr(native, "available", lambda here=native_code: here and native.llvm() is not None)
            monkeypatch.setattr(staged, "_known", staged._Known())
            found.append(gradient_of_views(executor))
    runtime.detach(owner)
    pools = [key[3] for key in staged._known._found]
    assert any(len({pool.memory for pool in kernel}) < len(kernel) for kernel in pools)
    (losses, out), *others = found
    for other_losses, other in others:
        assert np.array_equal(other_losses, losses)
        # What `look` adds by both names goes to one place, in fused in another order.
        np.testing.assert_allclose(other, out, rtol=1e-14, atol=0)
    assert np.array_equal(others[0][1], others[1][1])
    assert np.all(np.abs(out[:, :12]) > 0)
